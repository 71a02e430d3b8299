//! The check of a request, and a session endpoint, in steps: for stores that are asked from JavaScript.

use std::sync::{Arc, Mutex};

use napi::{
    Env, Result, Unknown, ValueType,
    bindgen_prelude::{AsyncTask, JsValue},
};
use napi_derive::napi;
use nen::{Claim, Code, Error, Plaintext, Reply, SessionId, Step, StoreKeys};

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

    fn to(&self, step: &Step, server: &nen::Server, keys: &StoreKeys) -> nen::Result<Reply> {
        Ok(match (step, self) {
            (Step::Get(_), Self::Nothing) => Reply::Session(None),
            (Step::Get(id), Self::Record(record)) => {
                let session = keys.read(*id, record, server.options().session_ttl_ms)?;
                Reply::Session(Some(Arc::new(session)))
            }
            (Step::Claim(_), Self::Boolean(true)) => Reply::Claim(Claim::Fresh),
            (Step::Claim(_), Self::Boolean(false)) => Reply::Claim(Claim::Replay),
            (Step::Get(_) | Step::Claim(_), _) => return Err(NO_REPLY),
            (Step::Set(_) | Step::Replace(..) | Step::Delete(_) | Step::Answer, _) => Reply::Stored,
        })
    }
}

/// The check of a request to a protected path, in steps. Made by `Server.beginAdmit`.
#[napi]
pub struct AdmitCall {
    server: Arc<nen::Server>,
    store_keys: Arc<StoreKeys>,
    /// None once its exchange was taken, and after a failure.
    call: Option<nen::AdmitCall>,
}

impl AdmitCall {
    pub(crate) const fn new(
        server: Arc<nen::Server>,
        store_keys: Arc<StoreKeys>,
        call: nen::AdmitCall,
    ) -> Self {
        Self { server, store_keys, call: Some(call) }
    }

    fn next(&mut self, reply: &Replied) -> nen::Result<()> {
        let mut call = self.call.take().ok_or(OUT_OF_STEP)?;
        call.resume(&self.server, reply.to(&call.step()?, &self.server, &self.store_keys)?)?;
        self.call = Some(call);
        Ok(())
    }
}

#[napi]
impl AdmitCall {
    /// What to ask the store next; null at the end.
    #[napi(catch_unwind)]
    pub fn step(&self, env: Env) -> Result<Option<Question>> {
        let step = self.call.as_ref().ok_or(OUT_OF_STEP).and_then(nen::AdmitCall::step);
        step.and_then(|step| question(step, &self.store_keys)).map_err(|error| thrown(env, error))
    }

    /// Takes what the store replied to the last question. Errors: ISO-2002, ISO-3005, ISO-3001, ISO-3002, ISO-3003,
    /// ISO-5001; ISO-9001 for a reply that is none. After an error the call is over.
    #[napi(catch_unwind)]
    pub fn resume(&mut self, env: Env, reply: Unknown<'_>) -> Result<()> {
        let reply = Replied::read(&reply)?;
        self.next(&reply).map_err(|error| thrown(env, error))
    }

    /// The request, let in; once.
    #[napi(catch_unwind)]
    pub fn result(&mut self, env: Env) -> Result<Exchange> {
        let call = self.call.take().ok_or(OUT_OF_STEP);
        call.and_then(nen::AdmitCall::into_exchange).map(Exchange::new).map_err(|error| thrown(env, error))
    }
}

/// A request to a session endpoint, in steps. Made by `Server.beginRespond`, and used as `AdmitCall` is; only that the
/// work is done off the event loop, since handshakes and rotations draw keys.
#[napi]
pub struct EndpointCall {
    server: Arc<nen::Server>,
    store_keys: Arc<StoreKeys>,
    /// None while it is worked on, once its answer was taken, and after a failure.
    call: Arc<Mutex<Option<nen::EndpointCall>>>,
}

impl EndpointCall {
    pub(crate) fn new(server: Arc<nen::Server>, store_keys: Arc<StoreKeys>, call: nen::EndpointCall) -> Self {
        Self { server, store_keys, call: Arc::new(Mutex::new(Some(call.without_replace()))) }
    }
}

#[napi]
impl EndpointCall {
    /// What to ask the store next; null at the end.
    #[napi(catch_unwind)]
    pub fn step(&self, env: Env) -> Result<Option<Question>> {
        let step = lock(&self.call).as_ref().ok_or(OUT_OF_STEP).and_then(nen::EndpointCall::step);
        step.and_then(|step| question(step, &self.store_keys)).map_err(|error| thrown(env, error))
    }

    /// Takes what the store replied to the last question. Errors: ISO-1001, ISO-1002, ISO-2002, ISO-3001 to ISO-3005,
    /// ISO-5001, ISO-6001, ISO-6002; ISO-9001 for a reply that is none. After an error the call is over.
    #[napi(catch_unwind)]
    pub fn resume(&self, reply: Unknown<'_>) -> Result<AsyncTask<Background<()>>> {
        let (state, reply) = (Arc::clone(&self.call), Replied::read(&reply)?);
        let (server, store_keys) = (Arc::clone(&self.server), Arc::clone(&self.store_keys));
        Ok(Background::start(move || {
            let mut call = lock(&state).take().ok_or(OUT_OF_STEP)?;
            call.resume(&server, reply.to(&call.step()?, &server, &store_keys)?)?;
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
fn question(step: Step, keys: &StoreKeys) -> nen::Result<Option<Question>> {
    let ask = |method, sid: SessionId| Question {
        method,
        sid: sid.to_text(),
        record: None,
        nonce: None,
        until_ms: None,
    };
    Ok(Some(match step {
        Step::Get(id) => ask("get", id),
        Step::Claim(claim) => Question {
            nonce: Some(Bytes(claim.nonce.as_bytes().to_vec())),
            until_ms: Some(claim.until_ms as f64),
            ..ask("claimNonce", claim.session)
        },
        Step::Set(session) => Question {
            record: Some(SecretText(keys.write(&session)?)),
            until_ms: Some(session.expires_ms() as f64),
            ..ask("set", session.id())
        },
        Step::Delete(id) => ask("delete", id),
        Step::Replace(..) | Step::Answer => return Ok(None),
    }))
}

const NO_REPLY: Error =
    Error::new(Code::StoreUnavailable, "the store replied with what is no reply to the question");
const OUT_OF_STEP: Error = Error::new(Code::Internal, "the call is not at this step");
