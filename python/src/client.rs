//! The client's side: handshakes, and calls that seal a request and open its answer.

use std::sync::{Arc, Mutex, PoisonError};

use nen::ClientOptions;
use pyo3::{exceptions::PyRuntimeError, prelude::*, types::PyBytes};

use crate::arguments::{Count, Octets, now};
use crate::error::{HEAVY, run};
use crate::identity::Identity;
use crate::session::Session;
use crate::stream::StreamOpener;

/// A client without I/O: its session, its identity, and how far its clock is from the server's. It may be shared
/// between threads; each call works with the session it was sealed with, also when a rotation happens meanwhile.
///
/// - ``identity``: the long-lived key that signs each handshake. Default: none.
/// - ``correct_clock``: whether ISO-3003 makes the client learn the server's clock. Default True.
/// - ``max_chunk``: most bytes of one stream chunk's plaintext. Default 8 MiB.
#[pyclass(frozen, module = "nen")]
pub(crate) struct Client(nen::Client);

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (*, identity=None, correct_clock=None, max_chunk=None))]
    fn new(
        identity: Option<&Identity>,
        correct_clock: Option<bool>,
        max_chunk: Option<Count<usize>>,
    ) -> Self {
        let default = ClientOptions::default();
        Self(nen::Client::new(ClientOptions {
            identity: identity.map(|Identity(identity)| Arc::clone(identity)),
            correct_clock: correct_clock.unwrap_or(default.correct_clock),
            max_chunk: max_chunk.map_or(default.max_chunk, |Count(bytes)| bytes),
        }))
    }

    /// The current session, if there is one.
    #[getter]
    fn session(&self) -> Option<Session> {
        self.0.session().map(Session)
    }

    /// Start a handshake. Its body goes to ``POST …/handshake``. Raises ISO-1002.
    fn handshake(&self, py: Python<'_>) -> PyResult<ClientHandshake> {
        run(py, HEAVY, || self.0.handshake()).map(ClientHandshake::from_core)
    }

    /// Complete a handshake with the server's answer: from here on calls use the new session. On failure the old one
    /// stays. Raises the server's own code, or ISO-1004.
    #[pyo3(signature = (handshake, status, body, *, now_ms=None))]
    fn establish(
        &self,
        py: Python<'_>,
        handshake: &ClientHandshake,
        status: u16,
        body: &[u8],
        now_ms: Option<u64>,
    ) -> PyResult<Session> {
        let (handshake, now_ms) = (handshake.take()?, now(now_ms));
        run(py, HEAVY, || self.0.establish(handshake, status, body, now_ms)).map(Session)
    }
}

/// The client's half of a key exchange (ML-KEM-768, FIPS 203). It serves once: finishing it consumes the secret key.
#[pyclass(frozen, module = "nen")]
pub(crate) struct ClientHandshake {
    public_key: Vec<u8>,
    body: Vec<u8>,
    secret: Mutex<Option<nen::Handshake>>,
}

impl ClientHandshake {
    pub(crate) fn from_core(handshake: nen::Handshake) -> Self {
        Self {
            public_key: handshake.public_key().to_vec(),
            body: handshake.body().to_vec(),
            secret: Mutex::new(Some(handshake)),
        }
    }

    fn take(&self) -> PyResult<nen::Handshake> {
        let taken = self.secret.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(|| PyRuntimeError::new_err("this handshake was already finished"))
    }
}

#[pymethods]
impl ClientHandshake {
    /// Draw a key pair; with an identity, sign its public half. Raises ISO-1002.
    #[new]
    #[pyo3(signature = (*, identity=None))]
    fn new(py: Python<'_>, identity: Option<&Identity>) -> PyResult<Self> {
        run(py, HEAVY, || nen::Handshake::new(identity.map(|Identity(identity)| &**identity)))
            .map(Self::from_core)
    }

    /// The ML-KEM-768 public key, 1,184 bytes.
    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.public_key)
    }

    /// The JSON body to POST.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.body)
    }

    /// Read the server's answer and decapsulate. Raises the server's own code, or ISO-1004; ``RuntimeError`` if the
    /// handshake was already finished.
    #[pyo3(signature = (status, body, *, now_ms=None))]
    fn finish(&self, py: Python<'_>, status: u16, body: &[u8], now_ms: Option<u64>) -> PyResult<Session> {
        let (handshake, now_ms) = (self.take()?, now(now_ms));
        run(py, HEAVY, || handshake.finish(status, body, now_ms)).map(|session| Session(Arc::new(session)))
    }
}

