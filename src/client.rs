//! The client's side of the protocol: the handshake, and calls that seal a request and open its answer.
//!
//! What a client does on failure, re-establishing its session, learning the server's clock, refusing a reflection, is
//! decided here; a binding only sends what it is given and does as it is told. PROTOCOL.md, "Clients fail closed".

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicI64, Ordering},
};
use std::time::UNIX_EPOCH;

use crate::crypto::{KEM_PUBLIC_KEY_SIZE, aead::Nonce, identity::Identity, kem::DecapsulationKey};
use crate::error::{Code, Error, Result};
use crate::session::Session;
use crate::stream::{DEFAULT_MAX_CHUNK, StreamOpener};
use crate::wire::{
    body::{self, HandshakeAnswer, HandshakeRequest, Plaintext, SealedAnswer},
    canonical::Resource,
    headers::SignedHeaders,
    json,
};

/// The settings of a [`Client`].
pub struct ClientOptions {
    /// The long-lived ML-DSA-65 key that signs each handshake. Default: none.
    pub identity: Option<Identity>,
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
    /// `POST …/handshake`, or to `POST …/rotate` with the headers of [`Client::sign`]. Errors: ISO-1002.
    pub fn handshake(&self) -> Result<Handshake> {
        Handshake::new(self.options.identity.as_ref())
    }

    /// Completes a handshake or a rotation: from here on calls use the new session. On failure the old one stays.
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
        self.replace(Some(Arc::clone(&session)));
        Ok(session)
    }

    /// Forgets the session, after it was terminated.
    pub fn forget(&self) {
        self.replace(None);
    }

    /// Signs a request without a body, for rotate, terminate and status. Errors: ISO-2001, ISO-3002, ISO-4002.
    pub fn sign(&self, method: &str, target: &str, now_ms: u64) -> Result<SignedHeaders> {
        self.start(Resource { method, target }, now_ms).map(|(_, headers)| headers)
    }

    /// Reads the answer to `GET …/status`: does the session live? Errors: the server's own, or ISO-6001.
    pub fn read_status(&self, body: &[u8]) -> Result<bool> {
        if let Some(error) = read_error(body) {
            return Err(error);
        }
        body::read_valid(body).ok_or(Error::new(
            Code::WireInvalidPayloadFormat,
            "the status endpoint did not answer `{\"valid\":…}`",
        ))
    }

    /// Forgets the session unless another has taken its place.
    fn forget_if_current(&self, ended: &Arc<Session>) {
        let mut session = self.session.write().unwrap_or_else(PoisonError::into_inner);
        if session.as_ref().is_some_and(|current| Arc::ptr_eq(current, ended)) {
            *session = None;
        }
    }

    fn replace(&self, session: Option<Arc<Session>>) {
        *self.session.write().unwrap_or_else(PoisonError::into_inner) = session;
    }

    fn require_session(&self) -> Result<Arc<Session>> {
        self.session().ok_or(Error::new(Code::SessionNotInitialized, "no handshake was made yet"))
    }

    /// Signs a request under a fresh nonce and the server's time.
    fn start(&self, resource: Resource<'_>, now_ms: u64) -> Result<(Attempt, SignedHeaders)> {
        let (session, nonce) = (self.require_session()?, Nonce::random()?);
        let clock_offset_ms = self.clock_offset_ms.load(Ordering::Relaxed);
        let server_time = now_ms.saturating_add_signed(clock_offset_ms);
        let headers = session.signed_headers(resource, server_time, &nonce)?;
        Ok((Attempt { session, nonce, clock_offset_ms }, headers))
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

/// The client's half of a key exchange. Consumed by its answer, and with it the ephemeral secret key.
pub struct Handshake {
    key: DecapsulationKey,
    public_key: [u8; KEM_PUBLIC_KEY_SIZE],
    body: Vec<u8>,
}

impl Handshake {
    /// Draws a key pair; with an identity, signs its public half. Errors: ISO-1002.
    pub fn new(identity: Option<&Identity>) -> Result<Self> {
        let key = DecapsulationKey::generate()?;
        let public_key = key.public_key();
        let body = HandshakeRequest::write(&public_key, identity)?;
        Ok(Self { key, public_key, body })
    }

    /// The ML-KEM-768 public key.
    pub const fn public_key(&self) -> &[u8; KEM_PUBLIC_KEY_SIZE] {
        &self.public_key
    }

    /// The JSON body to POST.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Reads the server's answer and decapsulates.
    ///
    /// Errors: the server's own code if the answer is an error of the protocol; ISO-1004 for any other answer that is no
    /// handshake.
    pub fn finish(self, status: u16, body: &[u8], now_ms: u64) -> Result<Session> {
        if !is_success(status) {
            let other =
                Error::new(Code::HandshakeBadResponse, "the handshake was answered with an HTTP error");
            return Err(read_error(body).unwrap_or(other));
        }
        let HandshakeAnswer { id, ciphertext, hmac_key } = HandshakeAnswer::read(body)?;
        let shared_secret = self.key.decapsulate(&ciphertext);
        Ok(Session::new(id, shared_secret, hmac_key, (now_ms, u64::MAX), None))
    }
}

/// One logical request to a protected endpoint, over as many attempts as the protocol allows.
///
/// ```text
/// loop { request = call.seal(…)?;  send it;  match call.open(…)? { Answer → done, Repeat → continue,
///        Reestablish → handshake once for all concurrent calls, continue } }
/// ```
pub struct Call {
    method: String,
    target: String,
    attempt: Option<Attempt>,
    reestablished: bool,
    clock_corrected: bool,
}

/// A request that is ready to send.
pub struct SealedRequest {
    /// The four headers of the protocol.
    pub headers: SignedHeaders,
    /// The body, `application/json`; `None` if the request has none.
    pub body: Option<Vec<u8>>,
}

/// What an answer means for a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The opened answer, UTF-8 JSON; `None` for the answer to HEAD, which has no body.
    Answer(Option<Plaintext>),
    /// Not 2xx and not of the protocol (a proxy's 502, a redirect): to be handed over the way the HTTP client does it.
    Foreign,
    /// Seal and send once more: the session or the clock has changed since.
    Repeat,
    /// The session is gone: shake hands once for all concurrent calls, then seal and send once more.
    Reestablish,
}

