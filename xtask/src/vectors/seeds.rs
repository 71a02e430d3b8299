//! Where all vectors come from: bytes that look random and are the same in every run, and one session made of them.

use std::sync::Arc;

use nen::{
    IDENTITY_SIGNATURE_SIZE, Identity, Nonce, Server, ServerOptions, Session, derandomized, primitives,
};

use super::{Made, format::Object};

/// The moment at which everything happens, in Unix milliseconds.
pub(super) const NOW: u64 = 1_763_750_000_000;

/// `N` bytes that belong to a label: HMAC-SHA256 under an all-zero key, over the label and a block number.
pub(super) fn draw<const N: usize>(label: &str) -> [u8; N] {
    let mut bytes = [0; N];
    for (number, block) in bytes.chunks_mut(32).enumerate() {
        let tag = primitives::hmac_sign(&[0; 32], format!("{label} {number}").as_bytes());
        block.iter_mut().zip(tag).for_each(|(to, from)| *to = from);
    }
    bytes
}

pub(super) fn nonce(label: &str) -> Nonce {
    Nonce::from_bytes(draw(label))
}

pub(super) fn base64(bytes: impl AsRef<[u8]>) -> String {
    primitives::base64_encode(bytes.as_ref())
}

/// A handshake, played by both sides.
pub(super) struct Played {
    pub(super) client_draws: [u8; derandomized::CLIENT_DRAWS_SIZE],
    pub(super) server_draws: [u8; derandomized::SERVER_DRAWS_SIZE],
    pub(super) body: String,
    pub(super) answer: String,
    pub(super) session: Arc<Session>,
}

impl Played {
    pub(super) fn new(label: &str, ttl_ms: u64, identity: Option<&DrawnIdentity>) -> Made<Self> {
        let (client_draws, server_draws) =
            (draw(&format!("{label} client")), draw(&format!("{label} server")));
        let public_key = *derandomized::handshake(&client_draws, None)?.public_key();
        let body = handshake_body(&public_key, identity)?;
        let server = Server::new(ServerOptions { session_ttl_ms: ttl_ms, ..ServerOptions::default() })?;
        let (session, answer) = derandomized::accept(&server, &server_draws, body.as_bytes(), NOW)?;
        let answer = String::from_utf8(answer.to_vec())?;
        Ok(Self { client_draws, server_draws, body, answer, session })
    }

    /// The handshake whose session all files use.
    pub(super) fn shared() -> Made<Self> {
        Self::new("handshake", nen::DEFAULT_SESSION_TTL_MS, None)
    }

    /// The client's half, by which a runner has the session of a client.
    pub(super) fn client_half(&self) -> Object {
        Object::default().hex("clientDraws", self.client_draws).with("answer", self.answer.as_str())
    }
}

/// The session as a runner makes it: of its record.
pub(super) fn record_of(session: &Session) -> Object {
    Object::default().with("sid", session.id().to_text()).with("record", session.to_record().as_str())
}

pub(super) fn handshake_body(public_key: &[u8], identity: Option<&DrawnIdentity>) -> Made<String> {
    let pk = base64(public_key);
    let Some(identity) = identity else { return Ok(format!(r#"{{"pk":"{pk}"}}"#)) };
    let (key, signature) = (base64(identity.spki()), base64(identity.sign(public_key, b"")?));
    Ok(format!(r#"{{"pk":"{pk}","sigPk":"{key}","sigOfPk":"{signature}"}}"#))
}

/// An ML-DSA-65 identity of a label. It signs without randomness (FIPS 204 §5.2), so that each run writes the same.
pub(super) struct DrawnIdentity {
    pub(super) pkcs8: Vec<u8>,
    identity: Identity,
    key: ml_dsa::SigningKey<ml_dsa::MlDsa65>,
}

impl DrawnIdentity {
    pub(super) fn new(label: &str) -> Made<Self> {
        use ml_dsa::pkcs8::EncodePrivateKey as _;
        let key = ml_dsa::SigningKey::from_seed(&draw::<32>(label).into());
        let pkcs8 = key.to_pkcs8_der()?.as_bytes().to_vec();
        Ok(Self { identity: Identity::from_pkcs8(&pkcs8)?, pkcs8, key })
    }

    pub(super) fn spki(&self) -> Vec<u8> {
        self.identity.public_key().as_spki().to_vec()
    }

    pub(super) fn sign(&self, message: &[u8], context: &[u8]) -> Made<[u8; IDENTITY_SIGNATURE_SIZE]> {
        let signature = self.key.expanded_key().sign_deterministic(message, context);
        Ok(signature.map_err(|_| "the context is too long")?.encode().into())
    }
}

/// `bytes` with one bit of the byte at `index` turned.
pub(super) fn flipped(bytes: impl AsRef<[u8]>, index: usize) -> Vec<u8> {
    let mut bytes = bytes.as_ref().to_vec();
    if let Some(byte) = bytes.get_mut(index) {
        *byte ^= 1;
    }
    bytes
}
