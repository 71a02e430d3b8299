//! The server's side: its options, the in-memory store, the session endpoints, and the exchange of one request.

use std::{collections::HashSet, sync::Arc};

use napi::{
    Env, Error, Result, Status,
    bindgen_prelude::{AsyncTask, Uint8Array},
};
use napi_derive::napi;
use nen::{
    AnswerHead, Claim, Code, Form, IdentityKey, IdentityPolicy, MemoryLimits, NonceClaim, RequestHead,
    RequestHeaders, Route, Store,
};

use crate::background::Background;
use crate::convert::{Bytes, SecretBytes, SecretText, moment, nonce_of, session_id, size, unsigned};
use crate::error::{misuse, thrown};
use crate::steps::{AdmitCall, EndpointCall};
use crate::store_keys::StoreKeys;
use crate::stream::StreamSealer;

/// The settings of a `Server`; what is left out has the core's default.
#[napi(object, object_to_js = false)]
pub struct ServerOptions {
    /// The external path of the session endpoints.
    pub prefix: Option<String>,
    /// How long a session lives, in milliseconds.
    pub session_ttl_ms: Option<f64>,
    /// How far a timestamp may be off, either way, in milliseconds.
    pub window_ms: Option<f64>,
    /// Most bytes of a request's sealed body.
    pub max_body: Option<f64>,
    /// Whether unsigned requests are refused.
    pub strict: Option<bool>,
    /// Whether a nonce is remembered until its session ends.
    pub nonces_for_session: Option<bool>,
    /// Whether unsigned rotate, terminate and status are refused.
    pub require_signed_lifecycle: Option<bool>,
    /// Whether a handshake without an identity is refused.
    pub require_identity: Option<bool>,
    /// The only identities that may shake hands, as DER `SubjectPublicKeyInfo`.
    pub identities: Option<Vec<Uint8Array>>,
}

/// A status and a JSON body.
#[napi(object, object_from_js = false)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

impl From<nen::Answer> for Answer {
    fn from(answer: nen::Answer) -> Self {
        Self { status: answer.status, body: Bytes(answer.into_body()) }
    }
}

/// Sessions and nonces in this process's memory.
#[napi]
pub struct MemoryStore {
    inner: Arc<nen::MemoryStore>,
}

/// The limits of a `MemoryStore`; what is left out has the core's default.
#[napi(object, object_to_js = false)]
pub struct MemoryStoreLimits {
    /// Most live sessions.
    pub max_sessions: Option<f64>,
    /// Most remembered nonces.
    pub max_nonces: Option<f64>,
    /// Most remembered nonces of one session.
    pub max_nonces_per_session: Option<f64>,
}

