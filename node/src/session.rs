//! A session by itself, and handshakes from given randomness: for test vectors. No client and no server needs them.

use std::sync::Arc;

use napi::{Env, Error, Result, Status};
use napi_derive::napi;
use nen::{Plaintext, derandomized};

use crate::client::{Client, Handshake};
use crate::convert::{Bytes, SecretBytes, SecretText, moment, nonce_of};
use crate::error::thrown;
use crate::server::Server;

/// A session, of either side.
#[napi]
pub struct Session {
    pub(crate) inner: Arc<nen::Session>,
}

impl Session {
    pub(crate) fn new(session: nen::Session) -> Self {
        Self { inner: Arc::new(session) }
    }
}

#[napi]
impl Session {
    /// The current session of a client.
    #[napi(factory, catch_unwind)]
    pub fn of_client(client: &Client) -> Result<Self> {
        let none = || Error::new(Status::InvalidArg, "the client has no session");
        Ok(Self { inner: client.inner.session().ok_or_else(none)? })
    }

    /// The id.
    #[napi(getter, catch_unwind)]
    pub fn sid(&self) -> String {
        self.inner.id().to_text()
    }

    /// The client's verified identity as DER `SubjectPublicKeyInfo`, or null.
    #[napi(getter, catch_unwind)]
    pub fn identity(&self) -> Option<Bytes> {
        self.inner.identity().map(|key| Bytes(key.as_spki().to_vec()))
    }

    /// The record, in the clear.
    #[napi(catch_unwind)]
    pub fn to_record(&self) -> SecretText {
        SecretText(Plaintext::new(self.inner.to_record().as_bytes().to_vec()))
    }

    /// Signs a request. `target` is the path as it travels, percent-encoded. Errors: ISO-3002.
    #[napi(catch_unwind)]
    pub fn sign(
        &self,
        env: Env,
        method: String,
        target: String,
        timestamp_ms: f64,
        nonce: &[u8],
    ) -> Result<Bytes> {
        self.inner
            .sign(&method, &target, moment(timestamp_ms)?, &nonce_of(nonce)?)
            .map(|signature| Bytes(signature.to_vec()))
            .map_err(|error| thrown(env, error))
    }

    /// Seals under a nonce of 12 bytes, which must not have sealed anything before. Errors: ISO-4002.
    #[napi(catch_unwind)]
    pub fn seal(&self, env: Env, nonce: &[u8], plaintext: &[u8]) -> Result<Bytes> {
        self.inner.seal(&nonce_of(nonce)?, plaintext).map(Bytes).map_err(|error| thrown(env, error))
    }

    /// Opens what was sealed under this nonce. Errors: ISO-4001.
    #[napi(catch_unwind)]
    pub fn open(&self, env: Env, nonce: &[u8], sealed: &[u8]) -> Result<SecretBytes> {
        self.inner.open(&nonce_of(nonce)?, sealed).map(SecretBytes).map_err(|error| thrown(env, error))
    }
}

/// What a server makes of a handshake.
#[napi]
pub struct Accepted {
    session: Arc<nen::Session>,
    answer: Plaintext,
}

#[napi]
impl Accepted {
    /// The session.
    #[napi(getter, catch_unwind)]
    pub fn session(&self) -> Session {
        Session { inner: Arc::clone(&self.session) }
    }

    /// The JSON body of the answer.
    #[napi(getter, catch_unwind)]
    pub fn answer(&self) -> Bytes {
        Bytes(self.answer.to_vec())
    }
}

/// A client's handshake from 64 given bytes, without an identity. Errors: ISO-1002.
#[napi(catch_unwind)]
pub fn derandomized_handshake(env: Env, draws: &[u8]) -> Result<Handshake> {
    derandomized::handshake(exact(draws)?, None).map(Handshake::new).map_err(|error| thrown(env, error))
}

/// A server's half of a handshake from 80 given bytes. Errors: those of a handshake.
#[napi(catch_unwind)]
pub fn derandomized_accept(
    env: Env,
    server: &Server,
    draws: &[u8],
    body: &[u8],
    now_ms: f64,
) -> Result<Accepted> {
    derandomized::accept(&server.inner, exact(draws)?, body, moment(now_ms)?)
        .map(|(session, answer)| Accepted { session, answer })
        .map_err(|error| thrown(env, error))
}

fn exact<const N: usize>(bytes: &[u8]) -> Result<&[u8; N]> {
    bytes.try_into().map_err(|_| Error::new(Status::InvalidArg, format!("{N} bytes are needed here")))
}