impl Call {
    /// A call to `target`, the path as it travels: percent-encoded; a query is not signed.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_ascii_uppercase(),
            target: target.to_owned(),
            attempt: None,
            reestablished: false,
            clock_corrected: false,
        }
    }

    /// Seals and signs the next attempt, under the client's current session and a fresh nonce.
    ///
    /// Errors: ISO-2001 without a session, ISO-3002 if the method or target cannot be signed, ISO-4002, ISO-4003 if the
    /// body is not JSON, which the server would refuse.
    pub fn seal(&mut self, client: &Client, body: Option<&[u8]>, now_ms: u64) -> Result<SealedRequest> {
        if body.is_some_and(|body| !json::is_json(body)) {
            return Err(Error::new(Code::CryptoPayloadNotJson, "the request's body is not UTF-8 JSON"));
        }
        let resource = Resource { method: &self.method, target: &self.target };
        let (attempt, headers) = client.start(resource, now_ms)?;
        let seal = |body| body::seal_request(&attempt.session.encryption, &attempt.nonce, body);
        let body = body.map(seal).transpose()?;
        self.attempt = Some(attempt);
        Ok(SealedRequest { headers, body })
    }

    /// Reads the answer to the last attempt. `date` is its `Date` header.
    ///
    /// Errors: the server's own code; ISO-6001 for a 2xx answer that is not sealed, ISO-6002, ISO-4001, ISO-4003;
    /// ISO-5001 for our own ciphertext sent back; ISO-2001 if nothing was sealed.
    pub fn open(
        &mut self,
        client: &Client,
        status: u16,
        date: Option<&str>,
        body: &[u8],
        now_ms: u64,
    ) -> Result<Outcome> {
        let attempt = self.attempt.as_ref().ok_or(NOT_SEALED)?;
        if let Some(error) = read_error(body).filter(|_| !is_success(status)) {
            return self.on_error(client, error, date, now_ms);
        }
        if self.method == "HEAD" && body.is_empty() {
            return Ok(if is_success(status) { Outcome::Answer(None) } else { Outcome::Foreign });
        }
        let Some(answer) = SealedAnswer::read(body)? else {
            return match status {
                200..300 => Err(Error::new(
                    Code::WireInvalidPayloadFormat,
                    "the answer is not sealed: it is no `{ct, n}`",
                )),
                _ => Ok(Outcome::Foreign),
            };
        };
        if answer.nonce == attempt.nonce {
            return Err(Error::new(
                Code::ReplayNonceReused,
                "the answer carries the nonce of the request: a reflection",
            ));
        }
        let plaintext = answer.open(&attempt.session.encryption)?;
        if !json::is_json(&plaintext) {
            return Err(Error::new(Code::CryptoPayloadNotJson, "the answer's plaintext is not UTF-8 JSON"));
        }
        Ok(Outcome::Answer(Some(plaintext)))
    }

    /// Opens the stream that a 2xx answer carries. `nonce_header` is its `X-Nen-Stream-Nonce`. Errors: ISO-7001, ISO-2001.
    pub fn open_stream(&self, client: &Client, nonce_header: Option<&[u8]>) -> Result<StreamOpener> {
        let attempt = self.attempt.as_ref().ok_or(NOT_SEALED)?;
        StreamOpener::new(Arc::clone(&attempt.session), nonce_header, client.options.max_chunk)
    }

    /// Reads the answer to a stream request that is not 2xx. Errors: the server's own code, else ISO-7002; never an
    /// [`Outcome::Answer`] or [`Outcome::Foreign`].
    pub fn refuse_stream(
        &mut self,
        client: &Client,
        status: u16,
        date: Option<&str>,
        body: &[u8],
        now_ms: u64,
    ) -> Result<Outcome> {
        match read_error(body).filter(|_| !is_success(status)) {
            Some(error) => self.on_error(client, error, date, now_ms),
            None => Err(Error::new(
                Code::StreamRequestFailed,
                "the stream request was not answered with a stream",
            )),
        }
    }

    /// Whether an error of the server's is worth another attempt; once for each reason.
    fn on_error(
        &mut self,
        client: &Client,
        error: Error,
        date: Option<&str>,
        now_ms: u64,
    ) -> Result<Outcome> {
        let attempt = self.attempt.as_ref().ok_or(NOT_SEALED)?;
        match error.code() {
            Code::SessionInvalidOrExpired if !std::mem::replace(&mut self.reestablished, true) => {
                // Another call may have been faster: then its session is there to be used.
                let replaced =
                    client.session().is_some_and(|current| !Arc::ptr_eq(&current, &attempt.session));
                Ok(if replaced { Outcome::Repeat } else { Outcome::Reestablish })
            }
            Code::AuthTimestampOutOfWindow
                if !std::mem::replace(&mut self.clock_corrected, true)
                    && client.learn_clock(attempt, date, now_ms) =>
            {
                Ok(Outcome::Repeat)
            }
            _ => Err(error),
        }
    }
}

