//! ML-DSA-65 identities (FIPS 204): a long-lived key that signs the ephemeral key of a handshake.

use ml_dsa::{
    KeyInit, MlDsa65, Signature, SignatureEncoding, SigningKey, Verifier, VerifyingKey,
    pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey},
    signature::{
        Keypair, RandomizedSigner,
        rand_core::{TryCryptoRng, TryRng},
    },
};
use zeroize::{Zeroize, Zeroizing};

use super::{IDENTITY_PKCS8_SIZE, IDENTITY_PUBLIC_KEY_SIZE, IDENTITY_SIGNATURE_SIZE, random};
use crate::error::{Code, Error, Result};

const SEED_SIZE: usize = 32;

const BAD_SECRET_KEY: Error = Error::new(
    Code::AuthIdentitySignatureInvalid,
    "the identity's secret key is not a 54-byte PKCS#8 document of an ML-DSA-65 seed",
);
const BAD_PUBLIC_KEY: Error = Error::new(
    Code::AuthIdentitySignatureInvalid,
    "the identity's public key is not a 1974-byte SubjectPublicKeyInfo of an ML-DSA-65 key",
);

/// A client's long-lived ML-DSA-65 key pair.
pub struct Identity {
    key: SigningKey<MlDsa65>,
    public: IdentityKey,
}

impl Identity {
    /// Draws a new key pair (FIPS 204 §5.1). Errors: ISO-1002.
    pub fn generate() -> Result<Self> {
        let seed = random::secret::<SEED_SIZE>(Code::HandshakeFailed)?;
        let mut copy = (*seed.expose()).into();
        let key = SigningKey::new(&copy);
        copy.zeroize();
        Self::from_key(key)
    }

    /// Loads the secret key from DER PKCS#8 in its seed form, [`IDENTITY_PKCS8_SIZE`] bytes. Errors: ISO-3004.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self> {
        if der.len() != IDENTITY_PKCS8_SIZE {
            return Err(BAD_SECRET_KEY);
        }
        Self::from_key(SigningKey::from_pkcs8_der(der).map_err(|_| BAD_SECRET_KEY)?)
    }

    /// The secret key as DER PKCS#8 in its seed form, [`IDENTITY_PKCS8_SIZE`] bytes. Errors: ISO-9000.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>> {
        match self.key.to_pkcs8_der() {
            Ok(document) => Ok(Zeroizing::new(document.as_bytes().to_vec())),
            Err(_) => Err(Error::new(Code::Internal, "the identity's secret key could not be encoded")),
        }
    }

    /// The public key, which servers see and may allow-list.
    pub const fn public_key(&self) -> &IdentityKey {
        &self.public
    }

    /// Signs a message, which in a handshake is the encapsulation key: hedged, empty context (FIPS 204 §5.2). Whoever
    /// gets a key of theirs signed can shake hands in this name: sign nothing that somebody else chose. Errors:
    /// ISO-1002.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; IDENTITY_SIGNATURE_SIZE]> {
        let signature: Signature<MlDsa65> =
            self.key.expanded_key().try_sign_with_rng(&mut Hedge, message).map_err(|_| {
                Error::new(Code::HandshakeFailed, "the identity could not sign the handshake")
            })?;
        Ok(signature.to_bytes().into())
    }

    fn from_key(key: SigningKey<MlDsa65>) -> Result<Self> {
        let der = key
            .verifying_key()
            .to_public_key_der()
            .map_err(|_| Error::new(Code::Internal, "the identity's public key could not be encoded"))?;
        let public = IdentityKey::from_spki(der.as_bytes())?;
        Ok(Self { key, public })
    }
}

/// An ML-DSA-65 public key: who a client is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdentityKey(Box<[u8; IDENTITY_PUBLIC_KEY_SIZE]>);

impl IdentityKey {
    /// Reads a DER `SubjectPublicKeyInfo` of [`IDENTITY_PUBLIC_KEY_SIZE`] bytes. Errors: ISO-3004.
    pub fn from_spki(der: &[u8]) -> Result<Self> {
        let bytes = <&[u8; IDENTITY_PUBLIC_KEY_SIZE]>::try_from(der).map_err(|_| BAD_PUBLIC_KEY)?;
        let key = Self(Box::new(*bytes));
        key.decode()?;
        Ok(key)
    }

    /// The key as DER `SubjectPublicKeyInfo`.
    pub fn as_spki(&self) -> &[u8; IDENTITY_PUBLIC_KEY_SIZE] {
        &self.0
    }

    /// Verifies a signature of [`IDENTITY_SIGNATURE_SIZE`] bytes over a message, empty context (FIPS 204 §5.3). Errors:
    /// ISO-3004.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<()> {
        let invalid = Error::new(
            Code::AuthIdentitySignatureInvalid,
            "the signature over `pk` does not verify under `sigPk`",
        );
        let signature = Signature::<MlDsa65>::try_from(signature).map_err(|_| invalid)?;
        self.decode()?.verify(message, &signature).map_err(|_| invalid)
    }

    fn decode(&self) -> Result<VerifyingKey<MlDsa65>> {
        VerifyingKey::from_public_key_der(&*self.0).map_err(|_| BAD_PUBLIC_KEY)
    }
}

impl std::fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdentityKey(ML-DSA-65)")
    }
}

/// Our random source in the shape that hedged signing asks for.
struct Hedge;

impl TryRng for Hedge {
    type Error = Error;

    fn try_next_u32(&mut self) -> Result<u32> {
        random::array(Code::HandshakeFailed).map(u32::from_le_bytes)
    }

    fn try_next_u64(&mut self) -> Result<u64> {
        random::array(Code::HandshakeFailed).map(u64::from_le_bytes)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<()> {
        random::fill(out, Code::HandshakeFailed)
    }
}

impl TryCryptoRng for Hedge {}
