//! A request that was let in: its body, and its sealed answer.

use nen::Exchange;

use crate::{
    argument::{Out, bytes, required},
    buffer::nen_buffer,
    failure::{guard, release},
    session::nen_session,
    stream::nen_stream_sealer,
};

/// An admitted request and the answer to come. Any number of threads may use it at once.
pub struct nen_exchange(pub(crate) Exchange);

/// The session of the request, to be freed, and with it who the client is.
///
/// Errors: NEN_ERR_NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_exchange_session(
    exchange: Option<&nen_exchange>,
    out: *mut Option<Box<nen_session>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (exchange, out) = unsafe { (required(exchange)?, Out::new(out)?) };
        out.give(nen_session(exchange.0.session().clone()));
        Ok(())
    })
}

/// Most bytes of a body that nen_exchange_open() takes. A caller stops reading beyond them and answers 6001.
///
/// Errors: NEN_ERR_NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_exchange_max_body(exchange: Option<&nen_exchange>, out: *mut usize) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (exchange, out) = unsafe { (required(exchange)?, Out::new(out)?) };
        out.write(exchange.0.max_body());
        Ok(())
    })
}

/// Opens the request's body to UTF-8 JSON. Empty if the request has no body.
///
/// Errors, to be answered by nen_error_answer(): NEN_ERR_NULL; 6001 if it is over the limit or no object with a
/// string "ct"; 6002, 4001, 4003.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_exchange_open(
    exchange: Option<&nen_exchange>,
    body: *const u8,
    body_len: usize,
    out: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (exchange, body, out) = unsafe { (required(exchange)?, bytes(body, body_len)?, Out::new(out)?) };
        out.write(exchange.0.open(body)?.into());
        Ok(())
    })
}

/// Seals the answer, an HTTP status and its JSON, under a fresh nonce. The outputs are what to send: a status, which
/// differs only where the given one forbids a body (204, 205), and a body, application/json. HEAD is answered with
/// the same headers, Content-Length among them, and no body.
///
/// Errors: NEN_ERR_NULL; 4002; 9000 for a status that cannot carry a body (1xx, 304) or is none.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_exchange_seal(
    exchange: Option<&nen_exchange>,
    status: u16,
    json: *const u8,
    json_len: usize,
    out_status: *mut u16,
    out_body: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (json, out_status, out_body) =
            unsafe { (bytes(json, json_len)?, Out::new(out_status)?, Out::new(out_body)?) };
        let answer = required(exchange)?.0.seal(status, json)?;
        out_status.write(answer.status);
        out_body.write(answer.into());
        Ok(())
    })
}

/// Starts a sealed stream as the answer. It outlives the exchange. Send it with the headers Content-Type: text/event-stream,
/// Cache-Control: no-cache, X-Accel-Buffering: no, and the nonce under the name of nen_stream_nonce_header().
///
/// Errors: NEN_ERR_NULL; 4002.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_exchange_stream(
    exchange: Option<&nen_exchange>,
    out: *mut Option<Box<nen_stream_sealer>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (exchange, out) = unsafe { (required(exchange)?, Out::new(out)?) };
        out.give(exchange.0.stream()?.into());
        Ok(())
    })
}

/// Frees an exchange. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_exchange_free(exchange: Option<Box<nen_exchange>>) {
    release(exchange);
}
