//! Where a server keeps its sessions.

use std::ffi::{c_char, c_void};

use nen::{Claim, MemoryLimits, MemoryStore, NONCE_SIZE, NonceClaim, SessionId, Store};

use crate::{
    argument::{Out, Room, nonce as read_nonce, required},
    custom_store::{CustomStore, nen_store_vtable, read_vtable},
    failure::{Misuse, Result, guard, release},
    headers::terminated,
    session::{nen_session, session_id},
};

/// Nobody had used the nonce; now it is taken. No claim is 0, so that a variable that nobody set lets nothing in.
pub const NEN_CLAIM_FRESH: i32 = 1;
/// The nonce was used before, or the end of its window has passed.
pub const NEN_CLAIM_REPLAY: i32 = 2;
/// No more nonces can be remembered; none is forgotten for that.
pub const NEN_CLAIM_FULL: i32 = 3;

/// Sessions and used nonces. Any number of threads may use it at once, and any number of servers.
pub struct nen_store(Kind);

enum Kind {
    Memory(Box<MemoryStore>),
    Custom(CustomStore),
}

impl nen_store {
    pub(crate) fn get(&self) -> &dyn Store {
        match &self.0 {
            Kind::Memory(store) => store.as_ref(),
            Kind::Custom(store) => store,
        }
    }

    fn memory(&self) -> Result<&MemoryStore> {
        match &self.0 {
            Kind::Memory(store) => Ok(store),
            Kind::Custom(_) => Err(Misuse::Value.into()),
        }
    }
}

/// A store in this process's memory: for development, and for a server of one process. 0 takes the default of a cap:
/// a million sessions, four million nonces, a hundred thousand nonces of one session. A handshake beyond the first is
/// refused with 9001, a request beyond the others with 5002.
///
/// Errors: NEN_ERR_NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_store_memory_new(
    max_sessions: usize,
    max_nonces: usize,
    max_nonces_per_session: usize,
    out: *mut Option<Box<nen_store>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let out = unsafe { Out::new(out) }?;
        let defaults = MemoryLimits::default();
        let or = |cap, default| if cap == 0 { default } else { cap };
        let limits = MemoryLimits {
            max_sessions: or(max_sessions, defaults.max_sessions),
            max_nonces: or(max_nonces, defaults.max_nonces),
            max_nonces_per_session: or(max_nonces_per_session, defaults.max_nonces_per_session),
        };
        out.give(nen_store(Kind::Memory(Box::new(MemoryStore::new(limits)))));
        Ok(())
    })
}

/// A store of the caller's own. `vtable` is copied; `ctx` is handed to each of its functions as it is. Only if this
/// function succeeds will the store call `destroy`.
///
/// Errors: NEN_ERR_NULL, also for a member that is required; NEN_ERR_LENGTH if `size` is less than that of a vtable.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_store_custom_new(
    vtable: *const nen_store_vtable,
    ctx: *mut c_void,
    out: *mut Option<Box<nen_store>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (vtable, out) = unsafe { (read_vtable(vtable)?, Out::new(out)?) };
        out.give(nen_store(Kind::Custom(CustomStore::new(vtable, ctx)?)));
        Ok(())
    })
}

/// The live session with this id, to be freed; NULL if there is none.
///
/// Errors: NEN_ERR_NULL; NEN_ERR_VALUE if `id` is no session id; 9001.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_store_get(
    store: Option<&nen_store>,
    id: *const c_char,
    id_len: usize,
    now_ms: u64,
    out: *mut Option<Box<nen_session>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (store, id, out) = unsafe { (required(store)?, session_id(id, id_len)?, Out::new(out)?) };
        let session = store.get().get(id, now_ms)?;
        out.write(session.map(|session| Box::new(nen_session(session))));
        Ok(())
    })
}

/// Keeps a session until its end.
///
/// Errors: NEN_ERR_NULL; 9001 if the store is full or fails.
#[unsafe(no_mangle)]
#[must_use]
pub extern "C" fn nen_store_set(
    store: Option<&nen_store>,
    session: Option<&nen_session>,
    now_ms: u64,
) -> i32 {
    guard(|| {
        let (store, session) = (required(store)?, required(session)?);
        Ok(store.get().set(session.0.clone(), now_ms)?)
    })
}

/// Removes a session; one that is not there is no error.
///
/// Errors: NEN_ERR_NULL; NEN_ERR_VALUE if `id` is no session id; 9001.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_store_remove(
    store: Option<&nen_store>,
    id: *const c_char,
    id_len: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let id = unsafe { session_id(id, id_len) }?;
        Ok(required(store)?.get().delete(id)?)
    })
}

