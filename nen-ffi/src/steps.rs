//! The server step by step, for callers whose store is remote. The check of a request:
//!
//! read the request → (load the session) → verify → (claim the nonce) → admit.
//!
//! A session endpoint: begin → (do what the step says, tell what came of it) as often as there are steps → answer.

use std::{ffi::c_char, sync::Arc};

use nen::{EndpointCall, NONCE_SIZE, NonceClaim, Reply, RequestHead, Server, Step, Verified};

use crate::{
    argument::{Exclusive, Out, Room, bytes, lent, required, wire_text},
    buffer::nen_buffer,
    exchange::nen_exchange,
    failure::{Misuse, Result, guard, release},
    headers::{NEN_SESSION_ID_SIZE, nen_request_headers, received, terminated},
    server::{endpoint, nen_server},
    session::nen_session,
    store::claim as read_claim,
};

// ── request ─────────────────────────────────────────────────────────────────────────────────────────────

/// A request whose session is known by name and not yet verified: a copy of its headers, method and target. Any
/// number of threads may use it at once.
pub struct nen_request(RequestHead);

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
        let head = RequestHead::new(headers, &method, &target);
        head.read()?;
        out.give(nen_request(head));
        Ok(())
    })
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
        out.write(terminated(&request.0.read()?.session_id().to_text())?);
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
        out.give(server.0.verify(&request.0.read()?, session, now_ms)?.into());
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
        let verified = server.0.verify_lifecycle(&request.0.read()?, session, now_ms)?;
        out.write(verified.map(|verified| Box::new(verified.into())));
        Ok(())
    })
}

/// What to claim in the store under the request's session id, in one atomic step: the nonce, NEN_NONCE_SIZE bytes
/// (`out_nonce_size` is the room for it), and until when it must be remembered, in Unix milliseconds, inclusive. A
/// claim whose end has passed before it is made is a replay.
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

// ── session endpoints ───────────────────────────────────────────────────────────────────────────────────

/// No step is left: nen_endpoint_call_answer() has what to send.
pub const NEN_STEP_ANSWER: i32 = 0;
/// Load the session of nen_endpoint_call_session_id() and hand it to nen_endpoint_call_got().
pub const NEN_STEP_GET: i32 = 1;
/// Claim the nonce of nen_endpoint_call_claim() under nen_endpoint_call_session_id(), in one atomic step, and tell
/// nen_endpoint_call_claimed() what the store said.
pub const NEN_STEP_CLAIM: i32 = 2;
/// Keep nen_endpoint_call_session() until its end, then call nen_endpoint_call_stored().
pub const NEN_STEP_SET: i32 = 3;
/// Keep nen_endpoint_call_session() in place of nen_endpoint_call_session_id(), then call nen_endpoint_call_stored().
/// If that fails, the old session must stay: set the new one first.
pub const NEN_STEP_REPLACE: i32 = 4;
/// Remove the session of nen_endpoint_call_session_id(), then call nen_endpoint_call_stored().
pub const NEN_STEP_REMOVE: i32 = 5;

/// A request to a session endpoint, of which nen_server_respond() is the whole with a store of the library's. One
/// thread at a time. If the store fails, or a function returns an error, the call is over: free it and send
/// nen_error_answer(), of 9001 for the store.
pub struct nen_endpoint_call(Exclusive<Option<EndpointCall>>, Arc<Server>);

/// Begins to answer a session endpoint. The inputs are those of nen_server_respond() and are copied.
///
/// Errors, to be answered by nen_error_answer(): NEN_ERR_NULL, NEN_ERR_VALUE; 1001, 1002, 2002, 2003, 3004, 6001, 6002.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_endpoint_call_new(
    server: Option<&nen_server>,
    route: i32,
    headers: *const nen_request_headers,
    method: *const c_char,
    method_len: usize,
    target: *const c_char,
    target_len: usize,
    body: *const u8,
    body_len: usize,
    now_ms: u64,
    out: *mut Option<Box<nen_endpoint_call>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (headers, method, target, body, out) = unsafe {
            (
                received(headers)?,
                wire_text(method, method_len)?,
                wire_text(target, target_len)?,
                bytes(body, body_len)?,
                Out::new(out)?,
            )
        };
        let (server, endpoint) = (Arc::clone(&required(server)?.0), endpoint(route)?);
        let head = RequestHead::new(headers, &method, &target);
        let call = EndpointCall::new(&server, endpoint, head, body, now_ms)?;
        out.give(nen_endpoint_call(Exclusive::new(Some(call)), server));
        Ok(())
    })
}

impl nen_endpoint_call {
    fn step(&self) -> Result<Step> {
        Ok(self.0.lock()?.as_ref().ok_or(Misuse::UsedUp)?.step()?)
    }

    /// Goes on with `reply`, if it belongs to the step that `fits`. Another one changes nothing.
    fn resume(&self, fits: impl FnOnce(&Step) -> bool, reply: Reply) -> Result<()> {
        let mut call = self.0.lock()?;
        let call = call.as_mut().ok_or(Misuse::UsedUp)?;
        if !fits(&call.step()?) {
            return Err(Misuse::Step.into());
        }
        Ok(call.resume(&self.1, reply)?)
    }
}

/// What is to be done next: `out_step` becomes one of NEN_STEP_*.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_USED_UP, NEN_ERR_BUSY; 9000 after a failure.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_endpoint_call_step(call: *mut nen_endpoint_call, out_step: *mut i32) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (call, out_step) = unsafe { (lent(call)?, Out::new(out_step)?) };
        out_step.write(match call.step()? {
            Step::Answer => NEN_STEP_ANSWER,
            Step::Get(_) => NEN_STEP_GET,
            Step::Claim(_) => NEN_STEP_CLAIM,
            Step::Set(_) => NEN_STEP_SET,
            Step::Replace(..) => NEN_STEP_REPLACE,
            Step::Delete(_) => NEN_STEP_REMOVE,
        });
        Ok(())
    })
}

