//! The protocol's headers: as a server receives them, and as a client sends them.

use std::{
    ffi::{CString, c_char},
    ptr, slice,
    sync::LazyLock,
};

use nen::{
    Code, Error, HIDDEN_ANSWER_HEADERS, HIDDEN_REQUEST_HEADERS, NONCE_SIZE, RequestHeaders, SIGNATURE_SIZE,
    STREAM_HEADERS, SessionId, SignedHeaders,
};

use crate::{
    argument::{Out, bytes, optional},
    failure::{Misuse, Result, caught, guard},
};

/// Room for a session id as text, with its NUL, in bytes.
pub const NEN_SESSION_ID_SIZE: usize = 37;
/// Room for a timestamp in Unix milliseconds as text, with its NUL, in bytes.
pub const NEN_TIMESTAMP_SIZE: usize = 21;
/// Room for a nonce as base64, with its NUL, in bytes.
#[allow(clippy::manual_div_ceil)] // cbindgen cannot write a call
pub const NEN_NONCE_TEXT_SIZE: usize = (NONCE_SIZE + 2) / 3 * 4 + 1;
/// Room for a request's signature as base64, with its NUL, in bytes.
#[allow(clippy::manual_div_ceil)] // cbindgen cannot write a call
pub const NEN_SIGNATURE_TEXT_SIZE: usize = (SIGNATURE_SIZE + 2) / 3 * 4 + 1;

// Of an associated constant and of a logarithm, cbindgen can write neither.
const _: () = assert!(NEN_SESSION_ID_SIZE == SessionId::TEXT_SIZE + 1);
const _: () = assert!(NEN_TIMESTAMP_SIZE == u64::MAX.ilog10() as usize + 1 + 1);

/// Text of the caller's, not terminated, that is only read. NULL is an absent text, which an empty one is not.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nen_str {
    /// The text; NULL if absent.
    pub data: *const c_char,
    /// Its bytes.
    pub len: usize,
}

/// Name and value of a header.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nen_header {
    /// Its name, in any case.
    pub name: nen_str,
    /// Its value, without the white space around it.
    pub value: nen_str,
}

/// The protocol's headers of a request, as a server received them. All zero is a request without them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nen_request_headers {
    /// X-Nen-Session.
    pub session: nen_str,
    /// X-Nen-Timestamp.
    pub timestamp: nen_str,
    /// X-Nen-Nonce.
    pub nonce: nen_str,
    /// X-Nen-Signature.
    pub signature: nen_str,
}

/// The values that a client puts on a request, each terminated.
#[repr(C)]
pub struct nen_signed_headers {
    /// X-Nen-Session.
    pub session: [c_char; NEN_SESSION_ID_SIZE],
    /// X-Nen-Timestamp.
    pub timestamp: [c_char; NEN_TIMESTAMP_SIZE],
    /// X-Nen-Nonce.
    pub nonce: [c_char; NEN_NONCE_TEXT_SIZE],
    /// X-Nen-Signature.
    pub signature: [c_char; NEN_SIGNATURE_TEXT_SIZE],
}

/// Picks the protocol's headers out of all of a request's. One that stands twice counts as present and malformed,
/// which a server that looks up single headers would not notice. The result points into the given values.
///
/// Errors: NEN_ERR_NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_request_headers_pick(
    all: *const nen_header,
    count: usize,
    out: *mut nen_request_headers,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let out = unsafe { Out::new(out) }?;
        let all = match (all.is_null(), isize::try_from(count.saturating_mul(size_of::<nen_header>()))) {
            (true, _) if count == 0 => &[],
            (true, _) => return Err(Misuse::Null.into()),
            (false, Err(_)) => return Err(Misuse::Length.into()),
            // SAFETY: the conventions of the header, and a length that a slice may have.
            (false, Ok(_)) => unsafe { slice::from_raw_parts(all, count) },
        };
        let pairs = all
            .iter()
            // SAFETY: the conventions of the header.
            .map(|header| unsafe { Ok((header.name.required()?, header.value.required()?)) })
            .collect::<Result<Vec<_>>>()?;
        let RequestHeaders { session, timestamp, nonce, signature } = RequestHeaders::pick(pairs);
        let [session, timestamp, nonce, signature] =
            [session, timestamp, nonce, signature].map(nen_str::lend);
        out.write(nen_request_headers { session, timestamp, nonce, signature });
        Ok(())
    })
}

