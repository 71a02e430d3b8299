//! Which library this is, and the sizes and header names it works with.

use std::ffi::c_char;

use nen::{
    DEFAULT_MAX_CHUNK, DEFAULT_SESSION_TTL_MS, ENDPOINT_PREFIX, HMAC_KEY_SIZE, IDENTITY_PKCS8_SIZE,
    IDENTITY_PUBLIC_KEY_SIZE, IDENTITY_SIGNATURE_SIZE, KEM_CIPHERTEXT_SIZE, KEM_PUBLIC_KEY_SIZE,
    MAX_HANDSHAKE_BODY, NONCE_HEADER, NONCE_SIZE, PROTOCOL, REMOTE_CLOCK_SLACK_MS, SESSION_HEADER,
    SHARED_SECRET_SIZE, SIGNATURE_HEADER, SIGNATURE_SIZE, STORE_KEY_SIZE, STREAM_NONCE_HEADER, TAG_SIZE,
    TIMESTAMP_HEADER,
    derandomized::{CLIENT_DRAWS_SIZE, SERVER_DRAWS_SIZE},
};

use crate::{
    abi_version::NEN_ABI_VERSION,
    headers::{NEN_NONCE_TEXT_SIZE, NEN_SESSION_ID_SIZE, NEN_SIGNATURE_TEXT_SIZE, NEN_TIMESTAMP_SIZE},
    store::{NEN_NONCE_KEY_SIZE, NEN_RECORD_KEY_SIZE},
};

/// `text` and a NUL, made at compile time.
const fn terminated<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let (room, _nul) = bytes.split_at_mut(N - 1);
    room.copy_from_slice(text.as_bytes());
    bytes
}

macro_rules! c_text {
    ($text:expr) => {
        const { &terminated::<{ $text.len() + 1 }>($text) }.as_ptr().cast()
    };
}

/// The number of the ABI that the library has. A program may compare it to NEN_ABI_VERSION, the number of its header.
#[unsafe(no_mangle)]
pub extern "C" fn nen_abi_version() -> u32 {
    NEN_ABI_VERSION
}

/// The release of the library, for example "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn nen_version() -> *const c_char {
    c_text!(env!("CARGO_PKG_VERSION"))
}

/// NEN_KEM_PUBLIC_KEY_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_kem_public_key_size() -> usize {
    KEM_PUBLIC_KEY_SIZE
}

/// NEN_KEM_CIPHERTEXT_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_kem_ciphertext_size() -> usize {
    KEM_CIPHERTEXT_SIZE
}

/// NEN_SHARED_SECRET_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_shared_secret_size() -> usize {
    SHARED_SECRET_SIZE
}

/// NEN_HMAC_KEY_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_hmac_key_size() -> usize {
    HMAC_KEY_SIZE
}

/// NEN_SIGNATURE_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_signature_size() -> usize {
    SIGNATURE_SIZE
}

/// NEN_NONCE_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_nonce_size() -> usize {
    NONCE_SIZE
}

/// NEN_TAG_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_tag_size() -> usize {
    TAG_SIZE
}

/// NEN_IDENTITY_PUBLIC_KEY_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_identity_public_key_size() -> usize {
    IDENTITY_PUBLIC_KEY_SIZE
}

/// NEN_IDENTITY_PKCS8_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_identity_pkcs8_size() -> usize {
    IDENTITY_PKCS8_SIZE
}

/// NEN_IDENTITY_SIGNATURE_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_identity_signature_size() -> usize {
    IDENTITY_SIGNATURE_SIZE
}

/// NEN_SESSION_ID_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_session_id_size() -> usize {
    NEN_SESSION_ID_SIZE
}

/// NEN_TIMESTAMP_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_timestamp_size() -> usize {
    NEN_TIMESTAMP_SIZE
}

/// NEN_NONCE_TEXT_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_nonce_text_size() -> usize {
    NEN_NONCE_TEXT_SIZE
}

/// NEN_SIGNATURE_TEXT_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_signature_text_size() -> usize {
    NEN_SIGNATURE_TEXT_SIZE
}

/// NEN_MAX_HANDSHAKE_BODY, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_max_handshake_body() -> usize {
    MAX_HANDSHAKE_BODY
}

/// NEN_DEFAULT_MAX_CHUNK, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_default_max_chunk() -> usize {
    DEFAULT_MAX_CHUNK
}

/// NEN_DEFAULT_SESSION_TTL_MS, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_default_session_ttl_ms() -> u64 {
    DEFAULT_SESSION_TTL_MS
}

/// NEN_RECORD_KEY_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_record_key_size() -> usize {
    NEN_RECORD_KEY_SIZE
}

/// NEN_NONCE_KEY_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_nonce_key_size() -> usize {
    NEN_NONCE_KEY_SIZE
}

/// NEN_STORE_KEY_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_store_key_size() -> usize {
    STORE_KEY_SIZE
}

/// NEN_CLIENT_DRAWS_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_client_draws_size() -> usize {
    CLIENT_DRAWS_SIZE
}

/// NEN_SERVER_DRAWS_SIZE, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_server_draws_size() -> usize {
    SERVER_DRAWS_SIZE
}

/// NEN_REMOTE_CLOCK_SLACK_MS, as the library has it.
#[unsafe(no_mangle)]
pub extern "C" fn nen_remote_clock_slack_ms() -> u64 {
    REMOTE_CLOCK_SLACK_MS
}

/// The name of the protocol and its version.
#[unsafe(no_mangle)]
pub extern "C" fn nen_protocol() -> *const c_char {
    c_text!(PROTOCOL)
}

/// The path under which the session endpoints stand unless a server is mounted elsewhere.
#[unsafe(no_mangle)]
pub extern "C" fn nen_endpoint_prefix() -> *const c_char {
    c_text!(ENDPOINT_PREFIX)
}

/// The name of the header that names the session, on every request.
#[unsafe(no_mangle)]
pub extern "C" fn nen_session_header() -> *const c_char {
    c_text!(SESSION_HEADER)
}

/// The name of the header that tells when the client signed the request.
#[unsafe(no_mangle)]
pub extern "C" fn nen_timestamp_header() -> *const c_char {
    c_text!(TIMESTAMP_HEADER)
}

/// The name of the header that carries the nonce of the request.
#[unsafe(no_mangle)]
pub extern "C" fn nen_nonce_header() -> *const c_char {
    c_text!(NONCE_HEADER)
}

/// The name of the header that carries the HMAC over method, path, timestamp and nonce.
#[unsafe(no_mangle)]
pub extern "C" fn nen_signature_header() -> *const c_char {
    c_text!(SIGNATURE_HEADER)
}

/// The name of the header that carries the base nonce of a sealed stream, on its answer.
#[unsafe(no_mangle)]
pub extern "C" fn nen_stream_nonce_header() -> *const c_char {
    c_text!(STREAM_NONCE_HEADER)
}
