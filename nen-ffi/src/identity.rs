//! ML-DSA-65 identities.

use std::sync::Arc;

use nen::{IDENTITY_PKCS8_SIZE, Identity, IdentityKey};

use crate::{
    argument::{Out, bytes, optional, required},
    buffer::nen_buffer,
    failure::{Misuse, guard, release},
};

/// A client's long-lived ML-DSA-65 key pair (FIPS 204). Any number of threads may use it at once.
pub struct nen_identity(pub(crate) Arc<Identity>);

const _: () = assert!(IDENTITY_PKCS8_SIZE == 54, "the documentation below names the size");

/// Draws a new key pair.
///
/// Errors: NEN_ERR_NULL; 1002 if the operating system has no randomness; 9000 if the key cannot be encoded.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_identity_generate(out: *mut Option<Box<nen_identity>>) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let out = unsafe { Out::new(out) }?;
        out.give(nen_identity(Arc::new(Identity::generate()?)));
        Ok(())
    })
}

/// Loads a secret key: DER PKCS#8 in its seed form, NEN_IDENTITY_PKCS8_SIZE (54) bytes. The caller wipes its copy.
///
/// Errors: NEN_ERR_NULL; 3004 if it is no such key; 9000 if its public key cannot be encoded.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_identity_from_pkcs8(
    der: *const u8,
    der_len: usize,
    out: *mut Option<Box<nen_identity>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (der, out) = unsafe { (bytes(der, der_len)?, Out::new(out)?) };
        out.give(nen_identity(Arc::new(Identity::from_pkcs8(der)?)));
        Ok(())
    })
}

/// The secret key as DER PKCS#8 in its seed form, NEN_IDENTITY_PKCS8_SIZE bytes, to be kept secret.
///
/// Errors: NEN_ERR_NULL; 9000 if it cannot be encoded.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_identity_to_pkcs8(identity: Option<&nen_identity>, out: *mut nen_buffer) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (identity, out) = unsafe { (required(identity)?, Out::new(out)?) };
        out.write(identity.0.to_pkcs8()?.into());
        Ok(())
    })
}

/// The public key as DER SubjectPublicKeyInfo, NEN_IDENTITY_PUBLIC_KEY_SIZE bytes: what servers see and may allow.
///
/// Errors: NEN_ERR_NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_identity_public_key(
    identity: Option<&nen_identity>,
    out: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (identity, out) = unsafe { (required(identity)?, Out::new(out)?) };
        out.write(identity.0.public_key().as_spki().to_vec().into());
        Ok(())
    })
}

/// Signs a message with ML-DSA-65, hedged and with an empty context (FIPS 204 section 5.2):
/// NEN_IDENTITY_SIGNATURE_SIZE bytes. Handshakes do so by themselves. Whoever gets a key of theirs signed can shake
/// hands in this name: sign nothing that somebody else chose.
///
/// Errors: NEN_ERR_NULL; 1002 if the operating system has no randomness.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_identity_sign(
    identity: Option<&nen_identity>,
    message: *const u8,
    message_len: usize,
    out: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (identity, message, out) =
            unsafe { (required(identity)?, bytes(message, message_len)?, Out::new(out)?) };
        out.write(identity.0.sign(message)?.to_vec().into());
        Ok(())
    })
}

/// Verifies the signature of a message under a public key, DER SubjectPublicKeyInfo of NEN_IDENTITY_PUBLIC_KEY_SIZE
/// bytes (FIPS 204 section 5.3, empty context).
///
/// Errors: NEN_ERR_NULL; 3004 if it does not verify or the key is none.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_identity_verify(
    public_key: *const u8,
    public_key_len: usize,
    message: *const u8,
    message_len: usize,
    signature: *const u8,
    signature_len: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (public_key, message, signature) = unsafe {
            (
                optional(public_key.cast(), public_key_len)?.ok_or(Misuse::Null)?,
                bytes(message, message_len)?,
                bytes(signature, signature_len)?,
            )
        };
        Ok(IdentityKey::from_spki(public_key)?.verify(message, signature)?)
    })
}

/// Frees an identity and wipes its secret key. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_identity_free(identity: Option<Box<nen_identity>>) {
    release(identity);
}
