//! The primitives, behind one seam: the only module that names another crate's cryptography.
//!
//! Everything above works with the newtypes of this module, which zeroize on drop, do not implement
//! `Debug` and are compared in constant time.

pub(crate) mod aead;
pub(crate) mod identity;
pub(crate) mod kem;
pub(crate) mod mac;
pub mod primitives;
#[cfg(test)]
mod published_vectors;
pub(crate) mod random;
mod secret;

pub(crate) use secret::Secret;

/// Bytes of an ML-KEM-768 encapsulation key (FIPS 203, table 3).
pub const KEM_PUBLIC_KEY_SIZE: usize = 1184;
/// Bytes of an ML-KEM-768 decapsulation key (FIPS 203, table 3).
pub const KEM_SECRET_KEY_SIZE: usize = 2400;
/// Bytes of the seed that a key pair is made of: `d` and `z` of FIPS 203 §6.1.
pub(crate) const KEM_SEED_SIZE: usize = 64;
/// Bytes of the randomness that encapsulation takes: `m` of FIPS 203 §6.2.
pub(crate) const KEM_MESSAGE_SIZE: usize = 32;
/// Bytes of an ML-KEM-768 ciphertext (FIPS 203, table 3).
pub const KEM_CIPHERTEXT_SIZE: usize = 1088;
/// Bytes of an ML-KEM-768 shared secret, which is the ChaCha20-Poly1305 key.
pub const SHARED_SECRET_SIZE: usize = 32;
/// Bytes of the HMAC-SHA256 key that the server draws for each session.
pub const HMAC_KEY_SIZE: usize = 32;
/// Bytes of a request signature, an HMAC-SHA256 tag.
pub const SIGNATURE_SIZE: usize = 32;
/// Bytes of a ChaCha20-Poly1305 nonce (RFC 8439, section 2.8).
pub const NONCE_SIZE: usize = 12;
/// Bytes of a ChaCha20-Poly1305 tag (RFC 8439, section 2.8).
pub const TAG_SIZE: usize = 16;
/// Bytes of an ML-DSA-65 public key as DER `SubjectPublicKeyInfo`.
pub const IDENTITY_PUBLIC_KEY_SIZE: usize = 1974;
/// Bytes of an ML-DSA-65 secret key as DER PKCS#8 in its seed form.
pub const IDENTITY_PKCS8_SIZE: usize = 54;
/// Bytes of an ML-DSA-65 signature (FIPS 204, table 2).
pub const IDENTITY_SIGNATURE_SIZE: usize = 3309;