#[napi]
impl MemoryStore {
    /// An empty store.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, limits: MemoryStoreLimits) -> Result<Self> {
        let default = MemoryLimits::default();
        let limit = |name, given: Option<f64>, default| match given.map(|count| size(name, count)) {
            None => Ok(default),
            Some(Ok(count)) if count > 0 => Ok(count),
            _ => Err(misuse(env, format!("{name} must be an integer of at least 1"))),
        };
        let per_session = limits.max_nonces_per_session;
        Ok(Self {
            inner: Arc::new(nen::MemoryStore::new(MemoryLimits {
                max_sessions: limit("maxSessions", limits.max_sessions, default.max_sessions)?,
                max_nonces: limit("maxNonces", limits.max_nonces, default.max_nonces)?,
                max_nonces_per_session: limit(
                    "maxNoncesPerSession",
                    per_session,
                    default.max_nonces_per_session,
                )?,
            })),
        })
    }

    /// The record of a live session, or null.
    #[napi(catch_unwind)]
    pub fn get(&self, env: Env, sid: String, now_ms: f64) -> Result<Option<SecretText>> {
        let session =
            self.inner.get(session_id(&sid)?, moment(now_ms)?).map_err(|error| thrown(env, error))?;
        let record = |session: Arc<nen::Session>| session.to_record().as_bytes().to_vec();
        Ok(session.map(|session| SecretText(record(session).into())))
    }

    /// Keeps the session of a record in the clear until its end. Errors: ISO-9001.
    #[napi(catch_unwind)]
    pub fn set(&self, env: Env, sid: String, record: String, expires_ms: f64, now_ms: f64) -> Result<()> {
        let (id, record) = (session_id(&sid)?, nen::Plaintext::new(record.into_bytes()));
        let (expires_ms, now_ms) = (unsigned("expiresMs", expires_ms)?, moment(now_ms)?);
        nen::Session::from_record(id, &record, 0)
            .map_err(|_| NO_SESSION)
            .and_then(|session| self.inner.set(Arc::new(session.with_end(expires_ms)), now_ms))
            .map_err(|error| thrown(env, error))
    }

    /// Removes a session.
    #[napi(catch_unwind)]
    pub fn delete(&self, env: Env, sid: String) -> Result<()> {
        self.inner.delete(session_id(&sid)?).map_err(|error| thrown(env, error))
    }

    /// Takes a nonce if nobody had. Errors: ISO-5002.
    #[napi(catch_unwind)]
    pub fn claim_nonce(
        &self,
        env: Env,
        sid: String,
        nonce: &[u8],
        until_ms: f64,
        now_ms: f64,
    ) -> Result<bool> {
        let claim = nonce_claim(&sid, nonce, unsigned("untilMs", until_ms)?)?;
        match self.inner.claim_nonce(&claim, moment(now_ms)?).map_err(|error| thrown(env, error))? {
            Claim::Fresh => Ok(true),
            Claim::Replay => Ok(false),
            Claim::Full => {
                Err(thrown(env, nen::Error::new(Code::ReplayCacheFull, "the store is full of nonces")))
            }
        }
    }

    /// How many sessions are kept.
    #[napi(getter, catch_unwind)]
    pub fn sessions(&self) -> u32 {
        u32::try_from(self.inner.len()).unwrap_or(u32::MAX)
    }

    /// How many nonces are remembered.
    #[napi(getter, catch_unwind)]
    pub fn nonces(&self) -> u32 {
        u32::try_from(self.inner.nonces()).unwrap_or(u32::MAX)
    }

    /// Removes what has ended.
    #[napi(catch_unwind)]
    pub fn sweep(&self, now_ms: f64) -> Result<()> {
        self.inner.sweep(moment(now_ms)?);
        Ok(())
    }
}

const NO_SESSION: nen::Error = nen::Error::new(
    Code::StoreUnavailable,
    "memory keeps sessions, and was given what is no record in the clear: beside storeKeys, pass an InMemorySessionStore \
     itself, and none that wraps or extends it",
);

/// The key of a session's record in a shared store.
#[napi(catch_unwind)]
pub fn record_key(sid: String) -> Result<String> {
    Ok(session_id(&sid)?.record_key())
}

/// The key of a used nonce in a shared store.
#[napi(catch_unwind)]
pub fn nonce_key(sid: String, nonce: &[u8]) -> Result<String> {
    Ok(nonce_claim(&sid, nonce, 0)?.key())
}

fn nonce_claim(sid: &str, nonce: &[u8], until_ms: u64) -> Result<NonceClaim> {
    Ok(NonceClaim { nonce: nonce_of(nonce)?, session: session_id(sid)?, until_ms })
}

/// The body of an answer with an error: its code and message.
#[napi(catch_unwind)]
pub fn error_body(code: String) -> Result<Bytes> {
    let code = Code::ALL.iter().find(|known| known.as_str() == code);
    let unknown = || Error::new(Status::InvalidArg, "there is no such code");
    Ok(Bytes(nen::Answer::error(&nen::Error::new(*code.ok_or_else(unknown)?, "")).into_body()))
}

/// A server's policy, and the keys of its records in stores that are asked in steps.
#[napi]
pub struct Server {
    pub(crate) inner: Arc<nen::Server>,
    store_keys: Arc<nen::StoreKeys>,
}

