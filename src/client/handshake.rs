//! The client's half of the key exchange.

use super::{is_success, refusal};
use crate::crypto::{KEM_PUBLIC_KEY_SIZE, identity::Identity, kem::DecapsulationKey};
use crate::error::{Code, Error, Result};
use crate::session::Session;
use crate::wire::body::{HandshakeAnswer, HandshakeRequest};

/// The client's half of a key exchange. Consumed by its answer, and with it the ephemeral secret key.
pub struct Handshake {
    key: DecapsulationKey,
    public_key: [u8; KEM_PUBLIC_KEY_SIZE],
    body: Vec<u8>,
}

impl Handshake {
    /// Draws a key pair; with an identity, signs its public half. Errors: ISO-1002.
    pub fn new(identity: Option<&Identity>) -> Result<Self> {
        Self::of(DecapsulationKey::generate()?, identity)
    }

    pub(crate) fn of(key: DecapsulationKey, identity: Option<&Identity>) -> Result<Self> {
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
    /// Errors: the server's own code if the answer is an error of the protocol; ISO-1004 for any other answer that is
    /// no handshake.
    pub fn finish(self, status: u16, body: &[u8], now_ms: u64) -> Result<Session> {
        if !is_success(status) {
            let other = Error::new(
                Code::HandshakeBadResponse,
                "an HTTP error came back: is there a Nen server under this URL and prefix?",
            );
            return Err(refusal(status, body).unwrap_or(other));
        }
        let HandshakeAnswer { id, ciphertext, hmac_key } = HandshakeAnswer::read(body)?;
        let shared_secret = self.key.decapsulate(&ciphertext);
        Ok(Session::new(id, shared_secret, hmac_key, (now_ms, u64::MAX), None))
    }
}
