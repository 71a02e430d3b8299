//! ML-DSA-65 identities.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use pyo3::{prelude::*, types::PyBytes};

use crate::error::{HEAVY, raise, run};

/// A client's long-lived ML-DSA-65 key pair (FIPS 204), which signs the key exchange once, at the handshake.
///
/// It cannot be pickled, and its repr shows nothing of it; :meth:`to_pkcs8` is the one way out.
#[pyclass(frozen, module = "nen")]
pub(crate) struct Identity(pub(crate) Arc<nen::Identity>);

#[pymethods]
impl Identity {
    /// Draw a new key pair (FIPS 204 section 5.1). Raises ISO-1002 if the operating system gives no randomness.
    #[staticmethod]
    fn generate(py: Python<'_>) -> PyResult<Self> {
        run(py, HEAVY, nen::Identity::generate).map(|identity| Self(Arc::new(identity)))
    }

    /// Load the secret key from DER PKCS#8 in its seed form, 54 bytes. Raises ISO-3004.
    #[staticmethod]
    fn from_pkcs8(py: Python<'_>, der: &[u8]) -> PyResult<Self> {
        run(py, HEAVY, || nen::Identity::from_pkcs8(der)).map(|identity| Self(Arc::new(identity)))
    }

    /// The secret key as DER PKCS#8 in its seed form, 54 bytes. Keep it like a password.
    fn to_pkcs8<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let der = run(py, 0, || self.0.to_pkcs8())?;
        Ok(PyBytes::new(py, &der))
    }

    /// The public key, which servers see and may allow-list.
    #[getter]
    fn public_key(&self) -> IdentityKey {
        IdentityKey(self.0.public_key().clone())
    }
}

/// An ML-DSA-65 public key (FIPS 204): who a client is. Hashable; equal to another key of the same bytes.
#[pyclass(frozen, eq, module = "nen", from_py_object)]
#[derive(Clone, PartialEq)]
pub(crate) struct IdentityKey(pub(crate) nen::IdentityKey);

#[pymethods]
impl IdentityKey {
    /// Read a DER ``SubjectPublicKeyInfo``, 1,974 bytes. Raises ISO-3004.
    #[staticmethod]
    fn from_spki(py: Python<'_>, der: &[u8]) -> PyResult<Self> {
        nen::IdentityKey::from_spki(der).map(Self).map_err(|error| raise(py, error))
    }

    /// The key as DER ``SubjectPublicKeyInfo``, 1,974 bytes.
    #[getter]
    fn spki<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.as_spki())
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((py.get_type::<Self>().getattr("from_spki")?, (self.spki(py),)))
    }
}

/// Whether a client's signature is good, as a server sees it: for the test vectors. Raises ISO-3004.
#[pyfunction]
pub(crate) fn verify_identity_signature(
    py: Python<'_>,
    key: &Bound<'_, IdentityKey>,
    message: &[u8],
    signature: &[u8],
) -> PyResult<()> {
    let key = &key.get().0;
    run(py, HEAVY, || key.verify(message, signature))
}
