//! A session: the keys two endpoints share, and what they do with them.
//!
//! It does not know which handshake made it: that of NEN-PROTOCOL-V2 is one way to fill it.

use zeroize::Zeroizing;

use crate::crypto::{
    HMAC_KEY_SIZE, SHARED_SECRET_SIZE, SIGNATURE_SIZE, Secret, TAG_SIZE,
    aead::{AeadKey, Nonce},
    identity::IdentityKey,
    mac::MacKey,
};
use crate::error::{Code, Error, Result};
use crate::wire::{
    base64,
    body::Plaintext,
    canonical::{Canonical, Resource},
    headers::{SessionId, SignedHeaders},
};

/// How long a session lives unless a server says otherwise: one hour, in milliseconds.
pub const DEFAULT_SESSION_TTL_MS: u64 = 3_600_000;

/// The keys of a session and what is known about it. Shared by reference; the keys are wiped with the last one.
pub struct Session {
    id: SessionId,
    pub(crate) encryption: AeadKey,
    pub(crate) mac: MacKey,
    created_ms: u64,
    expires_ms: u64,
    identity: Option<IdentityKey>,
}

impl Session {
    pub(crate) fn new(
        id: SessionId,
        shared_secret: Secret<SHARED_SECRET_SIZE>,
        hmac_key: Secret<HMAC_KEY_SIZE>,
        (created_ms, expires_ms): (u64, u64),
        identity: Option<IdentityKey>,
    ) -> Self {
        Self {
            id,
            encryption: AeadKey::new(shared_secret),
            mac: MacKey::new(hmac_key),
            created_ms,
            expires_ms,
            identity,
        }
    }

    /// The id under which the server knows the session.
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// When the session was made, in Unix milliseconds.
    pub const fn created_ms(&self) -> u64 {
        self.created_ms
    }

    /// When the session ends, in Unix milliseconds. A client does not know it: there it is `u64::MAX`.
    pub const fn expires_ms(&self) -> u64 {
        self.expires_ms
    }

    /// The same session with another end, in Unix milliseconds.
    #[must_use]
    pub const fn with_end(mut self, expires_ms: u64) -> Self {
        self.expires_ms = expires_ms;
        self
    }

    /// Whether the session has ended at `now_ms`.
    pub const fn is_expired(&self, now_ms: u64) -> bool {
        now_ms >= self.expires_ms
    }

    /// The ML-DSA-65 key that signed the session's handshake, if one did.
    ///
    /// The signature covers the ephemeral key and no time. Whoever recorded the handshake can send it again, and who
    /// reads the answer can sign requests without a body. That the holder of the identity is there, a body that opens
    /// shows.
    pub const fn identity(&self) -> Option<&IdentityKey> {
        self.identity.as_ref()
    }

    /// Seals `plaintext` under `nonce`: ciphertext with the tag appended (RFC 8439 §2.8, empty associated data).
    /// A nonce must never serve twice. Errors: ISO-4002.
    pub fn seal(&self, nonce: &Nonce, plaintext: &[u8]) -> Result<Vec<u8>> {
        let mut data = Vec::with_capacity(plaintext.len().saturating_add(TAG_SIZE));
        data.extend_from_slice(plaintext);
        data.extend_from_slice(&[0; TAG_SIZE]);
        self.encryption.seal_in_place(nonce, &mut data)?;
        Ok(data)
    }

    /// Opens what [`Session::seal`] made. Errors: ISO-4001.
    pub fn open(&self, nonce: &Nonce, ciphertext: &[u8]) -> Result<Plaintext> {
        let mut data = Zeroizing::new(ciphertext.to_vec());
        let length = self.encryption.open_in_place(nonce, &mut data)?;
        data.truncate(length);
        Ok(data)
    }

