//! The check of a request, and a session endpoint, in steps: for stores that are asked from JavaScript.

use std::{
    mem,
    sync::{Arc, Mutex},
};

use napi::{
    Env, Result, Unknown, ValueType,
    bindgen_prelude::{AsyncTask, JsValue},
};
use napi_derive::napi;
use nen::{Claim, Code, Error, Plaintext, Reply, RequestHead, Session, SessionId, Step};

use crate::background::Background;
use crate::call::lock;
use crate::convert::{Bytes, SecretText};
use crate::error::thrown;
use crate::server::{Answer, Exchange};

/// A question to a store: one of its methods, and the arguments.
#[napi(object, object_from_js = false)]
pub struct Question {
    /// The name of the method: `get`, `set`, `delete` or `claimNonce`.
    pub method: &'static str,
    /// The session's id.
    pub sid: String,
    /// For `set`: the record.
    pub record: Option<SecretText>,
    /// For `claimNonce`: the nonce.
    pub nonce: Option<Bytes>,
    /// For `set` and `claimNonce`: until when, in Unix milliseconds.
    pub until_ms: Option<f64>,
}

/// What a store replied, out of JavaScript.
enum Replied {
    Record(Plaintext),
    Nothing,
    Boolean(bool),
    Nonsense,
}

impl Replied {
    fn read(reply: &Unknown<'_>) -> Result<Self> {
        Ok(match reply.get_type()? {
            ValueType::Null | ValueType::Undefined => Self::Nothing,
            ValueType::Boolean => Self::Boolean(reply.coerce_to_bool()?),
            ValueType::String => {
                // SAFETY: it is a string. Its only copy here is the one that is wiped, because it holds keys.
                let text: String = unsafe { reply.cast()? };
                Self::Record(Plaintext::new(text.into_bytes()))
            }
            _ => Self::Nonsense,
        })
    }

    fn session(&self, server: &nen::Server, id: SessionId) -> nen::Result<Option<Arc<Session>>> {
        match self {
            Self::Record(record) => {
                let session = Session::from_record(id, record, server.options().session_ttl_ms)?;
                Ok(Some(Arc::new(session)))
            }
            Self::Nothing => Ok(None),
            Self::Boolean(_) | Self::Nonsense => Err(NO_REPLY),
        }
    }

    const fn claim(&self) -> nen::Result<Claim> {
        match self {
            Self::Boolean(true) => Ok(Claim::Fresh),
            Self::Boolean(false) => Ok(Claim::Replay),
            _ => Err(NO_REPLY),
        }
    }
}

/// The check of a request to a protected path, in steps. Made by `Server.beginAdmit`.
#[napi]
pub struct AdmitCall {
    server: Arc<nen::Server>,
    now_ms: u64,
    state: Admission,
}

enum Admission {
    Get(RequestHead),
    Claim(nen::Verified),
    Admitted(nen::Exchange),
    Over,
}

impl AdmitCall {
    pub(crate) fn new(server: Arc<nen::Server>, head: RequestHead, now_ms: u64) -> nen::Result<Self> {
        head.read()?;
        Ok(Self { server, now_ms, state: Admission::Get(head) })
    }

    fn next(&mut self, reply: &Replied) -> nen::Result<Admission> {
        match mem::replace(&mut self.state, Admission::Over) {
            Admission::Get(head) => {
                let request = head.read()?;
                let session = reply.session(&self.server, request.session_id())?;
                self.server.verify(&request, session, self.now_ms).map(Admission::Claim)
            }
            Admission::Claim(verified) => verified.admit(reply.claim()?).map(Admission::Admitted),
            Admission::Admitted(_) | Admission::Over => Err(OUT_OF_STEP),
        }
    }
}

#[napi]
impl AdmitCall {
    /// What to ask the store next; null at the end.
    #[napi(catch_unwind)]
    pub fn step(&self, env: Env) -> Result<Option<Question>> {
        let step = match &self.state {
            Admission::Get(head) => head.read().map(|request| Step::Get(request.session_id())),
            Admission::Claim(verified) => Ok(Step::Claim(verified.claim())),
            Admission::Admitted(_) => Ok(Step::Answer),
            Admission::Over => Err(OUT_OF_STEP),
        };
        step.map(question).map_err(|error| thrown(env, error))
    }

