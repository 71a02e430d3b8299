//! The server's side: its options, the in-memory store, the session endpoints, and the exchange of one request.

use std::{collections::HashSet, sync::Arc};

use nen::{
    AnswerHead, Claim, Code, Endpoint, Error, Form, IdentityPolicy, MemoryLimits, NonceClaim, RequestHead,
    Route, ServerOptions, Store,
};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyBytes, PyString},
};

use crate::arguments::{Count, Headers, Octets, now};
use crate::error::{HEAVY, raise, run};
use crate::identity::IdentityKey;
use crate::session::{Session, nonce_argument, session_id};
use crate::steps::{AdmitCall, EndpointCall};
use crate::store_keys::StoreKeys;
use crate::stream::StreamSealer;

/// A server's policy, and what it does with requests. It does no I/O and holds no session: those are in a store.
///
/// Options, each checked here and refused with ``ValueError``:
///
/// - ``prefix``: the path under which the session endpoints stand. Default ``/api/nen``.
/// - ``session_ttl_ms``: how long a session lives, in milliseconds. Default one hour.
/// - ``window_ms``: how far a request's timestamp may be from the clock, either way. Default 30,000 ms.
/// - ``max_body``: most bytes of a request's sealed body. Default 8 MiB.
/// - ``strict``: whether requests without a signature are refused. Default True.
/// - ``nonces_for_session``: whether a nonce is remembered until its session ends. Default False: for the window.
/// - ``require_signed_lifecycle``: whether rotate, terminate and status must be signed. Default False.
/// - ``identities``: ``"optional"`` (default), ``"required"``, or the :class:`IdentityKey` objects that may connect.
/// - ``store_keys``: under which keys a session's record is sealed before a store has it: the first seals, and all of
///   them open. Each is 32 bytes, their base64 as text, or ``"plain"``, which stands for records in the clear. Default
///   ``["plain"]``. A :class:`MemorySessionStore` that is handed to :meth:`respond` or :meth:`admit` keeps no records,
///   so that they mean nothing to it.
#[pyclass(frozen, module = "nen")]
pub(crate) struct Server {
    pub(crate) core: nen::Server,
    pub(crate) store_keys: nen::StoreKeys,
}

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (*, prefix=None, session_ttl_ms=None, window_ms=None, max_body=None, strict=None,
                        nonces_for_session=None, require_signed_lifecycle=None, identities=None,
                        store_keys=StoreKeys(nen::StoreKeys::default())))]
    #[allow(clippy::too_many_arguments)] // each is an option of its own
    fn new(
        prefix: Option<String>,
        session_ttl_ms: Option<Count<u64>>,
        window_ms: Option<Count<u64>>,
        max_body: Option<Count<usize>>,
        strict: Option<bool>,
        nonces_for_session: Option<bool>,
        require_signed_lifecycle: Option<bool>,
        identities: Option<Identities>,
        store_keys: StoreKeys,
    ) -> PyResult<Self> {
        let default = ServerOptions::default();
        let options = ServerOptions {
            prefix: prefix.unwrap_or(default.prefix),
            session_ttl_ms: session_ttl_ms.map_or(default.session_ttl_ms, |Count(ms)| ms),
            window_ms: window_ms.map_or(default.window_ms, |Count(ms)| ms),
            max_body: max_body.map_or(default.max_body, |Count(bytes)| bytes),
            strict: strict.unwrap_or(default.strict),
            nonces_for_session: nonces_for_session.unwrap_or(default.nonces_for_session),
            require_signed_lifecycle: require_signed_lifecycle.unwrap_or(default.require_signed_lifecycle),
            identities: identities.map_or(default.identities, |Identities(policy)| policy),
        };
        let invalid = |error: nen::InvalidOption| PyValueError::new_err(error.to_string());
        let core = nen::Server::new(options).map_err(invalid)?;
        Ok(Self { core, store_keys: store_keys.0 })
    }

    /// Where a request belongs: the name of a session endpoint (``"handshake"``, ``"rotate"``, ``"terminate"``,
    /// ``"status"``), ``"not-found"`` for anything else under the prefix, None for the application's own paths.
    ///
    /// ``target`` is the path as it travels, percent-encoded; a query is ignored.
    fn route(&self, method: &str, target: Octets<'_>) -> Option<&'static str> {
        match self.core.route(method, target.text()) {
            Route::Session(Endpoint::Handshake) => Some("handshake"),
            Route::Session(Endpoint::Rotate) => Some("rotate"),
            Route::Session(Endpoint::Terminate) => Some("terminate"),
            Route::Session(Endpoint::Status) => Some("status"),
            Route::NotFound => Some("not-found"),
            Route::Application => None,
        }
    }

    /// Answer a session endpoint, named as by :meth:`route`.
    ///
    /// ``target`` is the path that the client signed, as it travelled; ``headers`` are all of the request's, as pairs
    /// of bytes or str; ``body`` is at most ``MAX_HANDSHAKE_BODY`` bytes. Raises ISO-1001, ISO-1002, ISO-2002,
    /// ISO-2003, ISO-3001 to ISO-3005, ISO-5001, ISO-5002, ISO-6001, ISO-6002, ISO-9001.
    #[pyo3(signature = (store, endpoint, method, target, headers, body, *, now_ms=None))]
    #[allow(clippy::too_many_arguments)] // each is a part of one HTTP request
    fn respond(
        &self,
        py: Python<'_>,
        store: &MemorySessionStore,
        endpoint: NamedEndpoint,
        method: &str,
        target: Octets<'_>,
        headers: Headers<'_>,
        body: &[u8],
        now_ms: Option<u64>,
    ) -> PyResult<Answer> {
        let (target, now_ms) = (target.text(), now(now_ms));
        let answer = headers.pick(|headers| {
            run(py, HEAVY, || self.core.respond(&store.0, endpoint.0, headers, method, target, body, now_ms))
        })?;
        Ok(Answer::new(py, &answer))
    }

    /// As :meth:`respond`, in steps: for any other store.
    #[pyo3(signature = (endpoint, method, target, headers, body, *, now_ms=None))]
    #[allow(clippy::too_many_arguments)] // each is a part of one HTTP request
    fn begin_respond(
        this: &Bound<'_, Self>,
        endpoint: NamedEndpoint,
        method: &str,
        target: Octets<'_>,
        headers: Headers<'_>,
        body: &[u8],
        now_ms: Option<u64>,
    ) -> PyResult<EndpointCall> {
        let (server, now_ms) = (&this.get().core, now(now_ms));
        let head = headers.pick(|headers| Ok(RequestHead::new(headers, method, target.text())))?;
        let begin = || nen::EndpointCall::new(server, endpoint.0, head, body, now_ms);
        run(this.py(), HEAVY, begin).map(|call| EndpointCall::new(this.clone().unbind(), call))
    }

    /// The ISO-6001 error for a handshake over ``MAX_HANDSHAKE_BODY``; stop reading beyond it and raise this.
    #[staticmethod]
    fn handshake_too_long(py: Python<'_>) -> Py<PyAny> {
        raise(py, Error::handshake_too_long()).into_value(py).into_any()
    }

    /// Check a request to a protected path by its headers, before its body is read, and let it in or raise.
    ///
    /// ``target`` is the path that the client signed, as it travelled; ``headers`` are all of the request's, as pairs
    /// of bytes or str. Raises, in this order: ISO-2003, ISO-2002, ISO-3005, ISO-3001, ISO-3002, ISO-3003, ISO-5001 or
    /// ISO-5002; and ISO-9001.
    #[pyo3(signature = (store, method, target, headers, *, now_ms=None))]
    fn admit(
        &self,
        py: Python<'_>,
        store: &MemorySessionStore,
        method: &str,
        target: Octets<'_>,
        headers: Headers<'_>,
        now_ms: Option<u64>,
    ) -> PyResult<Exchange> {
        let (target, now_ms) = (target.text(), now(now_ms));
        headers
            .pick(|headers| run(py, 0, || self.core.admit(&store.0, headers, method, target, now_ms)))
            .map(Exchange)
    }

    /// As :meth:`admit`, in steps: for any other store. Raises ISO-2003, ISO-2002; the others come from the call.
    #[pyo3(signature = (method, target, headers, *, now_ms=None))]
    fn begin_admit(
        this: &Bound<'_, Self>,
        method: &str,
        target: Octets<'_>,
        headers: Headers<'_>,
        now_ms: Option<u64>,
    ) -> PyResult<AdmitCall> {
        let now_ms = now(now_ms);
        let head = headers.pick(|headers| Ok(RequestHead::new(headers, method, target.text())))?;
        run(this.py(), 0, || nen::AdmitCall::new(head, now_ms))
            .map(|call| AdmitCall::new(this.clone().unbind(), call))
    }
}