/// A signed call to rotate, terminate or ask after the session, over as many attempts as the protocol allows.
///
/// ```text
/// loop { request = call.seal(…)?;  send it;  match call.open(…)? { Done → done, Repeat → continue,
///        Reestablish → handshake, done } }
/// ```
pub struct LifecycleCall {
    action: Action,
    target: String,
    attempt: Option<(Attempt, Option<Handshake>)>,
    clock_corrected: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Rotate,
    Terminate,
    Status,
}

/// What an answer means for a [`LifecycleCall`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifecycleOutcome {
    /// It was done. For status: whether the session lives.
    Done(bool),
    /// Seal and send once more: the clock was corrected.
    Repeat,
    /// There was no session left to rotate: shake hands instead.
    Reestablish,
}

impl LifecycleCall {
    /// `POST …/rotate`: new keys for the session. On success the client uses them; on failure the old session stays.
    pub fn rotate(target: &str) -> Self {
        Self::new(Action::Rotate, target)
    }

    /// `POST …/terminate`: ends the session on the server, then here.
    pub fn terminate(target: &str) -> Self {
        Self::new(Action::Terminate, target)
    }

    /// `GET …/status`: does the session live?
    pub fn status(target: &str) -> Self {
        Self::new(Action::Status, target)
    }

