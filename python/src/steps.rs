//! The check of a request, and a session endpoint, in steps: for stores that are asked from Python.

use std::sync::{Arc, Mutex, PoisonError};

use nen::{Claim, Code, Error, Reply, SessionId, Step};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyTuple},
};

use crate::arguments::Octets;
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
pub(crate) struct AdmitCall(Steps<nen::AdmitCall>);

impl AdmitCall {
    pub(crate) fn new(server: Py<Server>, call: nen::AdmitCall) -> Self {
        Self(Steps::new(server, call))
    }
}

#[pymethods]
impl AdmitCall {
    /// What to ask the store next: the name of its method and the arguments; None at the end.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Option<Question<'py>>> {
        self.0.step(py)
    }

    /// Take what the store replied to the last question. Raises ISO-2002, ISO-3005, ISO-3001, ISO-3002, ISO-3003,
    /// ISO-5001; ISO-9001 for a reply that is none. After an error the call is over.
    fn resume(&self, reply: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.resume(reply)
    }

    /// The request, let in; once. Raises ISO-9000 at any other step.
    fn result(&self, py: Python<'_>) -> PyResult<Exchange> {
        self.0.finish(py, nen::AdmitCall::into_exchange).map(Exchange)
    }
}

/// A request to a session endpoint, in steps. Made by :meth:`Server.begin_respond`, and used as :class:`AdmitCall` is.
#[pyclass(frozen, module = "nen")]
pub(crate) struct EndpointCall(Steps<nen::EndpointCall>);

impl EndpointCall {
    pub(crate) fn new(server: Py<Server>, call: nen::EndpointCall) -> Self {
        Self(Steps::new(server, call.without_replace()))
    }
}

#[pymethods]
impl EndpointCall {
    /// What to ask the store next: the name of its method and the arguments; None at the end.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Option<Question<'py>>> {
        self.0.step(py)
    }

    /// Take what the store replied to the last question. Raises ISO-1001, ISO-1002, ISO-2002, ISO-3001 to ISO-3005,
    /// ISO-5001, ISO-6001, ISO-6002; ISO-9001 for a reply that is none. After an error the call is over.
    fn resume(&self, reply: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.resume(reply)
    }

    /// What to send; once. Raises ISO-9000 at any other step.
    fn result(&self, py: Python<'_>) -> PyResult<Answer> {
        let answer = self.0.finish(py, nen::EndpointCall::into_answer)?;
        Ok(Answer::new(py, &answer))
    }
}

/// What the two calls have in common.
trait Call: Send {
    /// How much work it may be to take a reply.
    const SIZE: usize;

    fn step(&self) -> nen::Result<Step>;
    fn resume(&mut self, server: &nen::Server, reply: Reply) -> nen::Result<()>;
}

impl Call for nen::AdmitCall {
    const SIZE: usize = 0;

    fn step(&self) -> nen::Result<Step> {
        self.step()
    }

    fn resume(&mut self, server: &nen::Server, reply: Reply) -> nen::Result<()> {
        self.resume(server, reply)
    }
}

impl Call for nen::EndpointCall {
    const SIZE: usize = HEAVY;

    fn step(&self) -> nen::Result<Step> {
        self.step()
    }

    fn resume(&mut self, server: &nen::Server, reply: Reply) -> nen::Result<()> {
        self.resume(server, reply)
    }
}

struct Steps<C> {
    server: Py<Server>,
    /// None while it is worked on, once its result was taken, and after a failure.
    call: Mutex<Option<C>>,
}

impl<C: Call> Steps<C> {
    fn new(server: Py<Server>, call: C) -> Self {
        Self { server, call: Mutex::new(Some(call)) }
    }

    fn step<'py>(&self, py: Python<'py>) -> PyResult<Option<Question<'py>>> {
        let step = self.lock().as_ref().ok_or(OUT_OF_STEP).and_then(C::step);
        self.server.get().question(py, &step.map_err(|error| raise(py, error))?)
    }

    fn resume(&self, reply: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, server) = (reply.py(), self.server.get());
        let taken = self.lock().take().ok_or(OUT_OF_STEP).and_then(|call| Ok((call.step()?, call)));
        let (step, mut call) = taken.map_err(|error| raise(py, error))?;
        let reply = match step {
            Step::Get(id) => Reply::Session(server.session_of(id, reply)?),
            Step::Claim(_) => Reply::Claim(claim_of(reply)?),
            _ => Reply::Stored,
        };
        let call = run(py, C::SIZE, || call.resume(&server.core, reply).map(|()| call))?;
        *self.lock() = Some(call);
        Ok(())
    }

    fn finish<T>(&self, py: Python<'_>, into_result: impl FnOnce(C) -> nen::Result<T>) -> PyResult<T> {
        self.lock().take().ok_or(OUT_OF_STEP).and_then(into_result).map_err(|error| raise(py, error))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<C>> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    fn question<'py>(&self, py: Python<'py>, step: &Step) -> PyResult<Option<Question<'py>>> {
        Ok(match step {
            Step::Get(id) => Some(("get", (id.to_text(),).into_pyobject(py)?)),
            Step::Claim(claim) => {
                let nonce = PyBytes::new(py, claim.nonce.as_bytes());
                Some(("claim_nonce", (claim.session.to_text(), nonce, claim.until_ms).into_pyobject(py)?))
            }
            Step::Set(session) => {
                let record = run(py, 0, || self.store_keys.write(session))?;
                let record = PyBytes::new(py, &record);
                Some(("set", (session.id().to_text(), record, session.expires_ms()).into_pyobject(py)?))
            }
            Step::Delete(id) => Some(("delete", (id.to_text(),).into_pyobject(py)?)),
            Step::Replace(..) | Step::Answer => None,
        })
    }

    /// The session that a store replied with: its record, or None.
    fn session_of(&self, id: SessionId, reply: &Bound<'_, PyAny>) -> PyResult<Option<Arc<nen::Session>>> {
        let no_record = |_| raise(reply.py(), NO_REPLY);
        let Some(Octets(record)) = reply.extract::<Option<Octets<'_>>>().map_err(no_record)? else {
            return Ok(None);
        };
        let ttl_ms = self.core.options().session_ttl_ms;
        let session = run(reply.py(), record.len(), || self.store_keys.read(id, record, ttl_ms))?;
        Ok(Some(Arc::new(session)))
    }
}

fn claim_of(reply: &Bound<'_, PyAny>) -> PyResult<Claim> {
    let is_fresh = reply.extract().map_err(|_| raise(reply.py(), NO_REPLY))?;
    Ok(if is_fresh { Claim::Fresh } else { Claim::Replay })
}

const NO_REPLY: Error =
    Error::new(Code::StoreUnavailable, "the store replied with what is no reply to the question");
const OUT_OF_STEP: Error = Error::new(Code::Internal, "the call is not at this step");
