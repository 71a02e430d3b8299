//! The session endpoints: handshake, rotate, terminate, status.

use std::sync::Arc;

use super::{Answer, EndpointCall, IdentityPolicy, Reply, RequestHead, Server, Step};
use crate::crypto::{HMAC_KEY_SIZE, KEM_MESSAGE_SIZE, Secret, identity::IdentityKey, kem, random};
use crate::error::{Code, Error, Result};
use crate::session::Session;
use crate::store::Store;
use crate::wire::{
    body::{HandshakeAnswer, HandshakeRequest, Plaintext},
    canonical::pathname,
    headers::{RequestHeaders, SessionId},
};

/// A session endpoint under `/api/nen/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST handshake`: establish a session.
    Handshake,
    /// `POST rotate`: establish a new session and destroy the old one.
    Rotate,
    /// `POST terminate`: destroy a session.
    Terminate,
    /// `GET status`: does a session live?
    Status,
}

/// Where a request belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// To a session endpoint, answered by [`Server::respond`].
    Session(Endpoint),
    /// Under the prefix of the session endpoints, and none of them: answered with 404.
    NotFound,
    /// To the application.
    Application,
}

impl Server {
    /// Tells the session endpoints, which stand under the option `prefix`, from the application's own paths. `target`
    /// is as for [`Request::read`](super::Request::read).
    pub fn route(&self, method: &str, target: &str) -> Route {
        let below = pathname(target).and_then(|path| path.strip_prefix(self.options.prefix.as_str()));
        let Some(action) = below.and_then(|rest| rest.strip_prefix('/')) else { return Route::Application };
        match (method, action) {
            ("POST", "handshake") => Route::Session(Endpoint::Handshake),
            ("POST", "rotate") => Route::Session(Endpoint::Rotate),
            ("POST", "terminate") => Route::Session(Endpoint::Terminate),
            ("GET", "status") => Route::Session(Endpoint::Status),
            _ => Route::NotFound,
        }
    }

    /// Takes a client's public key and makes a session of it. The caller stores the session first, then sends the
    /// answer with status 200.
    ///
    /// Errors: ISO-1001, ISO-1002, ISO-3004, ISO-6001, ISO-6002.
    pub fn accept(&self, body: &[u8], now_ms: u64) -> Result<(Arc<Session>, Plaintext)> {
        self.accept_with(Draws::random, body, now_ms)
    }

    pub(crate) fn accept_with(
        &self,
        draw: impl FnOnce() -> Result<Draws>,
        body: &[u8],
        now_ms: u64,
    ) -> Result<(Arc<Session>, Plaintext)> {
        let HandshakeRequest { public_key, identity } = HandshakeRequest::read(body)?;
        self.check_identity(identity.as_ref())?;
        let Draws { message, hmac_key, id } = draw()?;
        let kem::Encapsulated { ciphertext, shared_secret } = kem::encapsulate(&public_key, &message)?;
        let answer = HandshakeAnswer::write(id, &ciphertext, hmac_key.expose());
        let lifetime = (now_ms, now_ms.saturating_add(self.options.session_ttl_ms));
        Ok((Arc::new(Session::new(id, shared_secret, hmac_key, lifetime, identity)), answer))
    }

    /// Answers a session endpoint, failures included, with a synchronous store. `target` and headers are as for
    /// [`Request::read`](super::Request::read).
    #[allow(clippy::too_many_arguments)] // each is a part of one HTTP request
    pub fn respond(
        &self,
        store: &dyn Store,
        endpoint: Endpoint,
        headers: RequestHeaders<'_>,
        method: &str,
        target: &str,
        body: &[u8],
        now_ms: u64,
    ) -> Result<Answer> {
        let head = RequestHead::new(headers, method, target);
        let mut call = EndpointCall::new(self, endpoint, head, body, now_ms)?;
        loop {
            let reply = match call.step()? {
                Step::Get(id) => Reply::Session(store.get(id, now_ms)?),
                Step::Claim(claim) => Reply::Claim(store.claim_nonce(&claim, now_ms)?),
                Step::Set(session) => stored(store.set(session, now_ms))?,
                Step::Replace(old, new) => stored(store.replace(old, new, now_ms))?,
                Step::Delete(id) => stored(store.delete(id))?,
                Step::Answer => return call.into_answer(),
            };
            call.resume(self, reply)?;
        }
    }

    pub(super) fn check_identity(&self, identity: Option<&IdentityKey>) -> Result<()> {
        let refused = |detail| Err(Error::new(Code::AuthIdentitySignatureInvalid, detail));
        match (&self.options.identities, identity) {
            (IdentityPolicy::Optional, _) | (IdentityPolicy::Required, Some(_)) => Ok(()),
            (IdentityPolicy::Only(allowed), Some(key)) if allowed.contains(key) => Ok(()),
            (_, None) => refused("this server requires an identity and the client presented none"),
            (_, Some(_)) => refused("this identity is not on the server's list"),
        }
    }
}

/// What a server draws for a handshake.
pub(crate) struct Draws {
    pub(crate) message: Secret<KEM_MESSAGE_SIZE>,
    pub(crate) hmac_key: Secret<HMAC_KEY_SIZE>,
    pub(crate) id: SessionId,
}

impl Draws {
    /// Errors: ISO-1002.
    fn random() -> Result<Self> {
        Ok(Self {
            message: random::secret(Code::HandshakeFailed)?,
            hmac_key: random::secret(Code::HandshakeFailed)?,
            id: SessionId::from_random(random::array(Code::HandshakeFailed)?),
        })
    }
}

fn stored(done: Result<()>) -> Result<Reply> {
    done.map(|()| Reply::Stored)
}
