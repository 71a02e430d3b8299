//! The check of a request, and a session endpoint, in steps: for stores that are asked from Python.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use nen::{Claim, Code, Error, NonceClaim, Reply, RequestHead, SessionId, Step};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyTuple},
};

use crate::arguments::{Octets, now};
use crate::error::{HEAVY, raise, run};
use crate::server::{Answer, Exchange, Server};

/// A question to a store: the name of its method, and the arguments.
type Question<'py> = (&'static str, Bound<'py, PyTuple>);

/// The check of a request to a protected path, in steps. Made by :meth:`Server.begin_admit`.
///
/// ```
/// while (question := call.step()) is not None:
///     method, arguments = question
///     call.resume(getattr(store, method)(*arguments))  # awaited, if it is a coroutine
/// exchange = call.result()
/// ```
///
/// The questions are those of :class:`SessionStore`. A store that fails has no reply: the request is to be answered
/// with ISO-9001.
#[pyclass(frozen, module = "nen")]
pub(crate) struct AdmitCall {
    server: Py<Server>,
    now_ms: Option<u64>,
    state: Mutex<Admission>,
}

enum Admission {
    Get(RequestHead),
    Claim(nen::Verified),
    Admitted(nen::Exchange),
    Over,
}

impl AdmitCall {
    /// Begins. Errors: ISO-2003, ISO-2002.
    pub(crate) fn new(server: Py<Server>, head: RequestHead, now_ms: Option<u64>) -> nen::Result<Self> {
        head.read()?;
        Ok(Self { server, now_ms, state: Mutex::new(Admission::Get(head)) })
    }

    fn next(&self, state: Admission, reply: &Bound<'_, PyAny>) -> PyResult<Admission> {
        let (py, server) = (reply.py(), self.server.get());
        match state {
            Admission::Get(head) => {
                let request = head.read().map_err(|error| raise(py, error))?;
                let session = server.session_of(request.session_id(), reply)?;
                let now_ms = now(self.now_ms);
                run(py, 0, || server.0.verify(&request, session, now_ms)).map(Admission::Claim)
            }
            Admission::Claim(verified) => {
                let claim = claim_of(reply)?;
                run(py, 0, || verified.admit(claim)).map(Admission::Admitted)
            }
            Admission::Admitted(_) | Admission::Over => Err(raise(py, OUT_OF_STEP)),
        }
    }
}

#[pymethods]
impl AdmitCall {
    /// What to ask the store next: the name of its method and the arguments; None at the end.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Option<Question<'py>>> {
        match &*lock(&self.state) {
            Admission::Get(head) => {
                let request = head.read().map_err(|error| raise(py, error))?;
                get(py, request.session_id()).map(Some)
            }
            Admission::Claim(verified) => claim_nonce(py, &verified.claim()).map(Some),
            Admission::Admitted(_) => Ok(None),
            Admission::Over => Err(raise(py, OUT_OF_STEP)),
        }
    }

    /// Take what the store replied to the last question. Raises ISO-2002, ISO-3005, ISO-3001, ISO-3002, ISO-3003,
    /// ISO-5001; ISO-9001 for a reply that is none. After an error the call is over.
    fn resume(&self, reply: &Bound<'_, PyAny>) -> PyResult<()> {
        let state = mem::replace(&mut *lock(&self.state), Admission::Over);
        let next = self.next(state, reply)?;
        *lock(&self.state) = next;
        Ok(())
    }

    /// The request, let in; once. Raises ISO-9000 at any other step.
    fn result(&self, py: Python<'_>) -> PyResult<Exchange> {
        match mem::replace(&mut *lock(&self.state), Admission::Over) {
            Admission::Admitted(exchange) => Ok(Exchange(exchange)),
            _ => Err(raise(py, OUT_OF_STEP)),
        }
    }
}

/// A request to a session endpoint, in steps. Made by :meth:`Server.begin_respond`, and used as :class:`AdmitCall` is.
#[pyclass(frozen, module = "nen")]
pub(crate) struct EndpointCall {
    server: Py<Server>,
    state: Mutex<Responding>,
}

struct Responding {
    /// None once its answer was taken, or after a failure.
    call: Option<nen::EndpointCall>,
    /// Of a rotation: the new session is stored, and the old one is to go.
    is_stored: bool,
}

impl EndpointCall {
    pub(crate) fn new(server: Py<Server>, call: nen::EndpointCall) -> Self {
        Self { server, state: Mutex::new(Responding { call: Some(call), is_stored: false }) }
    }
}

