//! The check of a request, and a session endpoint, in steps: for stores that are asked from Python.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use nen::{Claim, Code, Error, Reply, RequestHead, SessionId, Step};
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
        let step = lock(&self.state).step();
        question(py, &step.map_err(|error| raise(py, error))?)
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
        let state = mem::replace(&mut *lock(&self.state), Admission::Over);
        match state {
            Admission::Admitted(exchange) => Ok(Exchange(exchange)),
            _ => Err(raise(py, OUT_OF_STEP)),
        }
    }
}

/// A request to a session endpoint, in steps. Made by :meth:`Server.begin_respond`, and used as :class:`AdmitCall` is.
#[pyclass(frozen, module = "nen")]
pub(crate) struct EndpointCall {
    server: Py<Server>,
    /// None while it is worked on, once its answer was taken, and after a failure.
    call: Mutex<Option<nen::EndpointCall>>,
}

impl EndpointCall {
    pub(crate) fn new(server: Py<Server>, call: nen::EndpointCall) -> Self {
        Self { server, call: Mutex::new(Some(call.without_replace())) }
    }
}

#[pymethods]
impl EndpointCall {
    /// What to ask the store next: the name of its method and the arguments; None at the end.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Option<Question<'py>>> {
        let step = lock(&self.call).as_ref().ok_or(OUT_OF_STEP).and_then(nen::EndpointCall::step);
        question(py, &step.map_err(|error| raise(py, error))?)
    }

    /// Take what the store replied to the last question. Raises ISO-1001, ISO-1002, ISO-2002, ISO-3001 to ISO-3005,
    /// ISO-5001, ISO-6001, ISO-6002; ISO-9001 for a reply that is none. After an error the call is over.
    fn resume(&self, py: Python<'_>, reply: &Bound<'_, PyAny>) -> PyResult<()> {
        let taken = lock(&self.call).take().ok_or(OUT_OF_STEP).and_then(|call| Ok((call.step()?, call)));
        let (step, mut call) = taken.map_err(|error| raise(py, error))?;
        let server = self.server.get();
        let reply = match step {
            Step::Get(id) => Reply::Session(server.session_of(id, reply)?),
            Step::Claim(_) => Reply::Claim(claim_of(reply)?),
            _ => Reply::Stored,
        };
        let call = run(py, HEAVY, || call.resume(&server.0, reply).map(|()| call))?;
        *lock(&self.call) = Some(call);
        Ok(())
    }

    /// What to send; once. Raises ISO-9000 at any other step.
    fn result(&self, py: Python<'_>) -> PyResult<Answer> {
        let call = lock(&self.call).take().ok_or(OUT_OF_STEP);
        let answer = call.and_then(nen::EndpointCall::into_answer).map_err(|error| raise(py, error))?;
        Ok(Answer::new(py, &answer))
    }
}

impl Admission {
    fn step(&self) -> nen::Result<Step> {
        match self {
            Self::Get(head) => head.read().map(|request| Step::Get(request.session_id())),
            Self::Claim(verified) => Ok(Step::Claim(verified.claim())),
            Self::Admitted(_) => Ok(Step::Answer),
            Self::Over => Err(OUT_OF_STEP),
        }
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

fn question<'py>(py: Python<'py>, step: &Step) -> PyResult<Option<Question<'py>>> {
    Ok(match step {
        Step::Get(id) => Some(("get", (id.to_text(),).into_pyobject(py)?)),
        Step::Claim(claim) => {
            let nonce = PyBytes::new(py, claim.nonce.as_bytes());
            Some(("claim_nonce", (claim.session.to_text(), nonce, claim.until_ms).into_pyobject(py)?))
        }
        Step::Set(session) => {
            let record = PyBytes::new(py, session.to_record().as_bytes());
            Some(("set", (session.id().to_text(), record, session.expires_ms()).into_pyobject(py)?))
        }
        Step::Delete(id) => Some(("delete", (id.to_text(),).into_pyobject(py)?)),
        Step::Replace(..) | Step::Answer => None,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const NO_REPLY: Error =
    Error::new(Code::StoreUnavailable, "the store replied with what is no reply to the question");
const OUT_OF_STEP: Error = Error::new(Code::Internal, "the call is not at this step");
