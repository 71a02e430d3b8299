//! A store of the caller's own, as a table of functions.

use std::{
    ffi::{CString, c_char, c_void},
    ptr::{self, NonNull},
    sync::Arc,
};

use nen::{Claim, Code, Error, NonceClaim, Session, SessionId, Store};

use crate::{
    failure::{Misuse, NEN_OK, Result},
    session::nen_session,
    store::claim as read_claim,
};

/// A store of the caller's own, for nen_store_custom_new(). All functions but `destroy` return NEN_OK or anything else,
/// which the client sees as 9001: a store that is out of reach must never say that a session is not there. They
/// are called on the threads that call the library, several at once, while it holds no lock; they must not throw or
/// jump out. A session that is handed in is lent: nen_session_clone() keeps it, nen_session_to_record() writes it down.
/// Ids are session ids as text, terminated, of `id_len` bytes.
///
/// What each wrong answer costs:
///
/// - `get` that returns a session after its end, or after `remove`: a terminated client is still let in.
/// - `get` that returns none for a live session: its client shakes hands again, needlessly.
/// - `claim_nonce` that says NEN_CLAIM_FRESH twice for one nonce, for example because it looks it up and then writes
///   it: a recorded request is accepted a second time.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nen_store_vtable {
    /// sizeof(nen_store_vtable), by which later versions know which members there are.
    pub size: usize,
    /// Sets `out_session`, which is NULL before, to the live session with this id, which the library then frees; or
    /// leaves it, if there is none. If it fails, what it has set remains its own.
    pub get: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            id: *const c_char,
            id_len: usize,
            now_ms: u64,
            out_session: *mut *mut nen_session,
        ) -> i32,
    >,
    /// Keeps a session until nen_session_expires_ms().
    pub set: Option<unsafe extern "C" fn(ctx: *mut c_void, session: *const nen_session, now_ms: u64) -> i32>,
    /// Removes a session; one that is not there is no error.
    pub remove: Option<unsafe extern "C" fn(ctx: *mut c_void, id: *const c_char, id_len: usize) -> i32>,
    /// Takes a nonce of NEN_NONCE_SIZE bytes if nobody had, in one atomic step, and remembers it until `until_ms`,
    /// inclusive, in Unix milliseconds. Sets `out_claim`, which is 0 before, to one of NEN_CLAIM_*; one whose end has
    /// passed is NEN_CLAIM_REPLAY.
    pub claim_nonce: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            id: *const c_char,
            id_len: usize,
            nonce: *const u8,
            nonce_len: usize,
            until_ms: u64,
            now_ms: u64,
            out_claim: *mut i32,
        ) -> i32,
    >,
    /// Keeps `session` in place of the one with the id `old_id`, for a rotation; if that fails, the old one stays. NULL
    /// takes `set` and then `remove`.
    pub replace: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            old_id: *const c_char,
            old_id_len: usize,
            session: *const nen_session,
            now_ms: u64,
        ) -> i32,
    >,
    /// Called once, when the store is freed and no call is under way; NULL if there is nothing to do.
    pub destroy: Option<unsafe extern "C" fn(ctx: *mut c_void)>,
}

/// Reads a vtable that may be of a later version, and thus longer.
///
/// # Safety
/// `vtable` is NULL or points to as many bytes as its member `size` says.
pub(crate) unsafe fn read_vtable(vtable: *const nen_store_vtable) -> Result<nen_store_vtable> {
    let vtable = NonNull::new(vtable.cast_mut()).ok_or(Misuse::Null)?;
    // SAFETY: the caller's promise; `size` is the first member.
    if unsafe { vtable.cast::<usize>().read() } < size_of::<nen_store_vtable>() {
        return Err(Misuse::Length.into());
    }
    // SAFETY: the caller's promise, and enough bytes.
    Ok(unsafe { vtable.read() })
}

/// A vtable with what it requires, and its context.
pub(crate) struct CustomStore {
    vtable: nen_store_vtable,
    ctx: *mut c_void,
}