/// A session endpoint by its name.
#[derive(Clone, Copy)]
struct NamedEndpoint(Endpoint);

impl<'py> FromPyObject<'_, 'py> for NamedEndpoint {
    type Error = PyErr;

    fn extract(name: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match name.extract()? {
            "handshake" => Ok(Self(Endpoint::Handshake)),
            "rotate" => Ok(Self(Endpoint::Rotate)),
            "terminate" => Ok(Self(Endpoint::Terminate)),
            "status" => Ok(Self(Endpoint::Status)),
            _ => Err(PyValueError::new_err("no such session endpoint")),
        }
    }
}

/// The option `identities`.
struct Identities(IdentityPolicy);

impl<'py> FromPyObject<'_, 'py> for Identities {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if value.is_instance_of::<PyString>() {
            return match value.extract()? {
                "optional" => Ok(Self(IdentityPolicy::Optional)),
                "required" => Ok(Self(IdentityPolicy::Required)),
                _ => Err(PyValueError::new_err("identities is \"optional\", \"required\" or keys")),
            };
        }
        let key = |key: PyResult<Bound<'py, PyAny>>| match key?.extract() {
            Ok(IdentityKey(key)) => Ok(key),
            Err(_) => Err(PyTypeError::new_err("identities must be IdentityKey objects")),
        };
        let keys = value.try_iter()?.map(key).collect::<PyResult<HashSet<_>>>()?;
        Ok(Self(IdentityPolicy::Only(keys)))
    }
}

