//! A session's keys and the single operations on them.

use std::{ffi::c_char, sync::Arc};

use nen::{NONCE_SIZE, Nonce, SIGNATURE_SIZE, Session, SessionId};

use crate::{
    argument::{Out, Room, bytes, fixed, nonce as read_nonce, optional, required, text, wire_text},
    buffer::nen_buffer,
    failure::{Misuse, Result, guard, release},
    headers::{NEN_SESSION_ID_SIZE, terminated},
};

/// The keys that a client and a server share. Any number of threads may use it at once; the keys are wiped when the
/// last holder, be it the library itself, lets go of them.
pub struct nen_session(pub(crate) Arc<Session>);

/// Draws a fresh random nonce of NEN_NONCE_SIZE (12) bytes. `out_size` is the room at `out`, in bytes.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_LENGTH; 4002 if the operating system has no randomness.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_nonce_random(out: *mut u8, out_size: usize) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let out = unsafe { Room::<NONCE_SIZE>::new(out, out_size) }?;
        out.write(*Nonce::random()?.as_bytes());
        Ok(())
    })
}

/// Reads a session from the record that stores keep: JSON
/// {"sharedSecret","hmacKey","createdAt"[,"expiresAt","identity"]}. `id` is the session's id as text. A record
/// without "expiresAt" ends `ttl_ms` milliseconds after its creation.
///
/// Errors: NEN_ERR_NULL; NEN_ERR_VALUE if `id` is no session id; 9001 if it is no such record.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_session_from_record(
    id: *const c_char,
    id_len: usize,
    record: *const u8,
    record_len: usize,
    ttl_ms: u64,
    out: *mut Option<Box<nen_session>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (id, record, out) =
            unsafe { (session_id(id, id_len)?, bytes(record, record_len)?, Out::new(out)?) };
        out.give(nen_session(Arc::new(Session::from_record(id, record, ttl_ms)?)));
        Ok(())
    })
}

/// Writes the record for a store, as every implementation reads it. It holds both keys in the clear.
///
/// Errors: NEN_ERR_NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_session_to_record(session: Option<&nen_session>, out: *mut nen_buffer) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (session, out) = unsafe { (required(session)?, Out::new(out)?) };
        out.write(std::mem::take(&mut *session.0.to_record()).into_bytes().into());
        Ok(())
    })
}

/// The id, terminated: a UUIDv4 in lower case. `out_size` is the room at `out`, at least NEN_SESSION_ID_SIZE (37)
/// bytes.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_LENGTH.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_session_id(
    session: Option<&nen_session>,
    out: *mut c_char,
    out_size: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (session, out) =
            unsafe { (required(session)?, Room::<NEN_SESSION_ID_SIZE>::new(out.cast(), out_size)?) };
        out.write(terminated(&session.0.id().to_text())?);
        Ok(())
    })
}

/// When the session was made, in Unix milliseconds.
///
/// Errors: NEN_ERR_NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_session_created_ms(session: Option<&nen_session>, out: *mut u64) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (session, out) = unsafe { (required(session)?, Out::new(out)?) };
        out.write(session.0.created_ms());
        Ok(())
    })
}

/// When the session ends, in Unix milliseconds. A client does not know it: there it is UINT64_MAX.
///
/// Errors: NEN_ERR_NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_session_expires_ms(session: Option<&nen_session>, out: *mut u64) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (session, out) = unsafe { (required(session)?, Out::new(out)?) };
        out.write(session.0.expires_ms());
        Ok(())
    })
}

/// The ML-DSA-65 key that signed the session's handshake, as DER SubjectPublicKeyInfo of NEN_IDENTITY_PUBLIC_KEY_SIZE
/// bytes; empty if none did. A recorded handshake can be sent again: only a request whose body opens shows who is
/// there now.
///
/// Errors: NEN_ERR_NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_session_identity(session: Option<&nen_session>, out: *mut nen_buffer) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (session, out) = unsafe { (required(session)?, Out::new(out)?) };
        out.write(session.0.identity().map(|key| key.as_spki().to_vec()).into());
        Ok(())
    })
}