/// Takes a nonce of NEN_NONCE_SIZE bytes if nobody had, in one atomic step, and remembers it until `until_ms`, in
/// Unix milliseconds. `out_claim` becomes one of NEN_CLAIM_*.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_LENGTH; NEN_ERR_VALUE if `id` is no session id; 9001.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_store_claim_nonce(
    store: Option<&nen_store>,
    id: *const c_char,
    id_len: usize,
    nonce: *const u8,
    nonce_len: usize,
    until_ms: u64,
    now_ms: u64,
    out_claim: *mut i32,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (session, nonce, out_claim) =
            unsafe { (session_id(id, id_len)?, read_nonce(nonce, nonce_len)?, Out::new(out_claim)?) };
        let claim = NonceClaim { session, nonce, until_ms };
        out_claim.write(match required(store)?.get().claim_nonce(&claim, now_ms)? {
            Claim::Fresh => NEN_CLAIM_FRESH,
            Claim::Replay => NEN_CLAIM_REPLAY,
            Claim::Full => NEN_CLAIM_FULL,
        });
        Ok(())
    })
}

/// Removes every session that has ended and every nonce that can be forgotten. The store does so by itself as it is
/// used; a server that falls silent may call it from a timer.
///
/// Errors: NEN_ERR_NULL; NEN_ERR_VALUE for a store of the caller's own.
#[unsafe(no_mangle)]
#[must_use]
pub extern "C" fn nen_store_sweep(store: Option<&nen_store>, now_ms: u64) -> i32 {
    guard(|| {
        required(store)?.memory()?.sweep(now_ms);
        Ok(())
    })
}

/// How many sessions and nonces are kept, among them those that have ended and were not swept yet.
///
/// Errors: NEN_ERR_NULL; NEN_ERR_VALUE for a store of the caller's own.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_store_count(
    store: Option<&nen_store>,
    out_sessions: *mut usize,
    out_nonces: *mut usize,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (store, out_sessions, out_nonces) =
            unsafe { (required(store)?, Out::new(out_sessions)?, Out::new(out_nonces)?) };
        let memory = store.memory()?;
        out_sessions.write(memory.len());
        out_nonces.write(memory.nonces());
        Ok(())
    })
}

/// Frees a store and what it keeps; a store of the caller's own is destroyed. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_store_free(store: Option<Box<nen_store>>) {
    release(store);
}

/// Room for the key of a session's record in a shared store, with its NUL, in bytes.
pub const NEN_RECORD_KEY_SIZE: usize = 49;
/// Room for the key of a used nonce in a shared store, with its NUL, in bytes.
pub const NEN_NONCE_KEY_SIZE: usize = 68;

// cbindgen cannot write these.
const _: () = assert!(NEN_RECORD_KEY_SIZE == "nen:session:".len() + SessionId::TEXT_SIZE + 1);
const _: () = assert!(NEN_NONCE_KEY_SIZE == NEN_RECORD_KEY_SIZE + ":n:".len() + NONCE_SIZE.div_ceil(3) * 4);

/// The key under which a store that is shared (Redis, for example) keeps a session's record, in whichever language,
/// terminated: "nen:session:<id>". The record is that of nen_session_to_record(); it expires with the session.
/// `out_size` is the room at `out`, at least NEN_RECORD_KEY_SIZE bytes.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_LENGTH; NEN_ERR_VALUE if `id` is no session id.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_record_key(
    id: *const c_char,
    id_len: usize,
    out: *mut c_char,
    out_size: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (id, out) =
            unsafe { (session_id(id, id_len)?, Room::<NEN_RECORD_KEY_SIZE>::new(out.cast(), out_size)?) };
        out.write(terminated(&id.record_key())?);
        Ok(())
    })
}

/// The key under which such a store remembers a used nonce, terminated: "nen:session:<id>:n:<base64 of the nonce>". It
/// is set only if it is not there, for the time until the end that the claim names and NEN_REMOTE_CLOCK_SLACK_MS more
/// (Redis: SET key token NX PX `until_ms - now_ms + slack`). Name that time as a duration: Redis takes an end that has
/// passed on its own clock, says OK and keeps nothing. A token drawn for each claim tells a command that was sent
/// twice from a replay. The store must not evict: one that is full must fail. `out_size` is the room at `out`, at
/// least NEN_NONCE_KEY_SIZE bytes.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_LENGTH; NEN_ERR_VALUE if `id` is no session id.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_nonce_key(
    id: *const c_char,
    id_len: usize,
    nonce: *const u8,
    nonce_len: usize,
    out: *mut c_char,
    out_size: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (session, nonce, out) = unsafe {
            (
                session_id(id, id_len)?,
                read_nonce(nonce, nonce_len)?,
                Room::<NEN_NONCE_KEY_SIZE>::new(out.cast(), out_size)?,
            )
        };
        out.write(terminated(&NonceClaim { session, nonce, until_ms: 0 }.key())?);
        Ok(())
    })
}

/// What a claim came to, as C says it.
pub(crate) fn claim(value: i32) -> Result<Claim> {
    match value {
        NEN_CLAIM_FRESH => Ok(Claim::Fresh),
        NEN_CLAIM_REPLAY => Ok(Claim::Replay),
        NEN_CLAIM_FULL => Ok(Claim::Full),
        _ => Err(Misuse::Value.into()),
    }
}
