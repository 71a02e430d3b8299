//! Values that cross into JavaScript and back.

use napi::{
    Env, Error, JsValue, Result, Status, ValueType,
    bindgen_prelude::{BufferSlice, ToNapiValue, TypeName},
    sys,
};
use nen::{Nonce, Plaintext, SessionId};

/// Bytes that JavaScript receives as a `Buffer` of its own: copied, never external memory.
pub struct Bytes(pub(crate) Vec<u8>);

impl TypeName for Bytes {
    fn type_name() -> &'static str {
        "Buffer"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ToNapiValue for Bytes {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> Result<sys::napi_value> {
        Ok(BufferSlice::copy_from(&Env::from_raw(env), value.0)?.value().value)
    }
}

/// Secret bytes that JavaScript receives as a `Buffer`; wiped here once they are copied.
pub struct SecretBytes(pub(crate) Plaintext);

impl TypeName for SecretBytes {
    fn type_name() -> &'static str {
        Bytes::type_name()
    }

    fn value_type() -> ValueType {
        Bytes::value_type()
    }
}

impl ToNapiValue for SecretBytes {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> Result<sys::napi_value> {
        Ok(BufferSlice::copy_from(&Env::from_raw(env), &*value.0)?.value().value)
    }
}

/// Decrypted UTF-8 that JavaScript receives as a string; wiped here once it is copied.
pub struct SecretText(pub(crate) Plaintext);

impl TypeName for SecretText {
    fn type_name() -> &'static str {
        "String"
    }

    fn value_type() -> ValueType {
        ValueType::String
    }
}

impl ToNapiValue for SecretText {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> Result<sys::napi_value> {
        let text = std::str::from_utf8(&value.0)
            .map_err(|_| Error::new(Status::StringExpected, "the text is not UTF-8"))?;
        // SAFETY: `env` is the environment of the call that this value is returned from.
        unsafe { <&str>::to_napi_value(env, text) }
    }
}

/// A JavaScript number as an unsigned integer. JavaScript has no other kind that is exact up to 2^53.
pub(crate) fn unsigned(name: &str, value: f64) -> Result<u64> {
    const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;
    if value.fract() != 0.0 || !(0.0..=MAX_SAFE_INTEGER).contains(&value) {
        let message = format!("{name} must be an integer from 0 to Number.MAX_SAFE_INTEGER");
        return Err(Error::new(Status::InvalidArg, message));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // the range was just checked
    Ok(value as u64)
}

/// A JavaScript number as a size in bytes.
pub(crate) fn size(name: &str, value: f64) -> Result<usize> {
    Ok(usize::try_from(unsigned(name, value)?).unwrap_or(usize::MAX))
}

pub(crate) fn nonce_of(bytes: &[u8]) -> Result<Nonce> {
    let invalid = |_| Error::new(Status::InvalidArg, "the nonce must be 12 bytes");
    bytes.try_into().map(Nonce::from_bytes).map_err(invalid)
}

pub(crate) fn session_id(text: &str) -> Result<SessionId> {
    // The text is not in the error: whoever knows a session's id can end the session.
    let invalid = || Error::new(Status::InvalidArg, "the session id must be a UUIDv4 in lower case");
    SessionId::parse(text.as_bytes()).ok_or_else(invalid)
}

/// A moment, in Unix milliseconds.
pub(crate) fn moment(now_ms: f64) -> Result<u64> {
    unsigned("nowMs", now_ms)
}
