//! A request that was let in: its body, and its sealed answer.

use std::{fmt, sync::Arc};

use zeroize::Zeroize;

use crate::crypto::aead::Nonce;
use crate::error::{Code, Error, Result};
use crate::session::Session;
use crate::stream::StreamSealer;
use crate::wire::{
    body::{self, Plaintext},
    json,
};

/// An admitted request and the answer to come: the proof that verification and the nonce claim passed.
pub struct Exchange {
    session: Arc<Session>,
    nonce: Nonce,
    max_body: usize,
}

impl Exchange {
    pub(super) fn new(session: Arc<Session>, nonce: Nonce, max_body: usize) -> Self {
        Self { session, nonce, max_body }
    }

    /// The session of the request, and with it the client's verified identity.
    pub const fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Most bytes of a body that [`Exchange::open`] takes; a caller stops reading beyond them.
    pub const fn max_body(&self) -> usize {
        self.max_body
    }

    /// Opens the request's body to UTF-8 JSON. An empty body is no body.
    ///
    /// Errors: ISO-6001 (over the limit, or no object with a string `ct`), ISO-6002, ISO-4001, ISO-4003.
    pub fn open(&self, body: &[u8]) -> Result<Option<Plaintext>> {
        if body.is_empty() {
            return Ok(None);
        }
        if body.len() > self.max_body {
            return Err(self.too_long());
        }
        let plaintext = body::open_request(&self.session.encryption, &self.nonce, body)?;
        if !json::is_json(&plaintext) {
            return Err(Error::new(Code::CryptoPayloadNotJson, "the request's plaintext is not UTF-8 JSON"));
        }
        Ok(Some(plaintext))
    }

    /// ISO-6001, for a caller that stopped reading a body beyond [`Exchange::max_body`].
    pub const fn too_long(&self) -> Error {
        Error::new(Code::WireInvalidPayloadFormat, "the request's body is over the size limit")
    }

    /// Seals an answer's JSON under a fresh nonce and keeps its status.
    ///
    /// A success that forbids a body (204, 205) becomes 200 with a sealed `null`: a client takes no 2xx answer on trust
    /// that is not sealed. Errors: ISO-4002; ISO-9000 for any other status that forbids a body (1xx, 304) or is none.
    pub fn seal(&self, status: u16, json: &[u8]) -> Result<Answer> {
        let (status, json) = match status {
            204 | 205 => (200, &b"null"[..]),
            304 | ..200 | 600.. => {
                return Err(Error::new(Code::Internal, "the handler's status cannot carry a sealed body"));
            }
            _ => (status, json),
        };
        let body = body::seal_answer(&self.session.encryption, &Nonce::random()?, json)?;
        Ok(Answer { status, body, secret: false })
    }

    /// Starts a sealed stream as the answer. Errors: ISO-4002.
    pub fn stream(&self) -> Result<StreamSealer> {
        StreamSealer::new(Arc::clone(&self.session))
    }
}

/// What to send: a status and a JSON body. HEAD is answered with the same headers, `Content-Length` among them, and no
/// body.
#[derive(PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, `application/json`.
    pub body: Vec<u8>,
    /// Whether the body holds a key, which the answer to a handshake does.
    secret: bool,
}

impl Answer {
    /// The plain answer to a failure: `{"error":{"code","message"}}` and nothing of its cause.
    pub fn error(error: &Error) -> Self {
        Self { status: error.code().http_status(), body: body::write_error(error), secret: false }
    }

    pub(super) fn plain(status: u16, body: &[u8]) -> Self {
        Self { status, body: body.to_vec(), secret: false }
    }

    pub(super) fn of_handshake(body: &Plaintext) -> Self {
        Self { status: 200, body: body.to_vec(), secret: true }
    }

    /// The body, for a caller who then has to wipe it: the answer to a handshake holds a key.
    pub fn into_body(mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.secret {
            self.body.zeroize();
        }
    }
}

/// The body of an answer to a handshake is not to be printed.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}