#[napi]
impl Server {
    /// A server with these options, which are checked here. Without store keys, records are in the clear.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, options: Option<ServerOptions>, store_keys: Option<&StoreKeys>) -> Result<Self> {
        let options =
            options.map_or_else(|| Ok(nen::ServerOptions::default()), |options| options.read(env))?;
        let invalid = |error: nen::InvalidOption| misuse(env, error.to_string());
        Ok(Self {
            inner: Arc::new(nen::Server::new(options).map_err(invalid)?),
            store_keys: store_keys.map(|keys| Arc::clone(&keys.inner)).unwrap_or_default(),
        })
    }

    /// Where a request belongs: the name of a session endpoint (`handshake`, `rotate`, `terminate`, `status`),
    /// `not-found` for anything else under the prefix, null for the application's own paths.
    #[napi(catch_unwind)]
    pub fn route(&self, method: String, target: String) -> Option<&'static str> {
        match self.inner.route(&method, &target) {
            Route::Session(endpoint) => Some(name_of(endpoint)),
            Route::NotFound => Some("not-found"),
            Route::Application => None,
        }
    }

    /// Answers a session endpoint, named as by `route`, off the event loop. `headers` are names and values in turn, as
    /// in Node's `rawHeaders`. Errors: the ISO code to answer with.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)] // each is a part of one HTTP request
    pub fn respond(
        &self,
        store: &MemoryStore,
        endpoint: String,
        method: String,
        target: String,
        headers: Vec<String>,
        body: &[u8],
        now_ms: f64,
    ) -> Result<AsyncTask<Background<Answer>>> {
        let endpoint = endpoint_of(&endpoint)?;
        let (server, store, now_ms) = (Arc::clone(&self.inner), Arc::clone(&store.inner), moment(now_ms)?);
        let body = body.to_vec();
        Ok(Background::start(move || {
            server
                .respond(&*store, endpoint, pick(&headers), &method, &target, &body, now_ms)
                .map(Answer::from)
        }))
    }

    /// As `respond`, in steps: for any other store.
    #[napi(catch_unwind)]
    pub fn begin_respond(
        &self,
        endpoint: String,
        method: String,
        target: String,
        headers: Vec<String>,
        body: &[u8],
        now_ms: f64,
    ) -> Result<AsyncTask<Background<EndpointCall>>> {
        let (endpoint, now_ms) = (endpoint_of(&endpoint)?, moment(now_ms)?);
        let (server, store_keys) = (Arc::clone(&self.inner), Arc::clone(&self.store_keys));
        let (head, body) = (RequestHead::new(pick(&headers), &method, &target), body.to_vec());
        Ok(Background::start(move || {
            let call = nen::EndpointCall::new(&server, endpoint, head, &body, now_ms)?;
            Ok(EndpointCall::new(server, store_keys, call))
        }))
    }

    /// Throws the error for a handshake of more than `MAX_HANDSHAKE_BODY` bytes.
    #[napi(catch_unwind)]
    pub fn refuse_long_handshake(&self, env: Env) -> Result<()> {
        Err(thrown(env, nen::Error::handshake_too_long()))
    }

    /// Checks a protected request and claims its nonce. Errors: the ISO code to answer with.
    #[napi(catch_unwind)]
    pub fn admit(
        &self,
        env: Env,
        store: &MemoryStore,
        method: String,
        target: String,
        headers: Vec<String>,
        now_ms: f64,
    ) -> Result<Exchange> {
        self.inner
            .admit(&*store.inner, pick(&headers), &method, &target, moment(now_ms)?)
            .map(Exchange::new)
            .map_err(|error| thrown(env, error))
    }

    /// As `admit`, in steps: for any other store. Errors: ISO-2003, ISO-2002.
    #[napi(catch_unwind)]
    pub fn begin_admit(
        &self,
        env: Env,
        method: String,
        target: String,
        headers: Vec<String>,
        now_ms: f64,
    ) -> Result<AdmitCall> {
        let head = RequestHead::new(pick(&headers), &method, &target);
        let call = nen::AdmitCall::new(head, moment(now_ms)?).map_err(|error| thrown(env, error))?;
        Ok(AdmitCall::new(Arc::clone(&self.inner), Arc::clone(&self.store_keys), call))
    }
}