/// Sessions and used nonces in this process's memory: for development, and for a server of one process.
///
/// - ``max_sessions``: most live sessions; a handshake beyond it is refused with ISO-9001. Default 1,000,000.
/// - ``max_nonces``: most remembered nonces; a request beyond it is refused with ISO-5002. Default 4,000,000.
/// - ``max_nonces_per_session``: the same for one session. Default 100,000.
///
/// Raises ``ValueError`` for a limit below 1.
#[pyclass(frozen, module = "nen")]
pub(crate) struct MemorySessionStore(nen::MemoryStore);

#[pymethods]
impl MemorySessionStore {
    #[new]
    #[pyo3(signature = (*, max_sessions=None, max_nonces=None, max_nonces_per_session=None))]
    fn new(
        max_sessions: Option<Count<usize>>,
        max_nonces: Option<Count<usize>>,
        max_nonces_per_session: Option<Count<usize>>,
    ) -> PyResult<Self> {
        let default = MemoryLimits::default();
        let limit = |name, count: Option<Count<usize>>, default| match count {
            Some(Count(0)) => Err(PyValueError::new_err(format!("{name} must be at least 1"))),
            Some(Count(count)) => Ok(count),
            None => Ok(default),
        };
        Ok(Self(nen::MemoryStore::new(MemoryLimits {
            max_sessions: limit("max_sessions", max_sessions, default.max_sessions)?,
            max_nonces: limit("max_nonces", max_nonces, default.max_nonces)?,
            max_nonces_per_session: limit(
                "max_nonces_per_session",
                max_nonces_per_session,
                default.max_nonces_per_session,
            )?,
        })))
    }

    /// As :meth:`SessionStore.get`.
    #[pyo3(signature = (sid, *, now_ms=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        sid: &str,
        now_ms: Option<u64>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let id = session_id(sid)?;
        let session = run(py, 0, || self.0.get(id, now(now_ms)))?;
        Ok(session.map(|session| PyBytes::new(py, session.to_record().as_bytes())))
    }

    /// As :meth:`SessionStore.set`. Raises ISO-9001 if the store is full, or the record is none in the clear.
    #[pyo3(signature = (sid, record, expires_ms, *, now_ms=None))]
    fn set(
        &self,
        py: Python<'_>,
        sid: &str,
        record: &[u8],
        expires_ms: u64,
        now_ms: Option<u64>,
    ) -> PyResult<()> {
        let id = session_id(sid)?;
        run(py, 0, || {
            let session = nen::Session::from_record(id, record, 0)?.with_end(expires_ms);
            self.0.set(Arc::new(session), now(now_ms))
        })
    }

    /// As :meth:`SessionStore.delete`.
    fn delete(&self, py: Python<'_>, sid: &str) -> PyResult<()> {
        let id = session_id(sid)?;
        run(py, 0, || self.0.delete(id))
    }

    /// As :meth:`SessionStore.claim_nonce`. Raises ISO-5002 if no more nonces can be remembered.
    #[pyo3(signature = (sid, nonce, until_ms, *, now_ms=None))]
    fn claim_nonce(
        &self,
        py: Python<'_>,
        sid: &str,
        #[pyo3(from_py_with = nonce_argument)] nonce: nen::Nonce,
        until_ms: u64,
        now_ms: Option<u64>,
    ) -> PyResult<bool> {
        let claim = NonceClaim { session: session_id(sid)?, nonce, until_ms };
        match run(py, 0, || self.0.claim_nonce(&claim, now(now_ms)))? {
            Claim::Fresh => Ok(true),
            Claim::Replay => Ok(false),
            Claim::Full => Err(raise(py, Error::new(Code::ReplayCacheFull, "the store is full of nonces"))),
        }
    }

    /// How many sessions are kept, among them those that have ended and were not swept yet.
    #[getter]
    fn sessions(&self) -> usize {
        self.0.len()
    }

    /// How many nonces are remembered.
    #[getter]
    fn nonces(&self) -> usize {
        self.0.nonces()
    }

    /// Remove what has ended. The store does so by itself as it is used; a server that falls silent may call it.
    #[pyo3(signature = (*, now_ms=None))]
    fn sweep(&self, py: Python<'_>, now_ms: Option<u64>) -> PyResult<()> {
        let now_ms = now(now_ms);
        run(py, HEAVY, || {
            self.0.sweep(now_ms);
            Ok(())
        })
    }
}

