//! HMAC-SHA256 (FIPS 198-1).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{HMAC_KEY_SIZE, SIGNATURE_SIZE, Secret};

/// The signing key of a session, with the state after its first block kept, so that a signature costs the
/// message's blocks only.
pub(crate) struct MacKey {
    key: Secret<HMAC_KEY_SIZE>,
    keyed: Box<Hmac<Sha256>>,
}

impl MacKey {
    pub(crate) fn new(key: Secret<HMAC_KEY_SIZE>) -> Self {
        // `Hmac::new` takes a whole 64-byte block; a shorter key is padded with zeros (FIPS 198-1, step 3).
        let mut block = Secret::<64>::zeroed();
        for (to, from) in block.expose_mut().iter_mut().zip(key.expose()) {
            *to = *from;
        }
        let keyed = Box::new(Hmac::new(block.expose().into()));
        Self { key, keyed }
    }

    pub(crate) fn expose(&self) -> &[u8; HMAC_KEY_SIZE] {
        self.key.expose()
    }

    /// The tag over the concatenated `parts`.
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; SIGNATURE_SIZE] {
        self.over(parts).finalize().into_bytes().into()
    }

    /// Whether `tag` is the tag over `parts`, compared in constant time.
    #[must_use]
    pub(crate) fn verify(&self, parts: &[&[u8]], tag: &[u8; SIGNATURE_SIZE]) -> bool {
        self.over(parts).verify(tag.into()).is_ok()
    }

    fn over(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::clone(&self.keyed);
        for part in parts {
            mac.update(part);
        }
        mac
    }
}