/// Seals bytes under a nonce of NEN_NONCE_SIZE bytes (RFC 8439 section 2.8, empty associated data): the ciphertext
/// and its tag, NEN_TAG_SIZE bytes longer than the plaintext. A nonce must never serve twice under a session.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_LENGTH; 4002.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_session_seal(
    session: Option<&nen_session>,
    nonce: *const u8,
    nonce_len: usize,
    plaintext: *const u8,
    plaintext_len: usize,
    out: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (nonce, plaintext, out) =
            unsafe { (read_nonce(nonce, nonce_len)?, bytes(plaintext, plaintext_len)?, Out::new(out)?) };
        out.write(required(session)?.0.seal(&nonce, plaintext)?.into());
        Ok(())
    })
}

/// Opens what nen_session_seal() made.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_LENGTH; 4001 for whatever does not open, be it the key, the nonce or the bytes.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_session_open(
    session: Option<&nen_session>,
    nonce: *const u8,
    nonce_len: usize,
    ciphertext: *const u8,
    ciphertext_len: usize,
    out: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (nonce, ciphertext, out) =
            unsafe { (read_nonce(nonce, nonce_len)?, bytes(ciphertext, ciphertext_len)?, Out::new(out)?) };
        out.write(required(session)?.0.open(&nonce, ciphertext)?.into());
        Ok(())
    })
}

/// Signs a request: HMAC-SHA256 over its canonical string, NEN_SIGNATURE_SIZE (32) bytes. `target` is the path as it
/// travels, percent-encoded; a query is left out. `out_size` is the room at `out`, in bytes.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_LENGTH, NEN_ERR_UTF8; 3002 if method or target cannot stand in a request line.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_session_sign(
    session: Option<&nen_session>,
    method: *const c_char,
    method_len: usize,
    target: *const c_char,
    target_len: usize,
    timestamp_ms: u64,
    nonce: *const u8,
    nonce_len: usize,
    out: *mut u8,
    out_size: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (method, target, nonce, out) = unsafe {
            (
                text(method, method_len)?,
                text(target, target_len)?,
                read_nonce(nonce, nonce_len)?,
                Room::<SIGNATURE_SIZE>::new(out, out_size)?,
            )
        };
        out.write(required(session)?.0.sign(method, target, timestamp_ms, &nonce)?);
        Ok(())
    })
}

/// Verifies the signature of a request, in constant time. `timestamp` and `nonce` are the texts of the headers as
/// received; `signature` is NEN_SIGNATURE_SIZE bytes.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_LENGTH; 3002 if it does not match.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_session_verify(
    session: Option<&nen_session>,
    method: *const c_char,
    method_len: usize,
    target: *const c_char,
    target_len: usize,
    timestamp: *const c_char,
    timestamp_len: usize,
    nonce: *const c_char,
    nonce_len: usize,
    signature: *const u8,
    signature_len: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (method, target, timestamp, nonce, signature) = unsafe {
            (
                wire_text(method, method_len)?,
                wire_text(target, target_len)?,
                bytes(timestamp.cast(), timestamp_len)?,
                bytes(nonce.cast(), nonce_len)?,
                fixed(signature, signature_len)?,
            )
        };
        Ok(required(session)?.0.verify(&method, &target, timestamp, nonce, signature)?)
    })
}

/// Another hold on the same session, to be freed on its own.
///
/// Errors: NEN_ERR_NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_session_clone(
    session: Option<&nen_session>,
    out: *mut Option<Box<nen_session>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (session, out) = unsafe { (required(session)?, Out::new(out)?) };
        out.give(nen_session(Arc::clone(&session.0)));
        Ok(())
    })
}

/// Frees this hold on a session. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_session_free(session: Option<Box<nen_session>>) {
    release(session);
}

/// A session id as text.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn session_id(data: *const c_char, len: usize) -> Result<SessionId> {
    // SAFETY: the caller's promise.
    let text = unsafe { optional(data, len) }?.ok_or(Misuse::Null)?;
    Ok(SessionId::parse(text).ok_or(Misuse::Value)?)
}
