//! A request that was let in: its body, and its sealed answer.

use std::ffi::c_char;

use nen::{Answer, AnswerHead, Exchange, Form};

use crate::{
    argument::{Out, bytes, optional, required},
    buffer::nen_buffer,
    failure::{Misuse, guard, release},
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

/// Sealed whole, as the JSON it is; an empty body as null.
pub const NEN_FORM_JSON: i32 = 0;
/// Sealed whole, as a JSON string; an empty body as null.
pub const NEN_FORM_TEXT: i32 = 1;
/// Sealed chunk by chunk, as it comes: nen_exchange_stream().
pub const NEN_FORM_STREAM: i32 = 2;

/// How an application's answer is to be sealed, by its status and its headers Content-Type, Content-Encoding and
/// Content-Length (each NULL if absent): `out_form` becomes one of NEN_FORM_*. JSON, nothing at all, and the text of a
/// redirect or refusal (3xx, 4xx) are sealed whole; anything else with a status of 2xx is a stream.
///
/// Errors, to be answered by nen_error_answer(): NEN_ERR_NULL; 9000 for what cannot be sealed: 304, a compressed body,
/// a server error that is not JSON.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_answer_form(
    status: u16,
    content_type: *const c_char,
    content_type_len: usize,
    content_encoding: *const c_char,
    content_encoding_len: usize,
    content_length: *const c_char,
    content_length_len: usize,
    out_form: *mut i32,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (head, out_form) = unsafe {
            let head = AnswerHead {
                status,
                content_type: optional(content_type, content_type_len)?,
                content_encoding: optional(content_encoding, content_encoding_len)?,
                content_length: optional(content_length, content_length_len)?,
            };
            (head, Out::new(out_form)?)
        };
        out_form.write(match head.form()? {
            Form::Json => NEN_FORM_JSON,
            Form::Text => NEN_FORM_TEXT,
            Form::Stream => NEN_FORM_STREAM,
        });
        Ok(())
    })
}

/// Seals an application's whole answer in the form that nen_answer_form() told, NEN_FORM_JSON or _TEXT; else as
/// nen_exchange_seal().
///
/// Errors: NEN_ERR_NULL, NEN_ERR_VALUE; 4002; 9000 for a status that cannot carry a body (1xx, 304) or is none.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_exchange_seal_as(
    exchange: Option<&nen_exchange>,
    form: i32,
    status: u16,
    body: *const u8,
    body_len: usize,
    out_status: *mut u16,
    out_body: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (exchange, body, out_status, out_body) = unsafe {
            (required(exchange)?, bytes(body, body_len)?, Out::new(out_status)?, Out::new(out_body)?)
        };
        let form = match form {
            NEN_FORM_JSON => Form::Json,
            NEN_FORM_TEXT => Form::Text,
            _ => return Err(Misuse::Value.into()),
        };
        let answer = exchange.0.seal_as(form, status, body)?;
        out_status.write(answer.status);
        out_body.write(answer.into());
        Ok(())
    })
}

/// Bytes of the sealed answer to `json_len` bytes of JSON: the Content-Length of an answer to HEAD, of which the
/// application says only how long its body would be.
#[unsafe(no_mangle)]
pub extern "C" fn nen_sealed_answer_size(json_len: usize) -> usize {
    Answer::sealed_size(json_len)
}

/// Starts a sealed stream as the answer. It outlives the exchange. Send it with the headers of
/// nen_stream_header_name() and with the nonce under the name of nen_stream_nonce_header().
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
