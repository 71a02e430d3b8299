//! A client's requests, over as many attempts as the protocol allows: to a protected endpoint, and about the session.

use std::ffi::c_char;

use nen::{Call, LifecycleCall, LifecycleOutcome, Outcome, Plaintext};

use crate::{
    argument::{Exclusive, Out, bytes, lent, optional, required, text},
    buffer::nen_buffer,
    client::nen_client,
    failure::{Misuse, Result, guard, release},
    headers::nen_signed_headers,
    server::{NEN_ROUTE_ROTATE, NEN_ROUTE_STATUS, NEN_ROUTE_TERMINATE},
    stream::nen_stream_opener,
};

/// The answer was read: the call is done.
pub const NEN_OUTCOME_ANSWER: i32 = 0;
/// Neither 2xx nor of the protocol (a proxy's 502, a redirect): to be treated as the HTTP client treats it.
pub const NEN_OUTCOME_FOREIGN: i32 = 1;
/// Seal and send once more: the session or the clock has changed since.
pub const NEN_OUTCOME_REPEAT: i32 = 2;
/// The session is gone: shake hands, once for all concurrent calls, then seal and send once more.
pub const NEN_OUTCOME_REESTABLISH: i32 = 3;
/// The session endpoint did what it was asked for: the lifecycle call is done.
pub const NEN_OUTCOME_DONE: i32 = 4;

// ── to a protected endpoint ─────────────────────────────────────────────────────────────────────────────

/// One logical request to a protected endpoint. One thread at a time. Seal, send and open, until nen_call_open() says
/// something else than NEN_OUTCOME_REPEAT or NEN_OUTCOME_REESTABLISH.
pub struct nen_call(Exclusive<Call>);

/// A request with this method to `target`, the path as it travels: percent-encoded; a query is not signed.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_UTF8.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_call_new(
    method: *const c_char,
    method_len: usize,
    target: *const c_char,
    target_len: usize,
    out: *mut Option<Box<nen_call>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (method, target, out) =
            unsafe { (text(method, method_len)?, text(target, target_len)?, Out::new(out)?) };
        out.give(nen_call(Exclusive::new(Call::new(method, target))));
        Ok(())
    })
}

/// Seals and signs the next attempt, under the client's session and a fresh nonce. `body` is the plaintext, JSON;
/// with length 0 the request has none. `out_headers` are the four headers to set; `out_body` is the body to send,
/// application/json, empty if there is none.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 2001 without a session; 3002 if method or target cannot stand in a request
/// line; 4002; 4003 if the body is not UTF-8 JSON, which the server would refuse.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_call_seal(
    call: *mut nen_call,
    client: Option<&nen_client>,
    body: *const u8,
    body_len: usize,
    now_ms: u64,
    out_headers: *mut nen_signed_headers,
    out_body: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (call, body, out_headers, out_body) =
            unsafe { (lent(call)?, bytes(body, body_len)?, Out::new(out_headers)?, Out::new(out_body)?) };
        let body = Some(body).filter(|body| !body.is_empty());
        let request = call.0.lock()?.seal(&required(client)?.0, body, now_ms)?;
        out_headers.write(nen_signed_headers::new(&request.headers)?);
        out_body.write(request.body.into());
        Ok(())
    })
}

/// Reads the answer to the last attempt: its HTTP status, its Date header (NULL if it has none) and its body.
/// `out_outcome` becomes one of NEN_OUTCOME_*. `out_plaintext` becomes the opened answer, UTF-8 JSON, if that is
/// NEN_OUTCOME_ANSWER and the method not HEAD; else it becomes empty.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 2001 if nothing was sealed; the server's own code; 6001 for a 2xx answer that
/// is not sealed; 6002, 4001, 4003; 5001 for our own ciphertext sent back.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_call_open(
    call: *mut nen_call,
    client: Option<&nen_client>,
    status: u16,
    date: *const c_char,
    date_len: usize,
    body: *const u8,
    body_len: usize,
    now_ms: u64,
    out_outcome: *mut i32,
    out_plaintext: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (call, date, body, out_outcome, out_plaintext) = unsafe {
            (
                lent(call)?,
                header_text(date, date_len)?,
                bytes(body, body_len)?,
                Out::new(out_outcome)?,
                Out::new(out_plaintext)?,
            )
        };
        let outcome = call.0.lock()?.open(&required(client)?.0, status, date, body, now_ms)?;
        let (outcome, plaintext) = read_outcome(outcome);
        out_outcome.write(outcome);
        out_plaintext.write(plaintext.into());
        Ok(())
    })
}

/// Opens the stream that a 2xx answer to the last attempt carries. `nonce_header` is the answer's X-Nen-Stream-Nonce;
/// NULL if it has none.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 2001 if nothing was sealed; 7001; 5001 for a stream that would begin with our
/// own ciphertext.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_call_open_stream(
    call: *mut nen_call,
    client: Option<&nen_client>,
    nonce_header: *const c_char,
    nonce_header_len: usize,
    out: *mut Option<Box<nen_stream_opener>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (call, nonce_header, out) =
            unsafe { (lent(call)?, optional(nonce_header, nonce_header_len)?, Out::new(out)?) };
        out.give(call.0.lock()?.open_stream(&required(client)?.0, nonce_header)?.into());
        Ok(())
    })
}

