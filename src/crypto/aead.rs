//! ChaCha20-Poly1305 (RFC 8439) with empty associated data, in place.

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Tag};

use super::{NONCE_SIZE, SHARED_SECRET_SIZE, Secret, TAG_SIZE, random};
use crate::error::{Code, Error, Result};

/// A 12-byte nonce. One is never used twice under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce([u8; NONCE_SIZE]);

impl Nonce {
    /// A fresh random nonce. Errors: ISO-4002.
    pub fn random() -> Result<Self> {
        random::array(Code::CryptoEncryptFailed).map(Self)
    }

    /// The nonce with these bytes.
    pub const fn from_bytes(bytes: [u8; NONCE_SIZE]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; NONCE_SIZE] {
        &self.0
    }
}

/// The key of a session, the same in both directions.
pub(crate) struct AeadKey(Secret<SHARED_SECRET_SIZE>);

impl AeadKey {
    pub(crate) fn new(shared_secret: Secret<SHARED_SECRET_SIZE>) -> Self {
        Self(shared_secret)
    }

    pub(crate) fn expose(&self) -> &[u8; SHARED_SECRET_SIZE] {
        self.0.expose()
    }

    /// Seals `data`, whose last [`TAG_SIZE`] bytes are room for the tag: the plaintext before them becomes
    /// ciphertext. Errors: ISO-4002.
    pub(crate) fn seal_in_place(&self, nonce: &Nonce, data: &mut [u8]) -> Result<()> {
        let failed = Error::new(Code::CryptoEncryptFailed, "the payload is too long for one message");
        let (text, room) = data.split_last_chunk_mut::<TAG_SIZE>().ok_or(failed)?;
        let tag =
            self.cipher().encrypt_inout_detached(&nonce.0.into(), b"", text.into()).map_err(|_| failed)?;
        *room = tag.into();
        Ok(())
    }

    /// Opens ciphertext and appended tag in place and returns the plaintext's length. Nothing of the
    /// plaintext is released when the tag does not verify. Errors: ISO-4001, one for every cause.
    pub(crate) fn open_in_place(&self, nonce: &Nonce, data: &mut [u8]) -> Result<usize> {
        let failed = Error::new(Code::CryptoDecryptFailed, "the authentication tag does not verify");
        let (text, tag) = data.split_last_chunk_mut::<TAG_SIZE>().ok_or(failed)?;
        let length = text.len();
        self.cipher()
            .decrypt_inout_detached(&nonce.0.into(), b"", text.into(), &Tag::from(*tag))
            .map_err(|_| failed)?;
        Ok(length)
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(self.0.expose().into())
    }
}
