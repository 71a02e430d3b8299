//! ML-KEM-768 (FIPS 203).

#[allow(deprecated)] // in favour of the seed, which few others take
use ml_kem::ExpandedKeyEncoding;
use ml_kem::{
    B32, Ciphertext, Decapsulate, EncapsulationKey, Key, KeyExport, MlKem768, Seed, array::Array,
    ml_kem_768::DecapsulationKey as Dk,
};
use zeroize::Zeroize;

use super::{
    KEM_CIPHERTEXT_SIZE, KEM_MESSAGE_SIZE, KEM_PUBLIC_KEY_SIZE, KEM_SECRET_KEY_SIZE, KEM_SEED_SIZE,
    SHARED_SECRET_SIZE, Secret, random,
};
use crate::error::{Code, Error, Result};
use crate::wire::body::Plaintext;

/// The secret half of a key pair. It serves one handshake and is consumed by it.
pub(crate) struct DecapsulationKey(Box<Dk>);

impl DecapsulationKey {
    /// Draws a key pair (FIPS 203 §7.1). Errors: ISO-1002.
    pub(crate) fn generate() -> Result<Self> {
        Ok(Self::from_seed(&random::secret(Code::HandshakeFailed)?))
    }

    /// The key pair of a seed (FIPS 203 §6.1).
    pub(crate) fn from_seed(seed: &Secret<KEM_SEED_SIZE>) -> Self {
        let mut copy = Seed::from(*seed.expose());
        let key = Self(Box::new(Dk::from_seed(copy)));
        copy.zeroize();
        key
    }

    /// The public half, as it travels.
    pub(crate) fn public_key(&self) -> [u8; KEM_PUBLIC_KEY_SIZE] {
        self.0.encapsulation_key().to_bytes().into()
    }

    /// The key as FIPS 203 §7.1 writes it: what other libraries read and write.
    #[allow(deprecated)]
    pub(crate) fn to_bytes(&self) -> Plaintext {
        let mut bytes = self.0.to_expanded_bytes();
        let copy = Plaintext::new(bytes.to_vec());
        bytes.zeroize();
        copy
    }

    /// Reads what [`DecapsulationKey::to_bytes`] wrote. Errors: ISO-1002 if the hash check of FIPS 203 §7.3 fails.
    #[allow(deprecated)]
    pub(crate) fn from_bytes(bytes: &[u8; KEM_SECRET_KEY_SIZE]) -> Result<Self> {
        let mut copy = Array::from(*bytes);
        let key = Dk::from_expanded_bytes(&copy);
        copy.zeroize();
        let failed =
            Error::new(Code::HandshakeFailed, "the secret key is no ML-KEM-768 key: the hash check failed");
        Ok(Self(Box::new(key.map_err(|_| failed)?)))
    }

    /// Recovers the shared secret and wipes the key (FIPS 203 §7.3). A ciphertext that was made for another
    /// key gives an unrelated secret, not an error: implicit rejection.
    pub(crate) fn decapsulate(self, ciphertext: &[u8; KEM_CIPHERTEXT_SIZE]) -> Secret<SHARED_SECRET_SIZE> {
        let mut shared = self.0.decapsulate(&Ciphertext::<MlKem768>::from(*ciphertext));
        Secret::take(shared.as_mut())
    }
}

/// What encapsulating under a public key gives.
pub(crate) struct Encapsulated {
    pub(crate) ciphertext: [u8; KEM_CIPHERTEXT_SIZE],
    pub(crate) shared_secret: Secret<SHARED_SECRET_SIZE>,
}

/// A shared secret for the holder of `public_key`, made of a random message (FIPS 203 §6.2, §7.2).
///
/// Errors: ISO-1001 if the key does not pass the modulus check.
pub(crate) fn encapsulate(
    public_key: &[u8; KEM_PUBLIC_KEY_SIZE],
    message: &Secret<KEM_MESSAGE_SIZE>,
) -> Result<Encapsulated> {
    let key = EncapsulationKey::<MlKem768>::new(&Key::<EncapsulationKey<MlKem768>>::from(*public_key))
        .map_err(|_| {
            Error::new(Code::HandshakeMissingPublicKey, "`pk` is no ML-KEM-768 key: the modulus check failed")
        })?;
    let mut copy = B32::from(*message.expose());
    let (ciphertext, mut shared) = key.encapsulate_deterministic(&copy);
    copy.zeroize();
    Ok(Encapsulated { ciphertext: ciphertext.into(), shared_secret: Secret::take(shared.as_mut()) })
}