/// Reads an answer to a stream request that is not 2xx, as nen_call_open() does. `out_outcome` becomes
/// NEN_OUTCOME_REPEAT or NEN_OUTCOME_REESTABLISH.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 2001 if nothing was sealed; the server's own code; else 7002.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_call_refuse_stream(
    call: *mut nen_call,
    client: Option<&nen_client>,
    status: u16,
    date: *const c_char,
    date_len: usize,
    body: *const u8,
    body_len: usize,
    now_ms: u64,
    out_outcome: *mut i32,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (call, date, body, out_outcome) = unsafe {
            (lent(call)?, header_text(date, date_len)?, bytes(body, body_len)?, Out::new(out_outcome)?)
        };
        let outcome = call.0.lock()?.refuse_stream(&required(client)?.0, status, date, body, now_ms)?;
        out_outcome.write(read_outcome(outcome).0);
        Ok(())
    })
}

/// Frees a call. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_call_free(call: Option<Box<nen_call>>) {
    release(call);
}

// ── about the session ───────────────────────────────────────────────────────────────────────────────────

/// A request to rotate, terminate or ask after the session. One thread at a time. Seal, send and open like a
/// nen_call.
pub struct nen_lifecycle_call(Exclusive<LifecycleCall>);

/// A request to a session endpoint: NEN_ROUTE_ROTATE and NEN_ROUTE_TERMINATE, which are POST, or NEN_ROUTE_STATUS,
/// which is GET. `target` is its path as it travels, for example "/api/nen/rotate".
///
/// - rotate: new keys; on success the client uses them, on failure the old session stays;
/// - terminate: ends the session on the server, then in the client;
/// - status: does the session live?
///
/// Errors: NEN_ERR_NULL, NEN_ERR_UTF8, NEN_ERR_VALUE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_lifecycle_call_new(
    route: i32,
    target: *const c_char,
    target_len: usize,
    out: *mut Option<Box<nen_lifecycle_call>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (target, out) = unsafe { (text(target, target_len)?, Out::new(out)?) };
        let call = match route {
            NEN_ROUTE_ROTATE => LifecycleCall::rotate(target),
            NEN_ROUTE_TERMINATE => LifecycleCall::terminate(target),
            NEN_ROUTE_STATUS => LifecycleCall::status(target),
            _ => return Err(Misuse::Value.into()),
        };
        out.give(nen_lifecycle_call(Exclusive::new(call)));
        Ok(())
    })
}

/// Signs the next attempt. The outputs are as for nen_call_seal().
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 1002; 2001 without a session; 3002 if the target cannot stand in a request
/// line; 4002.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_lifecycle_call_seal(
    call: *mut nen_lifecycle_call,
    client: Option<&nen_client>,
    now_ms: u64,
    out_headers: *mut nen_signed_headers,
    out_body: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (call, out_headers, out_body) =
            unsafe { (lent(call)?, Out::new(out_headers)?, Out::new(out_body)?) };
        let request = call.0.lock()?.seal(&required(client)?.0, now_ms)?;
        out_headers.write(nen_signed_headers::new(&request.headers)?);
        out_body.write(request.body.into());
        Ok(())
    })
}

/// Reads the answer to the last attempt; its inputs are as for nen_call_open(). `out_outcome` becomes
/// NEN_OUTCOME_DONE, NEN_OUTCOME_REPEAT, or NEN_OUTCOME_REESTABLISH if there was no session left to rotate: shake
/// hands instead, and be done. `out_done` becomes 1 if that is NEN_OUTCOME_DONE and, for status, the session lives;
/// else 0.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 2001 if nothing was sealed; the server's own code; 1004 for a rotation and 6001
/// for the others if the answer is none of the protocol.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_lifecycle_call_open(
    call: *mut nen_lifecycle_call,
    client: Option<&nen_client>,
    status: u16,
    date: *const c_char,
    date_len: usize,
    body: *const u8,
    body_len: usize,
    now_ms: u64,
    out_outcome: *mut i32,
    out_done: *mut i32,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (call, date, body, out_outcome, out_done) = unsafe {
            (
                lent(call)?,
                header_text(date, date_len)?,
                bytes(body, body_len)?,
                Out::new(out_outcome)?,
                Out::new(out_done)?,
            )
        };
        let (outcome, done) = match call.0.lock()?.open(&required(client)?.0, status, date, body, now_ms)? {
            LifecycleOutcome::Done(done) => (NEN_OUTCOME_DONE, done),
            LifecycleOutcome::Repeat => (NEN_OUTCOME_REPEAT, false),
            LifecycleOutcome::Reestablish => (NEN_OUTCOME_REESTABLISH, false),
        };
        out_outcome.write(outcome);
        out_done.write(done.into());
        Ok(())
    })
}

/// Frees a lifecycle call. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_lifecycle_call_free(call: Option<Box<nen_lifecycle_call>>) {
    release(call);
}

// ── helpers ─────────────────────────────────────────────────────────────────────────────────────────────

fn read_outcome(outcome: Outcome) -> (i32, Option<Plaintext>) {
    match outcome {
        Outcome::Answer(plaintext) => (NEN_OUTCOME_ANSWER, plaintext),
        Outcome::Foreign => (NEN_OUTCOME_FOREIGN, None),
        Outcome::Repeat => (NEN_OUTCOME_REPEAT, None),
        Outcome::Reestablish => (NEN_OUTCOME_REESTABLISH, None),
    }
}

/// A header that a peer sent: one that is no text says nothing, like one that is absent.
///
/// # Safety
/// As [`optional`].
unsafe fn header_text<'a>(data: *const c_char, len: usize) -> Result<Option<&'a str>> {
    // SAFETY: the caller's promise.
    Ok(unsafe { optional(data, len) }?.and_then(|bytes| str::from_utf8(bytes).ok()))
}