#[pymethods]
impl EndpointCall {
    /// What to ask the store next: the name of its method and the arguments; None at the end.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Option<Question<'py>>> {
        let state = lock(&self.state);
        let question = match state.next_step().map_err(|error| raise(py, error))? {
            Step::Get(id) => get(py, id)?,
            Step::Claim(claim) => claim_nonce(py, &claim)?,
            Step::Replace(old, _) if state.is_stored => delete(py, old)?,
            Step::Set(session) | Step::Replace(_, session) => set(py, &session)?,
            Step::Delete(id) => delete(py, id)?,
            Step::Answer => return Ok(None),
        };
        Ok(Some(question))
    }

    /// Take what the store replied to the last question. Raises ISO-1001, ISO-1002, ISO-2002, ISO-3001 to ISO-3005,
    /// ISO-5001, ISO-6001, ISO-6002; ISO-9001 for a reply that is none. After an error the call is over.
    fn resume(&self, py: Python<'_>, reply: &Bound<'_, PyAny>) -> PyResult<()> {
        let (mut call, step) = {
            let mut state = lock(&self.state);
            let step = state.next_step().map_err(|error| raise(py, error))?;
            if matches!(step, Step::Replace(..)) && !mem::replace(&mut state.is_stored, true) {
                return Ok(());
            }
            (state.call.take().ok_or_else(|| raise(py, OUT_OF_STEP))?, step)
        };
        let server = self.server.get();
        let reply = match step {
            Step::Get(id) => Reply::Session(server.session_of(id, reply)?),
            Step::Claim(_) => Reply::Claim(claim_of(reply)?),
            _ => Reply::Stored,
        };
        let call = run(py, HEAVY, || call.resume(&server.0, reply).map(|()| call))?;
        lock(&self.state).call = Some(call);
        Ok(())
    }

    /// What to send; once. Raises ISO-9000 at any other step.
    fn result(&self, py: Python<'_>) -> PyResult<Answer> {
        let call = lock(&self.state).call.take().ok_or_else(|| raise(py, OUT_OF_STEP))?;
        let answer = call.into_answer().map_err(|error| raise(py, error))?;
        Ok(Answer::new(py, &answer))
    }
}

impl Responding {
    fn next_step(&self) -> nen::Result<Step> {
        self.call.as_ref().ok_or(OUT_OF_STEP)?.step()
    }
}

impl Server {
    /// The session that a store replied with: its record, or None.
    fn session_of(&self, id: SessionId, reply: &Bound<'_, PyAny>) -> PyResult<Option<Arc<nen::Session>>> {
        let no_record = |_| raise(reply.py(), NO_REPLY);
        let Some(Octets(record)) = reply.extract::<Option<Octets<'_>>>().map_err(no_record)? else {
            return Ok(None);
        };
        let ttl_ms = self.0.options().session_ttl_ms;
        let session = run(reply.py(), record.len(), || nen::Session::from_record(id, record, ttl_ms))?;
        Ok(Some(Arc::new(session)))
    }
}

fn claim_of(reply: &Bound<'_, PyAny>) -> PyResult<Claim> {
    let is_fresh = reply.extract().map_err(|_| raise(reply.py(), NO_REPLY))?;
    Ok(if is_fresh { Claim::Fresh } else { Claim::Replay })
}

fn get(py: Python<'_>, id: SessionId) -> PyResult<Question<'_>> {
    Ok(("get", (id.to_text(),).into_pyobject(py)?))
}

fn set<'py>(py: Python<'py>, session: &nen::Session) -> PyResult<Question<'py>> {
    let record = PyBytes::new(py, session.to_record().as_bytes());
    Ok(("set", (session.id().to_text(), record, session.expires_ms()).into_pyobject(py)?))
}

fn delete(py: Python<'_>, id: SessionId) -> PyResult<Question<'_>> {
    Ok(("delete", (id.to_text(),).into_pyobject(py)?))
}

fn claim_nonce<'py>(py: Python<'py>, claim: &NonceClaim) -> PyResult<Question<'py>> {
    let nonce = PyBytes::new(py, claim.nonce.as_bytes());
    Ok(("claim_nonce", (claim.session.to_text(), nonce, claim.until_ms).into_pyobject(py)?))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const NO_REPLY: Error =
    Error::new(Code::StoreUnavailable, "the store replied with what is no reply to the question");
const OUT_OF_STEP: Error = Error::new(Code::Internal, "the call is not at this step");
