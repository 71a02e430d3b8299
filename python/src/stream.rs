//! Sealed streams, in both directions.

use std::sync::{Mutex, PoisonError};

use nen::DEFAULT_MAX_CHUNK;
use pyo3::{prelude::*, types::PyBytes};

use crate::arguments::{Count, Octets};
use crate::error::{raise, run};
use crate::session::Session;

/// Seals the chunks of a stream, on the server. Made by :meth:`Exchange.stream`.
///
/// A stream that is dropped without :meth:`finish` reaches the client as truncated (ISO-7003).
#[pyclass(frozen, module = "nen")]
pub(crate) struct StreamSealer(Mutex<nen::StreamSealer>);

impl StreamSealer {
    pub(crate) fn new(sealer: nen::StreamSealer) -> Self {
        Self(Mutex::new(sealer))
    }

    fn with<T>(&self, work: impl FnOnce(&mut nen::StreamSealer) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[pymethods]
impl StreamSealer {
    /// A stream of this session under a fresh base nonce. Raises ISO-4002.
    #[new]
    fn py_new(py: Python<'_>, session: &Session) -> PyResult<Self> {
        run(py, 0, || nen::StreamSealer::new(session.0.clone())).map(Self::new)
    }

    /// The value of the ``X-Nen-Stream-Nonce`` header: base64 of 12 bytes.
    #[getter]
    fn nonce_header(&self) -> String {
        self.with(|sealer| sealer.nonce_header())
    }

    /// Seal one chunk; returns the bytes to send, whole server-sent event frames. Raises ISO-4002 after 2^32 chunks and
    /// after :meth:`finish`.
    fn seal<'py>(&self, py: Python<'py>, chunk: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let frames = run(py, chunk.len(), || self.with(|sealer| sealer.seal(chunk)))?;
        Ok(PyBytes::new(py, &frames))
    }

    /// Seal the end mark, after which nothing can be sealed; returns the last bytes to send. Raises ISO-4002.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let frame = run(py, 0, || self.with(nen::StreamSealer::finish))?;
        Ok(PyBytes::new(py, &frame))
    }
}

/// Opens the chunks of a stream, on the client. Made by :meth:`Call.open_stream`.
#[pyclass(frozen, module = "nen")]
pub(crate) struct StreamOpener(Mutex<nen::StreamOpener>);

impl StreamOpener {
    pub(crate) fn new(opener: nen::StreamOpener) -> Self {
        Self(Mutex::new(opener))
    }

    fn with<T>(&self, work: impl FnOnce(&mut nen::StreamOpener) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[pymethods]
impl StreamOpener {
    /// Open a stream by the value of its ``X-Nen-Stream-Nonce`` header. ``max_chunk`` is the most bytes of one chunk's
    /// plaintext, 8 MiB unless told otherwise. Raises ISO-7001.
    #[new]
    #[pyo3(signature = (session, nonce_header, *, max_chunk=None))]
    fn py_new(
        py: Python<'_>,
        session: &Session,
        nonce_header: Option<Octets<'_>>,
        max_chunk: Option<Count<usize>>,
    ) -> PyResult<Self> {
        let max_chunk = max_chunk.map_or(DEFAULT_MAX_CHUNK, |Count(max_chunk)| max_chunk);
        let header = nonce_header.map(|Octets(header)| header);
        run(py, 0, || nen::StreamOpener::new(session.0.clone(), header, max_chunk)).map(Self::new)
    }

    /// Take in bytes as the transport delivers them. What they complete comes from :meth:`next_chunk`.
    fn push(&self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        run(py, data.len(), || {
            self.with(|opener| opener.push(data));
            Ok(())
        })
    }

    /// The next chunk, in order; None when more bytes are needed, or when the end mark was read.
    ///
    /// Raises ISO-4001 (changed, reordered, dropped or repeated chunk), ISO-6001 (over the size limit), ISO-6002; after
    /// all chunks that were good, and again at every further call.
    fn next_chunk<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let chunk = self.with(nen::StreamOpener::next_chunk).map_err(|error| raise(py, error))?;
        Ok(chunk.map(|chunk| PyBytes::new(py, &chunk)))
    }

    /// Whether the end mark was read and every chunk taken: the stream is complete.
    #[getter]
    fn is_finished(&self) -> bool {
        self.with(|opener| opener.is_finished())
    }

    /// Call this when the transport has ended. Raises ISO-7003 if the end mark has not come.
    fn end(&self, py: Python<'_>) -> PyResult<()> {
        self.with(|opener| opener.end()).map_err(|error| raise(py, error))
    }
}
