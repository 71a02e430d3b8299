//! The server's check step by step, for callers whose store is remote:
//!
//! read the request → (load the session) → verify → (claim the nonce) → admit.

use std::{ffi::c_char, sync::Arc};

use nen::{NONCE_SIZE, Request, RequestHeaders, Verified};

use crate::{
    argument::{Exclusive, Out, Room, bytes, lent, required, wire_text},
    buffer::nen_buffer,
    exchange::nen_exchange,
    failure::{Misuse, Result, guard, release},
    headers::{NEN_SESSION_ID_SIZE, nen_request_headers, received, terminated},
    server::nen_server,
    session::nen_session,
    store::claim as read_claim,
};

// ── request ─────────────────────────────────────────────────────────────────────────────────────────────

/// A request whose session is known by name and not yet verified: a copy of its headers, method and target. Any
/// number of threads may use it at once.
pub struct nen_request {
    session: Option<Vec<u8>>,
    timestamp: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
    method: String,
    target: String,
}

/// Step 1: which session does the request name? Its inputs are lent as for nen_server_respond() and copied.
///
/// Errors, to be answered by nen_error_answer(): NEN_ERR_NULL; 2003 without a session header; 2002 if it holds no
/// session id.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_request_new(
    headers: *const nen_request_headers,
    method: *const c_char,
    method_len: usize,
    target: *const c_char,
    target_len: usize,
    out: *mut Option<Box<nen_request>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (headers, method, target, out) = unsafe {
            (
                received(headers)?,
                wire_text(method, method_len)?,
                wire_text(target, target_len)?,
                Out::new(out)?,
            )
        };
        let request = nen_request {
            session: headers.session.map(Vec::from),
            timestamp: headers.timestamp.map(Vec::from),
            nonce: headers.nonce.map(Vec::from),
            signature: headers.signature.map(Vec::from),
            method: method.into_owned(),
            target: target.into_owned(),
        };
        request.read()?;
        out.give(request);
        Ok(())
    })
}

impl nen_request {
    fn read(&self) -> Result<Request<'_>> {
        let headers = RequestHeaders {
            session: self.session.as_deref(),
            timestamp: self.timestamp.as_deref(),
            nonce: self.nonce.as_deref(),
            signature: self.signature.as_deref(),
        };
        Ok(Request::read(headers, &self.method, &self.target)?)
    }
}

/// The id of the session to load, terminated. `out_size` is the room at `out`, at least NEN_SESSION_ID_SIZE bytes.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_LENGTH.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_request_session_id(
    request: Option<&nen_request>,
    out: *mut c_char,
    out_size: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (request, out) =
            unsafe { (required(request)?, Room::<NEN_SESSION_ID_SIZE>::new(out.cast(), out_size)?) };
        out.write(terminated(&request.read()?.session_id().to_text())?);
        Ok(())
    })
}

/// Frees a request. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_request_free(request: Option<Box<nen_request>>) {
    release(request);
}

// ── verify ──────────────────────────────────────────────────────────────────────────────────────────────

/// A request that is authentic and must still claim its nonce. One thread at a time; nen_verified_admit() uses it up.
pub struct nen_verified(Exclusive<Option<Verified>>);

impl From<Verified> for nen_verified {
    fn from(verified: Verified) -> Self {
        Self(Exclusive::new(Some(verified)))
    }
}

/// Step 2: is the request authentic? `session` is what the store holds under the request's session id; NULL for
/// nothing.
///
/// Errors, to be answered by nen_error_answer(): NEN_ERR_NULL; 2002, 3005, 3001, 3002, 3003; 9001 if it is another
/// session.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_verify(
    server: Option<&nen_server>,
    request: Option<&nen_request>,
    session: Option<&nen_session>,
    now_ms: u64,
    out: *mut Option<Box<nen_verified>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (server, request, out) = unsafe { (required(server)?, required(request)?, Out::new(out)?) };
        let session = session.map(|session| Arc::clone(&session.0));
        out.give(server.0.verify(&request.read()?, session, now_ms)?.into());
        Ok(())
    })
}

/// Step 2 for rotate, terminate and status: a signature that is present is verified like any other, and its nonce
/// must be claimed; an absent one is accepted, with NULL in `out`, unless the server requires it.
///
/// Errors: as nen_server_verify().
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_verify_lifecycle(
    server: Option<&nen_server>,
    request: Option<&nen_request>,
    session: Option<&nen_session>,
    now_ms: u64,
    out: *mut Option<Box<nen_verified>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (server, request, out) = unsafe { (required(server)?, required(request)?, Out::new(out)?) };
        let session = session.map(|session| Arc::clone(&session.0));
        let verified = server.0.verify_lifecycle(&request.read()?, session, now_ms)?;
        out.write(verified.map(|verified| Box::new(verified.into())));
        Ok(())
    })
}

/// What to claim in the store under the request's session id, in one atomic step: the nonce, NEN_NONCE_SIZE bytes
/// (`out_nonce_size` is the room for it), and until when it must be remembered, in Unix milliseconds, inclusive.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_LENGTH, NEN_ERR_USED_UP, NEN_ERR_BUSY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_verified_claim(
    verified: *mut nen_verified,
    out_nonce: *mut u8,
    out_nonce_size: usize,
    out_until_ms: *mut u64,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (verified, out_nonce, out_until_ms) = unsafe {
            (lent(verified)?, Room::<NONCE_SIZE>::new(out_nonce, out_nonce_size)?, Out::new(out_until_ms)?)
        };
        let claim = verified.0.lock()?.as_ref().ok_or(Misuse::UsedUp)?.claim();
        out_nonce.write(*claim.nonce.as_bytes());
        out_until_ms.write(claim.until_ms);
        Ok(())
    })
}

/// Step 3: lets the request in if its nonce was unseen. `claim`, one of NEN_CLAIM_*, is what the store said. To say
/// NEN_CLAIM_FRESH twice for one nonce is to accept a recorded request a second time.
///
/// Errors, to be answered by nen_error_answer(): NEN_ERR_NULL, NEN_ERR_VALUE, NEN_ERR_USED_UP, NEN_ERR_BUSY; 5001,
/// 5002.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_verified_admit(
    verified: *mut nen_verified,
    claim: i32,
    out: *mut Option<Box<nen_exchange>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (verified, out) = unsafe { (lent(verified)?, Out::new(out)?) };
        let claim = read_claim(claim)?;
        let verified = verified.0.lock()?.take().ok_or(Misuse::UsedUp)?;
        out.give(nen_exchange(verified.admit(claim)?));
        Ok(())
    })
}

/// Frees a verified request. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_verified_free(verified: Option<Box<nen_verified>>) {
    release(verified);
}

// ── handshake ───────────────────────────────────────────────────────────────────────────────────────────

/// Takes the body of a handshake or a rotation and makes a session of it. The caller stores the session first, then
/// sends `out_answer`, application/json, with status 200. The answer holds a key.
///
/// Errors, to be answered by nen_error_answer(): NEN_ERR_NULL; 1001, 1002, 3004, 6001, 6002.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_accept(
    server: Option<&nen_server>,
    body: *const u8,
    body_len: usize,
    now_ms: u64,
    out_session: *mut Option<Box<nen_session>>,
    out_answer: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (body, out_session, out_answer) =
            unsafe { (bytes(body, body_len)?, Out::new(out_session)?, Out::new(out_answer)?) };
        let (session, answer) = required(server)?.0.accept(body, now_ms)?;
        out_session.give(nen_session(session));
        out_answer.write(answer.into());
        Ok(())
    })
}