const ENDPOINTS: [(&str, nen::Endpoint); 4] = [
    ("handshake", nen::Endpoint::Handshake),
    ("rotate", nen::Endpoint::Rotate),
    ("terminate", nen::Endpoint::Terminate),
    ("status", nen::Endpoint::Status),
];

fn endpoint_of(name: &str) -> Result<nen::Endpoint> {
    let found = ENDPOINTS.iter().find(|(other, _)| *other == name);
    found
        .map(|(_, endpoint)| *endpoint)
        .ok_or_else(|| Error::new(Status::InvalidArg, "no such session endpoint"))
}

fn name_of(endpoint: nen::Endpoint) -> &'static str {
    ENDPOINTS.iter().find(|(_, other)| *other == endpoint).map_or("not-found", |(name, _)| name)
}

impl ServerOptions {
    fn read(self, env: Env) -> Result<nen::ServerOptions> {
        let defaults = nen::ServerOptions::default();
        let identities = match (self.identities, self.require_identity) {
            (Some(keys), _) => {
                let key = |der: &Uint8Array| IdentityKey::from_spki(der).map_err(|error| thrown(env, error));
                IdentityPolicy::Only(keys.iter().map(key).collect::<Result<HashSet<_>>>()?)
            }
            (None, Some(true)) => IdentityPolicy::Required,
            (None, _) => IdentityPolicy::Optional,
        };
        Ok(nen::ServerOptions {
            prefix: self.prefix.unwrap_or(defaults.prefix),
            session_ttl_ms: self
                .session_ttl_ms
                .map_or(Ok(defaults.session_ttl_ms), |ms| unsigned("sessionTtlMs", ms))?,
            window_ms: self.window_ms.map_or(Ok(defaults.window_ms), |ms| unsigned("windowMs", ms))?,
            max_body: self.max_body.map_or(Ok(defaults.max_body), |bytes| size("maxBody", bytes))?,
            strict: self.strict.unwrap_or(defaults.strict),
            nonces_for_session: self.nonces_for_session.unwrap_or(defaults.nonces_for_session),
            require_signed_lifecycle: self
                .require_signed_lifecycle
                .unwrap_or(defaults.require_signed_lifecycle),
            identities,
        })
    }
}

/// How an application's answer is to be sealed: `json` (whole, as it is), `text` (whole, as a JSON string) or `stream`
/// (chunk by chunk). Errors: ISO-9000 for what cannot be sealed.
#[napi(catch_unwind)]
pub fn form_of_answer(
    env: Env,
    status: u32,
    content_type: Option<String>,
    content_encoding: Option<String>,
    content_length: Option<String>,
) -> Result<&'static str> {
    let head = AnswerHead {
        status: http_status(status),
        content_type: content_type.as_deref().map(str::as_bytes),
        content_encoding: content_encoding.as_deref().map(str::as_bytes),
        content_length: content_length.as_deref().map(str::as_bytes),
    };
    match head.form().map_err(|error| thrown(env, error))? {
        Form::Json => Ok("json"),
        Form::Text => Ok("text"),
        Form::Stream => Ok("stream"),
    }
}

/// The `Content-Length` of the sealed answer to HEAD, by the length that the application told of; null if it is not
/// known.
#[napi(catch_unwind)]
pub fn sealed_size_of_head(form: String, content_length: Option<String>) -> Result<Option<u32>> {
    let content_length = content_length.as_deref().map(str::as_bytes);
    let head = AnswerHead { content_length, ..AnswerHead::default() };
    Ok(head.sealed_size_of_head(whole(&form)?).and_then(|size| u32::try_from(size).ok()))
}