    /// Takes what the store replied to the last question. Errors: ISO-2002, ISO-3005, ISO-3001, ISO-3002, ISO-3003,
    /// ISO-5001; ISO-9001 for a reply that is none. After an error the call is over.
    #[napi(catch_unwind)]
    pub fn resume(&mut self, env: Env, reply: Unknown<'_>) -> Result<()> {
        let reply = Replied::read(&reply)?;
        self.state = self.next(&reply).map_err(|error| thrown(env, error))?;
        Ok(())
    }

    /// The request, let in; once.
    #[napi(catch_unwind)]
    pub fn result(&mut self, env: Env) -> Result<Exchange> {
        match mem::replace(&mut self.state, Admission::Over) {
            Admission::Admitted(exchange) => Ok(Exchange::new(exchange)),
            _ => Err(thrown(env, OUT_OF_STEP)),
        }
    }
}

/// A request to a session endpoint, in steps. Made by `Server.beginRespond`, and used as `AdmitCall` is; only that the
/// work is done off the event loop, since handshakes and rotations draw keys.
#[napi]
pub struct EndpointCall {
    server: Arc<nen::Server>,
    /// None while it is worked on, once its answer was taken, and after a failure.
    call: Arc<Mutex<Option<nen::EndpointCall>>>,
}

impl EndpointCall {
    pub(crate) fn new(server: Arc<nen::Server>, call: nen::EndpointCall) -> Self {
        Self { server, call: Arc::new(Mutex::new(Some(call.without_replace()))) }
    }
}

#[napi]
impl EndpointCall {
    /// What to ask the store next; null at the end.
    #[napi(catch_unwind)]
    pub fn step(&self, env: Env) -> Result<Option<Question>> {
        let step = lock(&self.call).as_ref().ok_or(OUT_OF_STEP).and_then(nen::EndpointCall::step);
        step.map(question).map_err(|error| thrown(env, error))
    }

    /// Takes what the store replied to the last question. Errors: ISO-1001, ISO-1002, ISO-2002, ISO-3001 to ISO-3005,
    /// ISO-5001, ISO-6001, ISO-6002; ISO-9001 for a reply that is none. After an error the call is over.
    #[napi(catch_unwind)]
    pub fn resume(&self, reply: Unknown<'_>) -> Result<AsyncTask<Background<()>>> {
        let (server, state, reply) =
            (Arc::clone(&self.server), Arc::clone(&self.call), Replied::read(&reply)?);
        Ok(Background::start(move || {
            let mut call = lock(&state).take().ok_or(OUT_OF_STEP)?;
            let reply = match call.step()? {
                Step::Get(id) => Reply::Session(reply.session(&server, id)?),
                Step::Claim(_) => Reply::Claim(reply.claim()?),
                _ => Reply::Stored,
            };
            call.resume(&server, reply)?;
            *lock(&state) = Some(call);
            Ok(())
        }))
    }

    /// What to send; once.
    #[napi(catch_unwind)]
    pub fn result(&self, env: Env) -> Result<Answer> {
        let call = lock(&self.call).take().ok_or(OUT_OF_STEP);
        call.and_then(nen::EndpointCall::into_answer).map(Answer::from).map_err(|error| thrown(env, error))
    }
}

#[allow(clippy::cast_precision_loss)] // times are below 2^53
fn question(step: Step) -> Option<Question> {
    let ask = |method, sid: SessionId| Question {
        method,
        sid: sid.to_text(),
        record: None,
        nonce: None,
        until_ms: None,
    };
    Some(match step {
        Step::Get(id) => ask("get", id),
        Step::Claim(claim) => Question {
            nonce: Some(Bytes(claim.nonce.as_bytes().to_vec())),
            until_ms: Some(claim.until_ms as f64),
            ..ask("claimNonce", claim.session)
        },
        Step::Set(session) => Question {
            record: Some(SecretText(Plaintext::new(session.to_record().as_bytes().to_vec()))),
            until_ms: Some(session.expires_ms() as f64),
            ..ask("set", session.id())
        },
        Step::Delete(id) => ask("delete", id),
        Step::Replace(..) | Step::Answer => return None,
    })
}

const NO_REPLY: Error =
    Error::new(Code::StoreUnavailable, "the store replied with what is no reply to the question");
const OUT_OF_STEP: Error = Error::new(Code::Internal, "the call is not at this step");
