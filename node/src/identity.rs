//! ML-DSA-65 identities.

use std::sync::Arc;

use napi::{Env, Result};
use napi_derive::napi;

use crate::convert::{Bytes, SecretBytes};
use crate::error::thrown;

/// A client's long-lived ML-DSA-65 key pair (FIPS 204).
#[napi]
pub struct Identity {
    pub(crate) inner: Arc<nen::Identity>,
}

#[napi]
impl Identity {
    /// Draws a new key pair. Errors: ISO-1002.
    #[napi(factory, catch_unwind)]
    pub fn generate(env: Env) -> Result<Self> {
        let inner = nen::Identity::generate().map_err(|error| thrown(env, error))?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Loads a secret key from DER PKCS#8 in its seed form. Errors: ISO-3004.
    #[napi(factory, catch_unwind)]
    pub fn from_pkcs8(env: Env, der: &[u8]) -> Result<Self> {
        let inner = nen::Identity::from_pkcs8(der).map_err(|error| thrown(env, error))?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The secret key as DER PKCS#8 in its seed form. Errors: ISO-9000.
    #[napi(catch_unwind)]
    pub fn to_pkcs8(&self, env: Env) -> Result<SecretBytes> {
        self.inner.to_pkcs8().map(SecretBytes).map_err(|error| thrown(env, error))
    }

    /// The public key as DER `SubjectPublicKeyInfo`: what servers see and may allow-list.
    #[napi(getter, catch_unwind)]
    pub fn public_key(&self) -> Bytes {
        Bytes(self.inner.public_key().as_spki().to_vec())
    }
}
