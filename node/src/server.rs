//! The server with its in-memory store: what the tests' servers are made of.

use std::collections::HashSet;

use napi::{Env, Error, Result, Status, bindgen_prelude::Uint8Array};
use napi_derive::napi;
use nen::{IdentityKey, IdentityPolicy, RequestHeaders, Route};

use crate::convert::{Bytes, SecretText, moment, size, unsigned};
use crate::error::thrown;
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
    inner: nen::MemoryStore,
}

#[napi]
impl MemoryStore {
    /// An empty store with the core's caps.
    #[napi(constructor, catch_unwind)]
    #[allow(clippy::new_without_default)] // a JavaScript constructor
    pub fn new() -> Self {
        Self { inner: nen::MemoryStore::default() }
    }

    /// How many sessions are kept.
    #[napi(getter, catch_unwind)]
    pub fn sessions(&self) -> u32 {
        u32::try_from(self.inner.len()).unwrap_or(u32::MAX)
    }
}

/// A server's policy.
#[napi]
pub struct Server {
    inner: nen::Server,
}

#[napi]
impl Server {
    /// A server with these options, which are checked here.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, options: Option<ServerOptions>) -> Result<Self> {
        let options =
            options.map_or_else(|| Ok(nen::ServerOptions::default()), |options| options.read(env))?;
        let invalid = |error: nen::InvalidOption| Error::new(Status::InvalidArg, error.to_string());
        Ok(Self { inner: nen::Server::new(options).map_err(invalid)? })
    }

    /// Where a request belongs: `session`, `not-found` or `application`.
    #[napi(catch_unwind)]
    pub fn route(&self, method: String, target: String) -> &'static str {
        match self.inner.route(&method, &target) {
            Route::Session(_) => "session",
            Route::NotFound => "not-found",
            Route::Application => "application",
        }
    }

    /// Answers a session endpoint. `headers` are names and values in turn, as in Node's `rawHeaders`. Errors: the ISO
    /// code to answer with.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)] // each is a part of one HTTP request
    pub fn respond(
        &self,
        env: Env,
        store: &MemoryStore,
        method: String,
        target: String,
        headers: Vec<String>,
        body: &[u8],
        now_ms: f64,
    ) -> Result<Answer> {
        let Route::Session(endpoint) = self.inner.route(&method, &target) else {
            return Err(Error::new(Status::InvalidArg, "the request is for no session endpoint"));
        };
        let now_ms = moment(now_ms)?;
        self.inner
            .respond(&store.inner, endpoint, pick(&headers), &method, &target, body, now_ms)
            .map(Answer::from)
            .map_err(|error| thrown(env, error))
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
            .admit(&store.inner, pick(&headers), &method, &target, moment(now_ms)?)
            .map(|inner| Exchange { inner })
            .map_err(|error| thrown(env, error))
    }
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
            require_signed_lifecycle: self
                .require_signed_lifecycle
                .unwrap_or(defaults.require_signed_lifecycle),
            identities,
        })
    }
}

/// An admitted request and the answer to come.
#[napi]
pub struct Exchange {
    inner: nen::Exchange,
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

    /// Opens the request's body to JSON text; null without a body. Errors: ISO-6001, ISO-6002, ISO-4001, ISO-4003.
    #[napi(catch_unwind)]
    pub fn open(&self, env: Env, body: &[u8]) -> Result<Option<SecretText>> {
        let json = self.inner.open(body).map_err(|error| thrown(env, error))?;
        Ok(json.map(SecretText))
    }

    /// Seals an answer's JSON. Errors: ISO-4002.
    #[napi(catch_unwind)]
    pub fn seal(&self, env: Env, status: u16, json: &[u8]) -> Result<Answer> {
        self.inner.seal(status, json).map(Answer::from).map_err(|error| thrown(env, error))
    }

    /// Starts a sealed stream. Errors: ISO-4002.
    #[napi(catch_unwind)]
    pub fn stream(&self, env: Env) -> Result<StreamSealer> {
        self.inner.stream().map(StreamSealer::new).map_err(|error| thrown(env, error))
    }
}

/// The protocol's headers out of names and values in turn.
fn pick(headers: &[String]) -> RequestHeaders<'_> {
    let pairs = headers.as_chunks::<2>().0;
    RequestHeaders::pick(pairs.iter().map(|[name, value]| (name.as_bytes(), value.as_bytes())))
}
