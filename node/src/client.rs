//! The client: its session, and the handshakes that make one.

use std::sync::Arc;

use napi::{Env, Error, Result, Status, bindgen_prelude::AsyncTask};
use napi_derive::napi;

use crate::background::Background;
use crate::call::Call;
use crate::convert::{Bytes, moment, size};
use crate::error::thrown;
use crate::identity::Identity;
use crate::lifecycle::LifecycleCall;

/// The settings of a `Client`; what is left out has the core's default.
#[napi(object, object_to_js = false)]
pub struct ClientOptions {
    /// Whether ISO-3003 makes the client learn the server's clock from its `Date` header.
    pub correct_clock: Option<bool>,
    /// Most bytes of one stream chunk's plaintext.
    pub max_chunk: Option<f64>,
}

/// A client and its current session.
#[napi]
pub struct Client {
    pub(crate) inner: Arc<nen::Client>,
}

#[napi]
impl Client {
    /// A client without a session. With an identity, it signs its handshakes.
    #[napi(constructor, catch_unwind)]
    pub fn new(options: ClientOptions, identity: Option<&Identity>) -> Result<Self> {
        let defaults = nen::ClientOptions::default();
        let inner = nen::Client::new(nen::ClientOptions {
            identity: identity.map(|identity| Arc::clone(&identity.inner)),
            correct_clock: options.correct_clock.unwrap_or(defaults.correct_clock),
            max_chunk: options.max_chunk.map_or(Ok(defaults.max_chunk), |bytes| size("maxChunk", bytes))?,
        });
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The id of the current session, or null.
    #[napi(getter, catch_unwind)]
    pub fn session_id(&self) -> Option<String> {
        self.inner.session().map(|session| session.id().to_text())
    }

    /// Draws a key pair, and signs its public half if there is an identity, off the event loop. Errors: ISO-1002.
    #[napi(catch_unwind)]
    pub fn handshake(&self) -> AsyncTask<Background<Handshake>> {
        let client = Arc::clone(&self.inner);
        Background::start(move || client.handshake().map(Handshake::new))
    }

    /// Completes a handshake with the server's answer. Errors: the server's own code, ISO-1004.
    #[napi(catch_unwind)]
    pub fn establish(
        &self,
        env: Env,
        handshake: &mut Handshake,
        status: u16,
        body: &[u8],
        now_ms: f64,
    ) -> Result<()> {
        let handshake = handshake.inner.take().ok_or_else(used)?;
        self.inner
            .establish(handshake, status, body, moment(now_ms)?)
            .map(drop)
            .map_err(|error| thrown(env, error))
    }

    /// Begins to rotate the session. `target` is the endpoint's path as it travels, percent-encoded.
    #[napi(catch_unwind)]
    pub fn rotate(&self, target: String) -> LifecycleCall {
        LifecycleCall::new(Arc::clone(&self.inner), nen::LifecycleCall::rotate(&target))
    }

    /// Begins to end the session.
    #[napi(catch_unwind)]
    pub fn terminate(&self, target: String) -> LifecycleCall {
        LifecycleCall::new(Arc::clone(&self.inner), nen::LifecycleCall::terminate(&target))
    }

    /// Begins to ask whether the session lives.
    #[napi(catch_unwind)]
    pub fn status(&self, target: String) -> LifecycleCall {
        LifecycleCall::new(Arc::clone(&self.inner), nen::LifecycleCall::status(&target))
    }

    /// Begins a call to a protected endpoint. `target` is the path as it travels, percent-encoded.
    #[napi(catch_unwind)]
    pub fn call(&self, method: String, target: String) -> Call {
        Call::new(Arc::clone(&self.inner), nen::Call::new(&method, &target))
    }
}

/// The client's half of a key exchange; consumed by `Client.establish`.
#[napi]
pub struct Handshake {
    inner: Option<nen::Handshake>,
}

impl Handshake {
    pub(crate) const fn new(handshake: nen::Handshake) -> Self {
        Self { inner: Some(handshake) }
    }
}

#[napi]
impl Handshake {
    /// The JSON body to POST.
    #[napi(getter, catch_unwind)]
    pub fn body(&self) -> Result<Bytes> {
        self.inner.as_ref().map(|handshake| Bytes(handshake.body().to_vec())).ok_or_else(used)
    }

    /// Wipes the secret key of a handshake that was not answered, without waiting for the garbage collector.
    #[napi(catch_unwind)]
    pub fn discard(&mut self) {
        self.inner = None;
    }
}

fn used() -> Error {
    Error::new(Status::InvalidArg, "the handshake was already used or discarded")
}