    fn new(action: Action, target: &str) -> Self {
        Self { action, target: target.to_owned(), attempt: None, clock_corrected: false }
    }

    /// The HTTP method.
    pub const fn method(&self) -> &'static str {
        match self.action {
            Action::Rotate | Action::Terminate => "POST",
            Action::Status => "GET",
        }
    }

    /// Signs the next attempt. Errors: ISO-1002, ISO-2001 without a session, ISO-3002, ISO-4002.
    pub fn seal(&mut self, client: &Client, now_ms: u64) -> Result<SealedRequest> {
        let (attempt, headers) =
            client.start(Resource { method: self.method(), target: &self.target }, now_ms)?;
        let handshake = (self.action == Action::Rotate).then(|| client.handshake()).transpose()?;
        let body = handshake.as_ref().map(|handshake| handshake.body().to_vec());
        self.attempt = Some((attempt, handshake));
        Ok(SealedRequest { headers, body })
    }

    /// Reads the answer to the last attempt. `date` is its `Date` header.
    ///
    /// Errors: the server's own code; ISO-1004 for a rotation and ISO-6001 for the others if the answer is none of the
    /// protocol; ISO-2001 if nothing was sealed.
    pub fn open(
        &mut self,
        client: &Client,
        status: u16,
        date: Option<&str>,
        body: &[u8],
        now_ms: u64,
    ) -> Result<LifecycleOutcome> {
        let (attempt, handshake) = self.attempt.take().ok_or(NOT_SEALED)?;
        if let Some(error) = read_error(body).filter(|_| !is_success(status)) {
            return match error.code() {
                Code::SessionInvalidOrExpired if self.action == Action::Rotate => {
                    Ok(LifecycleOutcome::Reestablish)
                }
                Code::AuthTimestampOutOfWindow
                    if !std::mem::replace(&mut self.clock_corrected, true)
                        && client.learn_clock(&attempt, date, now_ms) =>
                {
                    Ok(LifecycleOutcome::Repeat)
                }
                _ => Err(error),
            };
        }
        let foreign =
            Error::new(Code::WireInvalidPayloadFormat, "the session endpoint answered something else");
        match (self.action, handshake) {
            (Action::Rotate, Some(handshake)) => {
                client.establish(handshake, status, body, now_ms)?;
                Ok(LifecycleOutcome::Done(true))
            }
            (Action::Terminate, _) if is_success(status) && body::read_success(body) == Some(true) => {
                client.forget_if_current(&attempt.session);
                Ok(LifecycleOutcome::Done(true))
            }
            (Action::Status, _) => body::read_valid(body).map(LifecycleOutcome::Done).ok_or(foreign),
            _ => Err(foreign),
        }
    }
}

const NOT_SEALED: Error = Error::new(Code::SessionNotInitialized, "the call was not sealed yet");

/// The error in a body of ours.
fn read_error(body: &[u8]) -> Option<Error> {
    body::read_error(body).map(|code| Error::new(code, "so the server answered"))
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}