/// An admitted request and the answer to come.
#[napi]
pub struct Exchange {
    inner: Arc<nen::Exchange>,
}

impl Exchange {
    pub(crate) fn new(inner: nen::Exchange) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

#[napi]
impl Exchange {
    /// The id of the request's session.
    #[napi(getter, catch_unwind)]
    pub fn session_id(&self) -> String {
        self.inner.session().id().to_text()
    }

    /// The client's verified identity as DER `SubjectPublicKeyInfo`, or null.
    #[napi(getter, catch_unwind)]
    pub fn identity(&self) -> Option<Bytes> {
        self.inner.session().identity().map(|key| Bytes(key.as_spki().to_vec()))
    }

    /// Most bytes of a body that `open` takes.
    #[napi(getter, catch_unwind)]
    pub fn max_body(&self) -> u32 {
        u32::try_from(self.inner.max_body()).unwrap_or(u32::MAX)
    }

    /// Throws the error for a body of more than `maxBody` bytes.
    #[napi(catch_unwind)]
    pub fn refuse_long_body(&self, env: Env) -> Result<()> {
        Err(thrown(env, self.inner.too_long()))
    }

    /// Opens the request's body to JSON; null without a body. Errors: ISO-6001, ISO-6002, ISO-4001, ISO-4003.
    #[napi(catch_unwind)]
    pub fn open(&self, env: Env, body: &[u8]) -> Result<Option<SecretBytes>> {
        let json = self.inner.open(body).map_err(|error| thrown(env, error))?;
        Ok(json.map(SecretBytes))
    }

    /// `open`, off the event loop.
    #[napi(catch_unwind)]
    pub fn open_in_background(&self, body: &[u8]) -> AsyncTask<Background<Option<SecretBytes>>> {
        let (exchange, body) = (Arc::clone(&self.inner), body.to_vec());
        Background::start(move || Ok(exchange.open(&body)?.map(SecretBytes)))
    }

    /// Seals an application's whole answer in the form that `formOfAnswer` told; an empty body as `null`. The status is
    /// kept, except that 204 and 205, which forbid a body, become 200. Errors: ISO-4002, ISO-9000.
    #[napi(catch_unwind)]
    pub fn seal(&self, env: Env, form: String, status: u32, body: &[u8]) -> Result<Answer> {
        let form = whole(&form)?;
        self.inner
            .seal_as(form, http_status(status), body)
            .map(Answer::from)
            .map_err(|error| thrown(env, error))
    }

    /// `seal`, off the event loop.
    #[napi(catch_unwind)]
    pub fn seal_in_background(
        &self,
        form: String,
        status: u32,
        body: &[u8],
    ) -> Result<AsyncTask<Background<Answer>>> {
        let (exchange, form) = (Arc::clone(&self.inner), whole(&form)?);
        let body = nen::Plaintext::new(body.to_vec());
        Ok(Background::start(move || exchange.seal_as(form, http_status(status), &body).map(Answer::from)))
    }

    /// Starts a sealed stream. Errors: ISO-4002.
    #[napi(catch_unwind)]
    pub fn stream(&self, env: Env) -> Result<StreamSealer> {
        self.inner.stream().map(StreamSealer::new).map_err(|error| thrown(env, error))
    }
}

/// What is no status stays none: napi would cut a longer number to its last 16 bits.
fn http_status(status: u32) -> u16 {
    u16::try_from(status).unwrap_or(u16::MAX)
}

fn whole(form: &str) -> Result<Form> {
    match form {
        "json" => Ok(Form::Json),
        "text" => Ok(Form::Text),
        _ => Err(Error::new(Status::InvalidArg, "only json and text are sealed whole")),
    }
}

/// The protocol's headers out of names and values in turn.
fn pick(headers: &[String]) -> RequestHeaders<'_> {
    let pairs = headers.as_chunks::<2>().0;
    RequestHeaders::pick(pairs.iter().map(|[name, value]| (name.as_bytes(), value.as_bytes())))
}
