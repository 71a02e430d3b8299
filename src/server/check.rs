//! The check of a request, in the order of the specification: session header (ISO-2003), session (2002), nonce present
//! (3005), signature present (3001), signature right (3002), timestamp in the window (3003), nonce unseen (5001).

use std::sync::Arc;

use super::{Exchange, Server};
use crate::crypto::aead::Nonce;
use crate::error::{Code, Error, Result};
use crate::replay::{Claim, NonceClaim};
use crate::session::Session;
use crate::store::Store;
use crate::wire::{
    canonical::Resource,
    headers::{RequestHeaders, SessionId, parse_timestamp},
};

/// A request whose session is known by name and not yet verified.
pub struct Request<'a> {
    id: SessionId,
    headers: RequestHeaders<'a>,
    resource: Resource<'a>,
}

impl<'a> Request<'a> {
    /// Step 1: which session does the request name?
    ///
    /// `target` is the request target as it travelled: percent-encoded, not the path a framework decoded; a query is
    /// ignored. Behind a mount point or a proxy that rewrites paths it is the external one, which the client signed.
    ///
    /// Errors: ISO-2003 without a session header, ISO-2002 if it holds no session id.
    pub fn read(headers: RequestHeaders<'a>, method: &'a str, target: &'a str) -> Result<Self> {
        Ok(Self { id: headers.session_id()?, headers, resource: Resource { method, target } })
    }

    /// The session to load from the store.
    pub const fn session_id(&self) -> SessionId {
        self.id
    }
}

impl Server {
    /// Step 2: is the request authentic? `session` is what the store holds under [`Request::session_id`].
    ///
    /// Errors: ISO-2002, ISO-3005, ISO-3001 (in strict mode), ISO-3002, ISO-3003, in this order.
    pub fn verify(
        &self,
        request: &Request<'_>,
        session: Option<Arc<Session>>,
        now_ms: u64,
    ) -> Result<Verified> {
        let session = self.live(request, session, now_ms)?;
        let (nonce, nonce_text) = request.headers.nonce()?;
        let end_of_window = match request.headers.signature()? {
            Some(signature) => {
                let timestamp = request
                    .headers
                    .timestamp
                    .ok_or(Error::new(Code::AuthTimestampOutOfWindow, "no X-Nen-Timestamp header"))?;
                let Resource { method, target } = request.resource;
                session.verify(method, target, timestamp, nonce_text, &signature)?;
                self.in_window(timestamp, now_ms)?.saturating_add(self.options.window_ms)
            }
            None if self.options.strict => {
                return Err(Error::new(Code::AuthSignatureMissing, "no X-Nen-Signature header"));
            }
            None => session.expires_ms(),
        };
        // Without strict mode a signed request could come again without its signature, and nothing vouches for the
        // time of an unsigned one: every nonce counts for the whole session.
        let is_window_enough = self.options.strict && !self.options.nonces_for_session;
        let until_ms = if is_window_enough { end_of_window } else { session.expires_ms() };
        Ok(Verified { session, nonce, until_ms, max_body: self.options.max_body })
    }

    /// Steps 1 to 3 in one call: reads, verifies and claims with a synchronous store.
    ///
    /// Errors: those of [`Request::read`], [`Server::verify`] and [`Verified::admit`], and ISO-9001.
    pub fn admit(
        &self,
        store: &dyn Store,
        headers: RequestHeaders<'_>,
        method: &str,
        target: &str,
        now_ms: u64,
    ) -> Result<Exchange> {
        let request = Request::read(headers, method, target)?;
        let session = store.get(request.session_id(), now_ms)?;
        let verified = self.verify(&request, session, now_ms)?;
        let outcome = store.claim_nonce(&verified.claim(), now_ms)?;
        verified.admit(outcome)
    }

    /// The check of rotate, terminate and status: a signature that is present is verified like any other, an absent one
    /// is accepted (`None`) unless `require_signed_lifecycle` is on.
    ///
    /// Errors: as [`Server::verify`].
    pub fn verify_lifecycle(
        &self,
        request: &Request<'_>,
        session: Option<Arc<Session>>,
        now_ms: u64,
    ) -> Result<Option<Verified>> {
        if request.headers.signature.is_some() {
            return self.verify(request, session, now_ms).map(Some);
        }
        self.live(request, session, now_ms)?;
        if self.options.require_signed_lifecycle {
            return Err(Error::new(
                Code::AuthSignatureMissing,
                "this server requires signed lifecycle requests",
            ));
        }
        Ok(None)
    }

    /// The request's session, if it lives and this server would have made it. Servers of one store may ask for different
    /// identities, and a key that is taken off the list is to be refused at once. Errors: ISO-2002; ISO-9001 if the store
    /// handed out another session.
    fn live(
        &self,
        request: &Request<'_>,
        session: Option<Arc<Session>>,
        now_ms: u64,
    ) -> Result<Arc<Session>> {
        let session = session
            .filter(|session| !session.is_expired(now_ms))
            .ok_or(Error::new(Code::SessionInvalidOrExpired, "no live session under this id"))?;
        if session.id() != request.id {
            return Err(Error::new(
                Code::StoreUnavailable,
                "the store handed out a session under another id",
            ));
        }
        match self.check_identity(session.identity()) {
            Ok(()) => Ok(session),
            Err(_) => Err(Error::new(
                Code::SessionInvalidOrExpired,
                "the session lives, and its client has no identity that this server admits",
            )),
        }
    }

    /// Reads the timestamp and checks it against the clock. Errors: ISO-3003.
    fn in_window(&self, timestamp: &[u8], now_ms: u64) -> Result<u64> {
        let timestamp_ms = parse_timestamp(timestamp)?;
        if timestamp_ms.abs_diff(now_ms) > self.options.window_ms {
            return Err(Error::new(
                Code::AuthTimestampOutOfWindow,
                "X-Nen-Timestamp is too far from the clock",
            ));
        }
        Ok(timestamp_ms)
    }
}

/// A request that is authentic. It must still claim its nonce.
pub struct Verified {
    session: Arc<Session>,
    nonce: Nonce,
    until_ms: u64,
    max_body: usize,
}

impl Verified {
    /// What to claim in the store, in one atomic step.
    pub fn claim(&self) -> NonceClaim {
        NonceClaim { session: self.session.id(), nonce: self.nonce, until_ms: self.until_ms }
    }

    /// Step 3: lets the request in if its nonce was unseen. Errors: ISO-5001, ISO-5002.
    pub fn admit(self, outcome: Claim) -> Result<Exchange> {
        match outcome {
            Claim::Fresh => Ok(Exchange::new(self.session, self.nonce, self.max_body)),
            Claim::Replay => {
                Err(Error::new(Code::ReplayNonceReused, "the nonce was used before under this session"))
            }
            Claim::Full => Err(Error::new(Code::ReplayCacheFull, "no more nonces can be remembered")),
        }
    }
}