/// The id of the session that the step is about, terminated: to load, to claim under, to replace, to remove. `out_size`
/// is the room at `out`, at least NEN_SESSION_ID_SIZE bytes.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_LENGTH, NEN_ERR_USED_UP, NEN_ERR_BUSY; NEN_ERR_STEP at NEN_STEP_SET and _ANSWER; 9000
/// after a failure.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_endpoint_call_session_id(
    call: *mut nen_endpoint_call,
    out: *mut c_char,
    out_size: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (call, out) = unsafe { (lent(call)?, Room::<NEN_SESSION_ID_SIZE>::new(out.cast(), out_size)?) };
        let (Step::Get(id)
        | Step::Claim(NonceClaim { session: id, .. })
        | Step::Replace(id, _)
        | Step::Delete(id)) = call.step()?
        else {
            return Err(Misuse::Step.into());
        };
        out.write(terminated(&id.to_text())?);
        Ok(())
    })
}

/// The session to keep, to be freed.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_USED_UP, NEN_ERR_BUSY; NEN_ERR_STEP unless at NEN_STEP_SET or _REPLACE; 9000 after a
/// failure.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_endpoint_call_session(
    call: *mut nen_endpoint_call,
    out: *mut Option<Box<nen_session>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (call, out) = unsafe { (lent(call)?, Out::new(out)?) };
        let (Step::Set(session) | Step::Replace(_, session)) = call.step()? else {
            return Err(Misuse::Step.into());
        };
        out.give(nen_session(session));
        Ok(())
    })
}

/// What to claim: as nen_verified_claim().
///
/// Errors: NEN_ERR_NULL, NEN_ERR_LENGTH, NEN_ERR_USED_UP, NEN_ERR_BUSY; NEN_ERR_STEP unless at NEN_STEP_CLAIM; 9000
/// after a failure.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_endpoint_call_claim(
    call: *mut nen_endpoint_call,
    out_nonce: *mut u8,
    out_nonce_size: usize,
    out_until_ms: *mut u64,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (call, out_nonce, out_until_ms) = unsafe {
            (lent(call)?, Room::<NONCE_SIZE>::new(out_nonce, out_nonce_size)?, Out::new(out_until_ms)?)
        };
        let Step::Claim(claim) = call.step()? else { return Err(Misuse::Step.into()) };
        out_nonce.write(*claim.nonce.as_bytes());
        out_until_ms.write(claim.until_ms);
        Ok(())
    })
}

/// Goes on from NEN_STEP_GET: `session` is what the store holds; NULL for nothing.
///
/// Errors, to be answered by nen_error_answer(): NEN_ERR_NULL, NEN_ERR_USED_UP, NEN_ERR_BUSY, NEN_ERR_STEP; 1001, 1002,
/// 2002, 3001, 3002, 3003, 3004, 3005, 6001, 6002; 9001 if it is another session; 9000 after a failure.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_endpoint_call_got(
    call: *mut nen_endpoint_call,
    session: Option<&nen_session>,
) -> i32 {
    guard(|| {
        let reply = Reply::Session(session.map(|session| Arc::clone(&session.0)));
        // SAFETY: the conventions of the header.
        unsafe { lent(call) }?.resume(|step| matches!(step, Step::Get(_)), reply)
    })
}

/// Goes on from NEN_STEP_CLAIM: `claim`, one of NEN_CLAIM_*, is what the store said.
///
/// Errors, to be answered by nen_error_answer(): NEN_ERR_NULL, NEN_ERR_VALUE, NEN_ERR_USED_UP, NEN_ERR_BUSY,
/// NEN_ERR_STEP; 1001, 1002, 3004, 5001, 5002, 6001, 6002; 9000 after a failure.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_endpoint_call_claimed(call: *mut nen_endpoint_call, claim: i32) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let call = unsafe { lent(call) }?;
        call.resume(|step| matches!(step, Step::Claim(_)), Reply::Claim(read_claim(claim)?))
    })
}

/// Goes on from NEN_STEP_SET, _REPLACE or _REMOVE, which the store has done.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_USED_UP, NEN_ERR_BUSY, NEN_ERR_STEP; 9000 after a failure.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_endpoint_call_stored(call: *mut nen_endpoint_call) -> i32 {
    guard(|| {
        let fits = |step: &Step| matches!(step, Step::Set(_) | Step::Replace(..) | Step::Delete(_));
        // SAFETY: the conventions of the header.
        unsafe { lent(call) }?.resume(fits, Reply::Stored)
    })
}

/// What to send: as the outputs of nen_server_respond(). Uses the call up.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_USED_UP, NEN_ERR_BUSY; NEN_ERR_STEP unless at NEN_STEP_ANSWER; 9000 after a failure.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_endpoint_call_answer(
    call: *mut nen_endpoint_call,
    out_status: *mut u16,
    out_body: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (call, out_status, out_body) =
            unsafe { (lent(call)?, Out::new(out_status)?, Out::new(out_body)?) };
        let mut call = call.0.lock()?;
        if !matches!(call.as_ref().ok_or(Misuse::UsedUp)?.step()?, Step::Answer) {
            return Err(Misuse::Step.into());
        }
        let answer = call.take().ok_or(Misuse::UsedUp)?.into_answer()?;
        out_status.write(answer.status);
        out_body.write(answer.into());
        Ok(())
    })
}

/// Frees an endpoint call. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_endpoint_call_free(call: Option<Box<nen_endpoint_call>>) {
    release(call);
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