// SAFETY: the header says that the functions are called on any thread, several at once.
unsafe impl Send for CustomStore {}
// SAFETY: as above.
unsafe impl Sync for CustomStore {}

impl CustomStore {
    pub(crate) fn new(vtable: nen_store_vtable, ctx: *mut c_void) -> Result<Self> {
        let nen_store_vtable { get, set, remove, claim_nonce, .. } = vtable;
        if get.is_none() || set.is_none() || remove.is_none() || claim_nonce.is_none() {
            return Err(Misuse::Null.into());
        }
        Ok(Self { vtable, ctx })
    }
}

const FAILED: Error = Error::new(Code::StoreUnavailable, "the caller's store failed");

fn done(code: i32) -> nen::Result<()> {
    if code == NEN_OK { Ok(()) } else { Err(FAILED) }
}

/// The text of an id, terminated, for as long as a call takes.
fn text(id: SessionId) -> (CString, usize) {
    let text = id.to_text();
    let len = text.len();
    (CString::new(text).unwrap_or_default(), len)
}

impl Store for CustomStore {
    fn get(&self, id: SessionId, now_ms: u64) -> nen::Result<Option<Arc<Session>>> {
        let get = self.vtable.get.ok_or(FAILED)?;
        let (id, len) = text(id);
        let mut session = ptr::null_mut();
        // SAFETY: the pointers are valid during the call.
        done(unsafe { get(self.ctx, id.as_ptr(), len, now_ms, &raw mut session) })?;
        // SAFETY: on success it is NULL or a handle of ours that the caller gave away.
        let session = unsafe { NonNull::new(session).map(|session| Box::from_raw(session.as_ptr())) };
        Ok(session.map(|session| Arc::clone(&session.0)))
    }

    fn set(&self, session: Arc<Session>, now_ms: u64) -> nen::Result<()> {
        let set = self.vtable.set.ok_or(FAILED)?;
        let session = nen_session(session);
        // SAFETY: the pointers are valid during the call.
        done(unsafe { set(self.ctx, &raw const session, now_ms) })
    }

    fn replace(&self, old: SessionId, new: Arc<Session>, now_ms: u64) -> nen::Result<()> {
        let Some(replace) = self.vtable.replace else {
            self.set(new, now_ms)?;
            return self.delete(old);
        };
        let ((old, len), new) = (text(old), nen_session(new));
        // SAFETY: the pointers are valid during the call.
        done(unsafe { replace(self.ctx, old.as_ptr(), len, &raw const new, now_ms) })
    }

    fn delete(&self, id: SessionId) -> nen::Result<()> {
        let remove = self.vtable.remove.ok_or(FAILED)?;
        let (id, len) = text(id);
        // SAFETY: the pointers are valid during the call.
        done(unsafe { remove(self.ctx, id.as_ptr(), len) })
    }

    fn claim_nonce(&self, claim: &NonceClaim, now_ms: u64) -> nen::Result<Claim> {
        let claim_nonce = self.vtable.claim_nonce.ok_or(FAILED)?;
        let (id, len) = text(claim.session);
        let nonce = claim.nonce.as_bytes();
        let mut out = 0;
        // SAFETY: the pointers are valid during the call.
        done(unsafe {
            let (nonce, nonce_len) = (nonce.as_ptr(), nonce.len());
            claim_nonce(self.ctx, id.as_ptr(), len, nonce, nonce_len, claim.until_ms, now_ms, &raw mut out)
        })?;
        read_claim(out).map_err(|_| Error::new(Code::StoreUnavailable, "the caller's store made no claim"))
    }
}

impl Drop for CustomStore {
    fn drop(&mut self) {
        if let Some(destroy) = self.vtable.destroy {
            // SAFETY: the store is freed once, and the header forbids to free it during a call.
            unsafe { destroy(self.ctx) }
        }
    }
}
