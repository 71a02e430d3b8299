//! The client's side of the protocol: the handshake, and calls that seal a request and open its answer.
//!
//! What a client does on failure, re-establishing its session, learning the server's clock, refusing a reflection, is
//! decided here; a binding only sends what it is given and does as it is told. PROTOCOL.md, "Clients fail closed".

mod call;
mod handshake;
mod lifecycle;

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicI64, Ordering},
};
use std::time::UNIX_EPOCH;

pub use call::{Call, Outcome, SealedRequest};
pub use handshake::Handshake;
pub use lifecycle::{LifecycleCall, LifecycleOutcome};

use crate::crypto::{aead::Nonce, identity::Identity};
use crate::error::{Code, Error, Result};
use crate::session::Session;
use crate::stream::DEFAULT_MAX_CHUNK;
use crate::wire::{body, canonical::Resource, headers::SignedHeaders};

/// The settings of a [`Client`].
#[derive(Clone)]
pub struct ClientOptions {
    /// The long-lived ML-DSA-65 key that signs each handshake; several clients may share it. Default: none.
    pub identity: Option<Arc<Identity>>,
    /// Whether ISO-3003 makes the client learn the server's clock from its `Date` header. Default: true.
    pub correct_clock: bool,
    /// Most bytes of one stream chunk's plaintext. Default: 8 MiB.
    pub max_chunk: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { identity: None, correct_clock: true, max_chunk: DEFAULT_MAX_CHUNK }
    }
}

/// A client: its current session, its identity, and how far its clock is from the server's. It may be shared between
/// threads; each call works with the session it was sealed with, also when a rotation happens meanwhile.
pub struct Client {
    options: ClientOptions,
    session: RwLock<Option<Arc<Session>>>,
    clock_offset_ms: AtomicI64,
}

impl Default for Client {
    fn default() -> Self {
        Self::new(ClientOptions::default())
    }
}

impl Client {
    /// A client without a session.
    pub const fn new(options: ClientOptions) -> Self {
        Self { options, session: RwLock::new(None), clock_offset_ms: AtomicI64::new(0) }
    }

    /// The current session, if there is one.
    pub fn session(&self) -> Option<Arc<Session>> {
        self.session.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts a handshake: draws a key pair and, with an identity, signs the public half. The body goes to
    /// `POST …/handshake`. Errors: ISO-1002.
    pub fn handshake(&self) -> Result<Handshake> {
        Handshake::new(self.options.identity.as_deref())
    }

    /// Completes a handshake: from here on calls use the new session. On failure the old one stays.
    ///
    /// Errors: as [`Handshake::finish`].
    pub fn establish(
        &self,
        handshake: Handshake,
        status: u16,
        body: &[u8],
        now_ms: u64,
    ) -> Result<Arc<Session>> {
        let session = Arc::new(handshake.finish(status, body, now_ms)?);
        *self.session.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Forgets the session unless another has taken its place.
    fn forget(&self, ended: &Arc<Session>) {
        let mut session = self.session.write().unwrap_or_else(PoisonError::into_inner);
        if session.as_ref().is_some_and(|current| Arc::ptr_eq(current, ended)) {
            *session = None;
        }
    }

    fn require_session(&self) -> Result<Arc<Session>> {
        self.session().ok_or(Error::new(
            Code::SessionNotInitialized,
            "no handshake has ended yet, or the session was terminated",
        ))
    }

    /// Signs a request under a fresh nonce and the server's time.
    fn start(&self, resource: Resource<'_>, now_ms: u64) -> Result<(Attempt, SignedHeaders)> {
        let (session, nonce) = (self.require_session()?, Nonce::random()?);
        let clock_offset_ms = self.clock_offset_ms.load(Ordering::Relaxed);
        let server_time = now_ms.saturating_add_signed(clock_offset_ms);
        let headers = session.signed_headers(resource, server_time, &nonce)?;
        Ok((Attempt { session, nonce, clock_offset_ms }, headers))
    }

    /// Whether a call that failed with ISO-3003 is to be repeated: once, if the server's `Date` tells another time.
    fn corrects_clock(
        &self,
        corrected: &mut bool,
        attempt: &Attempt,
        date: Option<&str>,
        now_ms: u64,
    ) -> bool {
        !std::mem::replace(corrected, true) && self.learn_clock(attempt, date, now_ms)
    }

    /// Takes the server's time from a `Date` header. Returns whether `attempt` was signed with another time, so that a
    /// second one can do better.
    fn learn_clock(&self, attempt: &Attempt, date: Option<&str>, now_ms: u64) -> bool {
        let server_time = date
            .filter(|_| self.options.correct_clock)
            .and_then(|text| httpdate::parse_http_date(text).ok())
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_millis()).ok());
        let (Some(server_time), Ok(now)) = (server_time, i64::try_from(now_ms)) else { return false };
        // The header names whole seconds; the middle of that second is the best guess.
        let offset = server_time.saturating_add(500).saturating_sub(now);
        self.clock_offset_ms.store(offset, Ordering::Relaxed);
        attempt.clock_offset_ms.abs_diff(offset) > 1_000
    }
}

/// What a request was sealed with, to open its answer: also when session or clock change meanwhile.
struct Attempt {
    session: Arc<Session>,
    nonce: Nonce,
    clock_offset_ms: i64,
}

const NOT_SEALED: Error = Error::new(Code::SessionNotInitialized, "the call was not sealed yet");

/// The error with which a server of ours refused. Bodies of 2xx answers are not searched for one.
fn refusal(status: u16, body: &[u8]) -> Option<Error> {
    let code = if is_success(status) { None } else { body::read_error(body) };
    code.map(|code| Error::new(code, "the server said so"))
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}