/// One logical request to a protected endpoint, over as many attempts as the protocol allows: seal, send, open, and
/// again if :class:`Outcome` says so.
///
/// ``target`` is the path as it travels, percent-encoded; a query is not signed.
#[pyclass(frozen, module = "nen")]
pub(crate) struct Call(Mutex<nen::Call>);

impl Call {
    fn with<T>(&self, work: impl FnOnce(&mut nen::Call) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[pymethods]
impl Call {
    #[new]
    fn new(method: &str, target: Octets<'_>) -> Self {
        Self(Mutex::new(nen::Call::new(method, target.text())))
    }

    /// Seal and sign the next attempt, under the client's current session and a fresh nonce. ``body`` is UTF-8 JSON, or
    /// None. Raises ISO-2001 without a session, ISO-3002 if method or target cannot be signed, ISO-4002.
    #[pyo3(signature = (client, body=None, *, now_ms=None))]
    fn seal(
        &self,
        py: Python<'_>,
        client: &Client,
        body: Option<&[u8]>,
        now_ms: Option<u64>,
    ) -> PyResult<SealedRequest> {
        let now_ms = now(now_ms);
        let size = body.map_or(0, <[u8]>::len);
        let request = run(py, size, || self.with(|call| call.seal(&client.0, body, now_ms)))?;
        Ok(SealedRequest::new(py, request))
    }

    /// Read the answer to the last attempt. ``date`` is its ``Date`` header.
    ///
    /// Raises the server's own code; ISO-6001 for a 2xx answer that is not sealed, ISO-6002, ISO-4001, ISO-4003;
    /// ISO-5001 for our own ciphertext sent back; ISO-2001 if nothing was sealed.
    #[pyo3(signature = (client, status, date, body, *, now_ms=None))]
    fn open(
        &self,
        py: Python<'_>,
        client: &Client,
        status: u16,
        date: Option<&str>,
        body: &[u8],
        now_ms: Option<u64>,
    ) -> PyResult<Outcome> {
        let now_ms = now(now_ms);
        let open = || self.with(|call| call.open(&client.0, status, date, body, now_ms));
        run(py, body.len(), open).map(|outcome| Outcome::new(py, outcome))
    }

    /// Open the stream that a 2xx answer carries. ``nonce_header`` is its ``X-Nen-Stream-Nonce``. Raises ISO-7001,
    /// ISO-2001.
    fn open_stream(
        &self,
        py: Python<'_>,
        client: &Client,
        nonce_header: Option<Octets<'_>>,
    ) -> PyResult<StreamOpener> {
        let header = nonce_header.map(|Octets(header)| header);
        run(py, 0, || self.with(|call| call.open_stream(&client.0, header))).map(StreamOpener::new)
    }

    /// Read the answer to a stream request that is not 2xx: repeat or re-establish, or raise the server's own code,
    /// else ISO-7002.
    #[pyo3(signature = (client, status, date, body, *, now_ms=None))]
    fn refuse_stream(
        &self,
        py: Python<'_>,
        client: &Client,
        status: u16,
        date: Option<&str>,
        body: &[u8],
        now_ms: Option<u64>,
    ) -> PyResult<Outcome> {
        let now_ms = now(now_ms);
        let refuse = || self.with(|call| call.refuse_stream(&client.0, status, date, body, now_ms));
        run(py, body.len(), refuse).map(|outcome| Outcome::new(py, outcome))
    }
}

/// A signed call to rotate, terminate or ask after the session, over as many attempts as the protocol allows: seal,
/// send, open, and again if :class:`LifecycleOutcome` says so. ``target`` is the path of the endpoint as it travels.
#[pyclass(frozen, module = "nen")]
pub(crate) struct LifecycleCall(Mutex<nen::LifecycleCall>);

impl LifecycleCall {
    fn with<T>(&self, work: impl FnOnce(&mut nen::LifecycleCall) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[pymethods]
impl LifecycleCall {
    /// ``POST …/rotate``: new keys for the session. On success the client uses them; on failure the old session stays.
    #[staticmethod]
    fn rotate(target: Octets<'_>) -> Self {
        Self(Mutex::new(nen::LifecycleCall::rotate(target.text())))
    }

    /// ``POST …/terminate``: end the session on the server, then here.
    #[staticmethod]
    fn terminate(target: Octets<'_>) -> Self {
        Self(Mutex::new(nen::LifecycleCall::terminate(target.text())))
    }

    /// ``GET …/status``: does the session live?
    #[staticmethod]
    fn status(target: Octets<'_>) -> Self {
        Self(Mutex::new(nen::LifecycleCall::status(target.text())))
    }

    /// The HTTP method.
    #[getter]
    fn method(&self) -> &'static str {
        self.with(|call| call.method())
    }

    /// Sign the next attempt. Raises ISO-1002, ISO-2001 without a session, ISO-3002, ISO-4002.
    #[pyo3(signature = (client, *, now_ms=None))]
    fn seal(&self, py: Python<'_>, client: &Client, now_ms: Option<u64>) -> PyResult<SealedRequest> {
        let now_ms = now(now_ms);
        let request = run(py, HEAVY, || self.with(|call| call.seal(&client.0, now_ms)))?;
        Ok(SealedRequest::new(py, request))
    }

    /// Read the answer to the last attempt. ``date`` is its ``Date`` header.
    ///
    /// Raises the server's own code; ISO-1004 for a rotation and ISO-6001 for the others if the answer is none of the
    /// protocol; ISO-2001 if nothing was sealed.
    #[pyo3(signature = (client, status, date, body, *, now_ms=None))]
    fn open(
        &self,
        py: Python<'_>,
        client: &Client,
        status: u16,
        date: Option<&str>,
        body: &[u8],
        now_ms: Option<u64>,
    ) -> PyResult<LifecycleOutcome> {
        let now_ms = now(now_ms);
        let open = || self.with(|call| call.open(&client.0, status, date, body, now_ms));
        run(py, HEAVY, open).map(LifecycleOutcome::new)
    }
}

/// A request that is ready to send.
#[pyclass(frozen, get_all, module = "nen")]
pub(crate) struct SealedRequest {
    /// The four headers of the protocol, as name and value.
    headers: Vec<(&'static str, String)>,
    /// The body, ``application/json``; None if the request has none.
    body: Option<Py<PyBytes>>,
}

impl SealedRequest {
    fn new(py: Python<'_>, request: nen::SealedRequest) -> Self {
        Self {
            headers: request.headers.pairs().map(|(name, value)| (name, value.to_owned())).into(),
            body: request.body.map(|body| PyBytes::new(py, &body).unbind()),
        }
    }
}

/// What an answer means for a :class:`Call`.
///
/// ``kind`` is ``"answer"``: ``json`` is the opened answer, UTF-8 JSON, None for HEAD; ``"foreign"``: not 2xx and not
/// of the protocol, to be handed over the way the HTTP client does it; ``"repeat"``: seal and send once more;
/// ``"reestablish"``: shake hands once for all concurrent calls, then seal and send once more.
#[pyclass(frozen, get_all, module = "nen")]
pub(crate) struct Outcome {
    /// ``"answer"``, ``"foreign"``, ``"repeat"`` or ``"reestablish"``.
    kind: &'static str,
    /// The opened answer.
    json: Option<Py<PyBytes>>,
}

impl Outcome {
    fn new(py: Python<'_>, outcome: nen::Outcome) -> Self {
        let without = |kind| Self { kind, json: None };
        match outcome {
            nen::Outcome::Answer(json) => {
                Self { kind: "answer", json: json.map(|json| PyBytes::new(py, &json).unbind()) }
            }
            nen::Outcome::Foreign => without("foreign"),
            nen::Outcome::Repeat => without("repeat"),
            nen::Outcome::Reestablish => without("reestablish"),
        }
    }
}

/// What an answer means for a :class:`LifecycleCall`.
///
/// ``kind`` is ``"done"``: it was done, and for status ``value`` says whether the session lives; ``"repeat"``: seal and
/// send once more; ``"reestablish"``: there was no session left to rotate, so shake hands instead.
#[pyclass(frozen, get_all, module = "nen")]
pub(crate) struct LifecycleOutcome {
    /// ``"done"``, ``"repeat"`` or ``"reestablish"``.
    kind: &'static str,
    /// Whether the session lives, if that was asked; True for another call that was done; None if it was not done.
    value: Option<bool>,
}

impl LifecycleOutcome {
    fn new(outcome: nen::LifecycleOutcome) -> Self {
        let (kind, value) = match outcome {
            nen::LifecycleOutcome::Done(value) => ("done", Some(value)),
            nen::LifecycleOutcome::Repeat => ("repeat", None),
            nen::LifecycleOutcome::Reestablish => ("reestablish", None),
        };
        Self { kind, value }
    }
}
