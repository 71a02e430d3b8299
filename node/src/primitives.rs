//! The primitives one by one, under the names of the WebAssembly module that they stand in for.

use napi::{Env, Result};
use napi_derive::napi;
use nen::{Nonce, Plaintext, primitives};

use crate::convert::{Bytes, SecretBytes, SecretText};
use crate::error::{misuse, thrown};

/// A key pair: of ML-KEM-768 as FIPS 203 writes it, of ML-DSA-65 as DER.
#[napi(object, object_from_js = false)]
pub struct KeyPair {
    /// The public key.
    pub public_key: Bytes,
    /// The secret key.
    pub secret_key: SecretBytes,
}

/// A shared secret, and the ciphertext that its other holder recovers it from.
#[napi(object, object_from_js = false)]
pub struct Encapsulated {
    /// The shared secret.
    pub shared_secret: SecretBytes,
    /// The ciphertext.
    pub ciphertext: Bytes,
}

/// Draws an ML-KEM-768 key pair. Errors: ISO-1002.
#[napi(catch_unwind)]
pub fn kem_generate(env: Env) -> Result<KeyPair> {
    let keys = primitives::kem_generate().map_err(|error| thrown(env, error))?;
    Ok(KeyPair { public_key: Bytes(keys.public_key.to_vec()), secret_key: SecretBytes(keys.secret_key) })
}

/// Draws a shared secret for the holder of a public key. Errors: ISO-1001, ISO-1002.
#[napi(catch_unwind)]
pub fn kem_encapsulate(env: Env, public_key: &[u8]) -> Result<Encapsulated> {
    let made = primitives::kem_encapsulate(sized(env, "public_key", public_key)?)
        .map_err(|error| thrown(env, error))?;
    Ok(Encapsulated {
        shared_secret: SecretBytes(made.shared_secret),
        ciphertext: Bytes(made.ciphertext.to_vec()),
    })
}

/// Recovers a shared secret. Errors: ISO-1002.
#[napi(catch_unwind)]
pub fn kem_decapsulate(env: Env, secret_key: &[u8], ciphertext: &[u8]) -> Result<SecretBytes> {
    let (secret_key, ciphertext) =
        (sized(env, "secret_key", secret_key)?, sized(env, "ciphertext", ciphertext)?);
    primitives::kem_decapsulate(secret_key, ciphertext).map(SecretBytes).map_err(|error| thrown(env, error))
}

/// A random nonce of 12 bytes. Errors: ISO-4002.
#[napi(catch_unwind)]
pub fn random_nonce(env: Env) -> Result<Bytes> {
    Nonce::random().map(|nonce| Bytes(nonce.as_bytes().to_vec())).map_err(|error| thrown(env, error))
}

/// Seals with ChaCha20-Poly1305. Errors: ISO-4002.
#[napi(catch_unwind)]
pub fn aead_seal(env: Env, key: &[u8], nonce: &[u8], plaintext: &[u8]) -> Result<Bytes> {
    let (key, nonce) = (sized(env, "key", key)?, Nonce::from_bytes(*sized(env, "nonce", nonce)?));
    primitives::aead_seal(key, &nonce, plaintext).map(Bytes).map_err(|error| thrown(env, error))
}

/// Opens what `aeadSeal` made. Errors: ISO-4001.
#[napi(catch_unwind)]
pub fn aead_open(env: Env, key: &[u8], nonce: &[u8], ciphertext: &[u8]) -> Result<SecretBytes> {
    let (key, nonce) = (sized(env, "key", key)?, Nonce::from_bytes(*sized(env, "nonce", nonce)?));
    primitives::aead_open(key, &nonce, ciphertext).map(SecretBytes).map_err(|error| thrown(env, error))
}

/// The HMAC-SHA256 tag over a message.
#[napi(catch_unwind)]
pub fn hmac_sign(env: Env, key: &[u8], message: &[u8]) -> Result<Bytes> {
    Ok(Bytes(primitives::hmac_sign(sized(env, "key", key)?, message).to_vec()))
}

/// Whether a tag is that of the message.
#[napi(catch_unwind)]
pub fn hmac_verify(env: Env, key: &[u8], message: &[u8], signature: &[u8]) -> Result<bool> {
    Ok(primitives::hmac_verify(sized(env, "key", key)?, message, signature))
}

/// Draws an ML-DSA-65 key pair: `SubjectPublicKeyInfo` and PKCS#8. Errors: ISO-1002.
#[napi(catch_unwind)]
pub fn dsa_generate(env: Env) -> Result<KeyPair> {
    let identity = nen::Identity::generate().map_err(|error| thrown(env, error))?;
    let secret_key = identity.to_pkcs8().map_err(|error| thrown(env, error))?;
    let public_key = Bytes(identity.public_key().as_spki().to_vec());
    Ok(KeyPair { public_key, secret_key: SecretBytes(secret_key) })
}

/// Signs a message. Errors: ISO-3004, ISO-1002.
#[napi(catch_unwind)]
pub fn dsa_sign(env: Env, secret_key: &[u8], message: &[u8]) -> Result<Bytes> {
    let signature = primitives::dsa_sign(secret_key, message).map_err(|error| thrown(env, error))?;
    Ok(Bytes(signature.to_vec()))
}

/// Whether a signature is over this message. Errors: ISO-3004.
#[napi(catch_unwind)]
pub fn dsa_verify(env: Env, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<bool> {
    primitives::dsa_verify(public_key, message, signature).map_err(|error| thrown(env, error))
}

/// Bytes as standard, padded base64.
#[napi(catch_unwind)]
pub fn base64_encode(bytes: &[u8]) -> SecretText {
    SecretText(Plaintext::new(primitives::base64_encode(bytes).into_bytes()))
}

/// Decodes standard, padded base64. Errors: ISO-6002.
#[napi(catch_unwind)]
pub fn base64_decode(env: Env, text: String) -> Result<SecretBytes> {
    primitives::base64_decode(&text).map(SecretBytes).map_err(|error| thrown(env, error))
}

fn sized<'a, const N: usize>(env: Env, name: &str, bytes: &'a [u8]) -> Result<&'a [u8; N]> {
    bytes.try_into().map_err(|_| misuse(env, format!("{name} must be {N} bytes, not {}", bytes.len())))
}