    /// Signs a request: HMAC-SHA256 over the canonical string. `target` is the path as it travels, percent-encoded; a
    /// query is left out. Errors: ISO-3002 if method or target cannot stand in a request line.
    pub fn sign(
        &self,
        method: &str,
        target: &str,
        timestamp_ms: u64,
        nonce: &Nonce,
    ) -> Result<[u8; SIGNATURE_SIZE]> {
        let (timestamp, nonce) = (timestamp_ms.to_string(), base64::encode(nonce.as_bytes()));
        self.sign_texts(Resource { method, target }, &timestamp, &nonce)
    }

    /// Verifies the signature of a request, in constant time. Timestamp and nonce are taken as the header texts that
    /// were received. Errors: ISO-3002.
    pub fn verify(
        &self,
        method: &str,
        target: &str,
        timestamp: &[u8],
        nonce: &[u8],
        signature: &[u8; SIGNATURE_SIZE],
    ) -> Result<()> {
        let canonical = canonical(Resource { method, target }, timestamp, nonce)?;
        if self.mac.verify(&canonical.parts(), signature) {
            Ok(())
        } else {
            Err(Error::new(
                Code::AuthSignatureInvalid,
                "the HMAC does not match method, path, timestamp and nonce",
            ))
        }
    }

    /// The header values of a request signed at `timestamp_ms` under `nonce`. Errors: ISO-3002.
    pub(crate) fn signed_headers(
        &self,
        resource: Resource<'_>,
        timestamp_ms: u64,
        nonce: &Nonce,
    ) -> Result<SignedHeaders> {
        let (timestamp, nonce) = (timestamp_ms.to_string(), base64::encode(nonce.as_bytes()));
        let signature = base64::encode(&self.sign_texts(resource, &timestamp, &nonce)?);
        Ok(SignedHeaders { session: self.id.to_text(), timestamp, nonce, signature })
    }

    fn sign_texts(
        &self,
        resource: Resource<'_>,
        timestamp: &str,
        nonce: &str,
    ) -> Result<[u8; SIGNATURE_SIZE]> {
        let canonical = canonical(resource, timestamp.as_bytes(), nonce.as_bytes())?;
        Ok(self.mac.sign(&canonical.parts()))
    }
}

fn canonical<'a>(resource: Resource<'a>, timestamp: &'a [u8], nonce: &'a [u8]) -> Result<Canonical<'a>> {
    let unsignable = Error::new(Code::AuthSignatureInvalid, "method or path cannot stand in a request line");
    Canonical::new(resource, timestamp, nonce).ok_or(unsignable)
}

#[cfg(test)]
pub(crate) mod test {
    use super::*;

    pub(crate) const ID: &str = "3f2b8c1e-4d5a-4b6c-8d7e-9f0a1b2c3d4e";

    /// A session with fixed keys that lives from 0 to `expires_ms`.
    pub(crate) fn session(expires_ms: u64) -> Session {
        let id = SessionId::parse(ID.as_bytes()).unwrap();
        Session::new(id, Secret::take(&mut [1; 32]), Secret::take(&mut [2; 32]), (0, expires_ms), None)
    }
}

#[cfg(test)]
mod tests {
    use super::{test::session, *};

    #[test]
    fn every_part_of_the_canonical_string_is_signed() {
        let session = session(10);
        let nonce = base64::encode(&[5; 12]);
        let signature = session.sign("POST", "/a", 17, &Nonce::from_bytes([5; 12])).unwrap();
        let verify = |method, path, timestamp: &str, nonce: &str| {
            session.verify(method, path, timestamp.as_bytes(), nonce.as_bytes(), &signature).is_ok()
        };
        assert!(verify("POST", "/a", "17", &nonce));
        assert!(!verify("PUT", "/a", "17", &nonce));
        assert!(!verify("POST", "/b", "17", &nonce));
        assert!(!verify("POST", "/a", "18", &nonce));
        assert!(!verify("POST", "/a", "17", &base64::encode(&[6; 12])));
        assert!(!verify("POST", "/a\n17", "", &nonce));
    }
}