/// A request that was let in: its body, and its sealed answer. Made by :meth:`Server.admit`.
#[pyclass(frozen, module = "nen")]
pub(crate) struct Exchange(pub(crate) nen::Exchange);

#[pymethods]
impl Exchange {
    /// The session of the request, and with it the client's verified identity.
    #[getter]
    fn session(&self) -> Session {
        Session(self.0.session().clone())
    }

    /// Most bytes of a body that :meth:`open` takes; stop reading beyond them and raise :meth:`too_long`.
    #[getter]
    fn max_body(&self) -> usize {
        self.0.max_body()
    }

    /// The ISO-6001 error for a body over :attr:`max_body`.
    fn too_long(&self, py: Python<'_>) -> Py<PyAny> {
        raise(py, self.0.too_long()).into_value(py).into_any()
    }

    /// Open the request's body to UTF-8 JSON; None for an empty one. Raises ISO-6001, ISO-6002, ISO-4001, ISO-4003.
    fn open<'py>(&self, py: Python<'py>, body: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let plaintext = run(py, body.len(), || self.0.open(body))?;
        Ok(plaintext.map(|plaintext| PyBytes::new(py, &plaintext)))
    }

    /// Seal an answer's JSON under a fresh nonce. The status is kept, except that 204 and 205, which forbid a body,
    /// become 200 with a sealed ``null``. Raises ISO-4002.
    fn seal(&self, py: Python<'_>, status: u16, json: &[u8]) -> PyResult<Answer> {
        let answer = run(py, json.len(), || self.0.seal(status, json))?;
        Ok(Answer::new(py, &answer))
    }

    /// How an application's answer is to be sealed: ``"json"`` (whole, as it is), ``"text"`` (whole, as a JSON string)
    /// or ``"stream"`` (chunk by chunk). ``headers`` are all of the answer's, as pairs of bytes or str.
    ///
    /// Raises ISO-9000 for what cannot be sealed: 304, a compressed body, a server error that is not JSON.
    #[staticmethod]
    fn form(py: Python<'_>, status: u16, headers: Headers<'_>) -> PyResult<&'static str> {
        let form = headers.answer_head(status, |head| head.form())?;
        match form.map_err(|error| raise(py, error))? {
            Form::Json => Ok("json"),
            Form::Text => Ok("text"),
            Form::Stream => Ok("stream"),
        }
    }

    /// Seal an application's whole answer in the form that :meth:`form` told. An empty body is sealed as ``null``.
    /// Else as :meth:`seal`.
    fn seal_as(&self, py: Python<'_>, form: &str, status: u16, body: &[u8]) -> PyResult<Answer> {
        let form = whole(form)?;
        let answer = run(py, body.len(), || self.0.seal_as(form, status, body))?;
        Ok(Answer::new(py, &answer))
    }

    /// The ``Content-Length`` of the sealed answer to HEAD, by the one that the application told, in the form that
    /// :meth:`form` told; None if it does not follow from that.
    #[staticmethod]
    fn sealed_size_of_head(form: &str, content_length: Octets<'_>) -> PyResult<Option<usize>> {
        let head = AnswerHead { content_length: Some(content_length.0), ..AnswerHead::default() };
        Ok(head.sealed_size_of_head(whole(form)?))
    }

    /// Start a sealed stream as the answer. Raises ISO-4002.
    fn stream(&self, py: Python<'_>) -> PyResult<StreamSealer> {
        run(py, 0, || self.0.stream()).map(StreamSealer::new)
    }
}

fn whole(form: &str) -> PyResult<Form> {
    match form {
        "json" => Ok(Form::Json),
        "text" => Ok(Form::Text),
        _ => Err(PyValueError::new_err("only json and text are sealed whole")),
    }
}

/// What a server sends: an HTTP status and a JSON body, ``application/json``.
#[pyclass(frozen, get_all, module = "nen")]
pub(crate) struct Answer {
    /// The HTTP status.
    status: u16,
    /// The body.
    body: Py<PyBytes>,
}

impl Answer {
    pub(crate) fn new(py: Python<'_>, answer: &nen::Answer) -> Self {
        Self { status: answer.status, body: PyBytes::new(py, &answer.body).unbind() }
    }
}
