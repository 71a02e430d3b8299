//! ML-DSA-65 identities.

use std::sync::Arc;

use nen::{IDENTITY_PKCS8_SIZE, Identity};

use crate::{
    argument::{Out, bytes, required},
    buffer::nen_buffer,
    failure::{guard, release},
};

/// A client's long-lived ML-DSA-65 key pair (FIPS 204). Any number of threads may use it at once.
pub struct nen_identity(pub(crate) Arc<Identity>);

const _: () = assert!(IDENTITY_PKCS8_SIZE == 54, "the documentation below names the size");

/// Draws a new key pair.
///
/// Errors: NEN_ERR_NULL; 1002 if the operating system has no randomness.
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
/// Errors: NEN_ERR_NULL; 3004 if it is no such key.
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
/// Errors: NEN_ERR_NULL.
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

/// Frees an identity and wipes its secret key. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_identity_free(identity: Option<Box<nen_identity>>) {
    release(identity);
}
