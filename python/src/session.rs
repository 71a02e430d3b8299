//! The keys of a session, and the single operations with them.

use std::sync::Arc;

use nen::{Code, DEFAULT_SESSION_TTL_MS, Error, NonceClaim, SessionId};
use pyo3::{exceptions::PyValueError, prelude::*, types::PyBytes};

use crate::arguments::{Count, Octets, nonce};
use crate::error::{raise, run};
use crate::identity::IdentityKey;

/// The keys two endpoints share: 32 bytes for ChaCha20-Poly1305 (RFC 8439) and 32 bytes for HMAC-SHA256 (FIPS 198-1).
///
/// Servers and clients use it for you; the single operations are here for other frameworks and for tests. It cannot be
/// pickled, and its repr shows nothing of it; :meth:`to_record` is the one way out.
#[pyclass(frozen, module = "nen")]
pub(crate) struct Session(pub(crate) Arc<nen::Session>);

#[pymethods]
impl Session {
    /// Read the JSON record that session stores keep. ``sid`` is the id it stood under; a record without an end ends
    /// ``ttl_ms`` milliseconds after its creation, one hour unless told otherwise. Raises ISO-9001.
    #[staticmethod]
    #[pyo3(signature = (sid, record, *, ttl_ms=None))]
    fn from_record(py: Python<'_>, sid: &str, record: &[u8], ttl_ms: Option<Count<u64>>) -> PyResult<Self> {
        let id = session_id(sid)?;
        let ttl_ms = ttl_ms.map_or(DEFAULT_SESSION_TTL_MS, |Count(ttl_ms)| ttl_ms);
        let session = run(py, record.len(), || nen::Session::from_record(id, record, ttl_ms))?;
        Ok(Self(Arc::new(session)))
    }

    /// The JSON record that session stores keep, the same in every language. It holds both keys in the clear.
    fn to_record<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.to_record().as_bytes())
    }

    /// The id under which the server knows the session, a UUIDv4.
    #[getter]
    fn id(&self) -> String {
        self.0.id().to_text()
    }

    /// When the session was made, in Unix milliseconds.
    #[getter]
    fn created_ms(&self) -> u64 {
        self.0.created_ms()
    }

    /// When the session ends, in Unix milliseconds; None on a client, which does not know.
    #[getter]
    fn expires_ms(&self) -> Option<u64> {
        Some(self.0.expires_ms()).filter(|&expires_ms| expires_ms != u64::MAX)
    }

    /// The ML-DSA-65 key that signed the handshake, if one did. Only a request with a body shows who is there now.
    #[getter]
    fn identity(&self) -> Option<IdentityKey> {
        self.0.identity().cloned().map(IdentityKey)
    }

    /// Seal a plaintext: ciphertext with the 16-byte tag appended (RFC 8439 section 2.8, empty associated data).
    ///
    /// ``nonce`` is 12 bytes and must never serve twice under a session: draw it from ``secrets.token_bytes``. Raises
    /// ISO-4002.
    fn seal<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = nonce_argument)] nonce: nen::Nonce,
        plaintext: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let sealed = run(py, plaintext.len(), || self.0.seal(&nonce, plaintext))?;
        Ok(PyBytes::new(py, &sealed))
    }

    /// Open what :meth:`seal` made. Raises ISO-4001, the one error for every cause.
    fn open<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = nonce_argument)] nonce: nen::Nonce,
        ciphertext: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let plaintext = run(py, ciphertext.len(), || self.0.open(&nonce, ciphertext))?;
        Ok(PyBytes::new(py, &plaintext))
    }

    /// Sign a request: HMAC-SHA256 over method, path, timestamp and nonce, 32 bytes.
    ///
    /// ``target`` is the path as it travels, percent-encoded; a query is left out. ``timestamp_ms`` is in Unix
    /// milliseconds, ``nonce`` 12 bytes. Raises ISO-3002 if method or target cannot stand in a request line.
    fn sign<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        target: Octets<'_>,
        timestamp_ms: u64,
        #[pyo3(from_py_with = nonce_argument)] nonce: nen::Nonce,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let signature = run(py, 0, || self.0.sign(method, target.text(), timestamp_ms, &nonce))?;
        Ok(PyBytes::new(py, &signature))
    }

    /// Verify the signature of a request, in constant time. ``timestamp`` and ``nonce`` are the texts of their headers
    /// as received, ``signature`` the decoded 32 bytes. Raises ISO-3002; returns nothing.
    fn verify(
        &self,
        py: Python<'_>,
        method: &str,
        target: Octets<'_>,
        timestamp: Octets<'_>,
        nonce: Octets<'_>,
        signature: &[u8],
    ) -> PyResult<()> {
        let malformed = Error::new(Code::AuthSignatureInvalid, "the signature is not 32 bytes");
        let signature = signature.try_into().map_err(|_| raise(py, malformed))?;
        run(py, 0, || self.0.verify(method, target.text(), timestamp.0, nonce.0, signature))
    }
}

/// The key under which stores that several servers share keep a session's record, in whichever language. ``sid`` is the
/// session's id; ``ValueError`` if it is none.
#[pyfunction]
pub(crate) fn record_key(sid: &str) -> PyResult<String> {
    Ok(session_id(sid)?.record_key())
}

/// The key under which such stores remember a used nonce of 12 bytes, in whichever language. Set it only if it is not
/// there, and keep it ``REMOTE_CLOCK_SLACK_MS`` longer than told.
#[pyfunction]
pub(crate) fn nonce_key(
    sid: &str,
    #[pyo3(from_py_with = nonce_argument)] nonce: nen::Nonce,
) -> PyResult<String> {
    Ok(NonceClaim { session: session_id(sid)?, nonce, until_ms: 0 }.key())
}

/// A session id. Raises `ValueError` if it is none.
pub(crate) fn session_id(sid: &str) -> PyResult<SessionId> {
    let bad_id = || PyValueError::new_err("sid must be a UUIDv4 in its canonical form");
    SessionId::parse(sid.as_bytes()).ok_or_else(bad_id)
}

pub(crate) fn nonce_argument(value: &Bound<'_, PyAny>) -> PyResult<nen::Nonce> {
    nonce(value.extract()?)
}