static HIDDEN_REQUEST: LazyLock<Vec<CString>> = LazyLock::new(|| texts(&HIDDEN_REQUEST_HEADERS));
static HIDDEN_ANSWER: LazyLock<Vec<CString>> = LazyLock::new(|| texts(&HIDDEN_ANSWER_HEADERS));
static STREAM_NAMES: LazyLock<Vec<CString>> = LazyLock::new(|| texts(&STREAM_HEADERS.map(|(name, _)| name)));
static STREAM_VALUES: LazyLock<Vec<CString>> =
    LazyLock::new(|| texts(&STREAM_HEADERS.map(|(_, value)| value)));

fn texts(list: &[&str]) -> Vec<CString> {
    list.iter().map(|&text| CString::new(text).unwrap_or_default()).collect()
}

fn text_at(list: &'static LazyLock<Vec<CString>>, index: usize) -> *const c_char {
    caught(|| list.get(index).map(|text| text.as_ptr())).flatten().unwrap_or(ptr::null())
}

/// The name, in lower case, of a header of a sealed request that the application must not see; NULL past the end of the
/// list. They speak of the sealed body, would have the answer be negotiated, cut or revalidated, or are the protocol's
/// own. Content-Type and Content-Length are set anew from what was opened.
#[unsafe(no_mangle)]
pub extern "C" fn nen_hidden_request_header(index: usize) -> *const c_char {
    text_at(&HIDDEN_REQUEST, index)
}

/// The name, in lower case, of a header of an application's answer that must not travel; NULL past the end of the
/// list. They speak of the plain body, let the answer be cached, have a proxy put a file in its place, or are the
/// sealed answer's own. Send `Cache-Control: no-store`.
#[unsafe(no_mangle)]
pub extern "C" fn nen_hidden_answer_header(index: usize) -> *const c_char {
    text_at(&HIDDEN_ANSWER, index)
}

/// The name of a header that the answer of a sealed stream carries beside its nonce; NULL past the end of the list.
#[unsafe(no_mangle)]
pub extern "C" fn nen_stream_header_name(index: usize) -> *const c_char {
    text_at(&STREAM_NAMES, index)
}

/// The value of the header of nen_stream_header_name(); NULL past the end of the list.
#[unsafe(no_mangle)]
pub extern "C" fn nen_stream_header_value(index: usize) -> *const c_char {
    text_at(&STREAM_VALUES, index)
}

impl nen_str {
    /// # Safety
    /// As [`bytes`].
    unsafe fn required<'a>(self) -> Result<&'a [u8]> {
        // SAFETY: the caller's promise.
        unsafe { bytes(self.data.cast(), self.len) }
    }

    /// # Safety
    /// As [`optional`].
    unsafe fn optional<'a>(self) -> Result<Option<&'a [u8]>> {
        // SAFETY: the caller's promise.
        unsafe { optional(self.data, self.len) }
    }

    const fn lend(text: Option<&[u8]>) -> Self {
        match text {
            Some(text) => Self { data: text.as_ptr().cast(), len: text.len() },
            None => Self { data: ptr::null(), len: 0 },
        }
    }
}

/// The headers behind a pointer; NULL is a request without them.
///
/// # Safety
/// What is not NULL is valid during `'a`.
pub(crate) unsafe fn received<'a>(headers: *const nen_request_headers) -> Result<RequestHeaders<'a>> {
    // SAFETY: the caller's promise.
    let Some(&nen_request_headers { session, timestamp, nonce, signature }) = (unsafe { headers.as_ref() })
    else {
        return Ok(RequestHeaders::default());
    };
    // SAFETY: the caller's promise.
    unsafe {
        Ok(RequestHeaders {
            session: session.optional()?,
            timestamp: timestamp.optional()?,
            nonce: nonce.optional()?,
            signature: signature.optional()?,
        })
    }
}

impl nen_signed_headers {
    pub(crate) fn new(headers: &SignedHeaders) -> Result<Self> {
        Ok(Self {
            session: chars(&headers.session)?,
            timestamp: chars(&headers.timestamp)?,
            nonce: chars(&headers.nonce)?,
            signature: chars(&headers.signature)?,
        })
    }
}

fn chars<const N: usize>(text: &str) -> Result<[c_char; N]> {
    Ok(terminated(text)?.map(|byte| c_char::from_ne_bytes([byte])))
}

/// `text` with zeros after it. Errors: ISO-9000 if there is no room for one, which the sizes above rule out.
pub(crate) fn terminated<const N: usize>(text: &str) -> Result<[u8; N]> {
    let mut out = [0; N];
    match out.get_mut(..text.len()) {
        Some(room) if text.len() < N => room.copy_from_slice(text.as_bytes()),
        _ => return Err(Error::new(Code::Internal, "a header is longer than the protocol allows").into()),
    }
    Ok(out)
}
