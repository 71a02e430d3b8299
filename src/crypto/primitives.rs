//! The primitives one by one, over plain bytes: for programs that build on them without the protocol. Whoever speaks the
//! protocol needs none of them.
//!
//! What is secret is wiped when it is dropped, and no error tells more than the protocol would. Nothing here remembers
//! anything: that a nonce is never used twice under a key is the caller's to see to.

use super::{
    HMAC_KEY_SIZE, IDENTITY_SIGNATURE_SIZE, KEM_CIPHERTEXT_SIZE, KEM_PUBLIC_KEY_SIZE, KEM_SECRET_KEY_SIZE,
    SHARED_SECRET_SIZE, SIGNATURE_SIZE, Secret, TAG_SIZE,
    aead::{AeadKey, Nonce},
    identity::{Identity, IdentityKey},
    kem::{self, DecapsulationKey},
    mac::MacKey,
    random,
};
use crate::error::{Code, Error, Result};
use crate::wire::{base64, body::Plaintext};

/// An ML-KEM-768 key pair.
pub struct KemKeyPair {
    /// The encapsulation key (FIPS 203 §7.1).
    pub public_key: [u8; KEM_PUBLIC_KEY_SIZE],
    /// The decapsulation key, [`KEM_SECRET_KEY_SIZE`] bytes, as FIPS 203 §7.1 writes it.
    pub secret_key: Plaintext,
}

/// A shared secret, and what its other holder needs to recover it.
pub struct KemSecret {
    /// The shared secret, [`SHARED_SECRET_SIZE`] bytes.
    pub shared_secret: Plaintext,
    /// The ciphertext.
    pub ciphertext: [u8; KEM_CIPHERTEXT_SIZE],
}

/// Draws an ML-KEM-768 key pair (FIPS 203 §7.1). Errors: ISO-1002.
pub fn kem_generate() -> Result<KemKeyPair> {
    let key = DecapsulationKey::generate()?;
    Ok(KemKeyPair { public_key: key.public_key(), secret_key: key.to_bytes() })
}

/// Draws a shared secret for the holder of a public key (FIPS 203 §7.2). Errors: ISO-1001 if the key does not pass the
/// modulus check, ISO-1002.
pub fn kem_encapsulate(public_key: &[u8; KEM_PUBLIC_KEY_SIZE]) -> Result<KemSecret> {
    let kem::Encapsulated { ciphertext, shared_secret } =
        kem::encapsulate(public_key, &random::secret(Code::HandshakeFailed)?)?;
    Ok(KemSecret { shared_secret: shared_secret.expose().to_vec().into(), ciphertext })
}

/// Recovers a shared secret (FIPS 203 §7.3). A ciphertext that was made for another key gives an unrelated secret.
/// Errors: ISO-1002 if the key does not pass the hash check.
pub fn kem_decapsulate(
    secret_key: &[u8; KEM_SECRET_KEY_SIZE],
    ciphertext: &[u8; KEM_CIPHERTEXT_SIZE],
) -> Result<Plaintext> {
    let shared_secret = DecapsulationKey::from_bytes(secret_key)?.decapsulate(ciphertext);
    Ok(shared_secret.expose().to_vec().into())
}

/// Seals with ChaCha20-Poly1305 and empty associated data (RFC 8439 §2.8): the ciphertext and the appended tag. Errors:
/// ISO-4002.
pub fn aead_seal(key: &[u8; SHARED_SECRET_SIZE], nonce: &Nonce, plaintext: &[u8]) -> Result<Vec<u8>> {
    // One allocation: one that grew would leave the plaintext behind at its old place.
    let mut data = Vec::with_capacity(plaintext.len().saturating_add(TAG_SIZE));
    data.extend_from_slice(plaintext);
    data.extend_from_slice(&[0; TAG_SIZE]);
    aead_key(key).seal_in_place(nonce, &mut data)?;
    Ok(data)
}

/// Opens what [`aead_seal`] made. Errors: ISO-4001, one for every cause.
pub fn aead_open(key: &[u8; SHARED_SECRET_SIZE], nonce: &Nonce, ciphertext: &[u8]) -> Result<Plaintext> {
    let mut data = Plaintext::new(ciphertext.to_vec());
    let length = aead_key(key).open_in_place(nonce, &mut data)?;
    data.truncate(length);
    Ok(data)
}

/// The HMAC-SHA256 tag over a message (FIPS 198-1).
pub fn hmac_sign(key: &[u8; HMAC_KEY_SIZE], message: &[u8]) -> [u8; SIGNATURE_SIZE] {
    mac_key(key).sign(&[message])
}

/// Whether a tag is that of the message, compared in constant time.
#[must_use]
pub fn hmac_verify(key: &[u8; HMAC_KEY_SIZE], message: &[u8], tag: &[u8]) -> bool {
    tag.try_into().is_ok_and(|tag| mac_key(key).verify(&[message], tag))
}

/// Signs with an ML-DSA-65 key in DER PKCS#8, as [`Identity::sign`] does. Errors: ISO-3004 if the key is none, ISO-1002.
pub fn dsa_sign(pkcs8: &[u8], message: &[u8]) -> Result<[u8; IDENTITY_SIGNATURE_SIZE]> {
    Identity::from_pkcs8(pkcs8)?.sign(message)
}

/// Whether a signature of an ML-DSA-65 key, DER `SubjectPublicKeyInfo`, is over this message. Errors: ISO-3004 if the key
/// is none.
pub fn dsa_verify(spki: &[u8], message: &[u8], signature: &[u8]) -> Result<bool> {
    Ok(IdentityKey::from_spki(spki)?.verify(message, signature).is_ok())
}

/// Base64 as the protocol writes it: standard alphabet, padded (RFC 4648 §4).
pub fn base64_encode(bytes: &[u8]) -> String {
    base64::encode(bytes)
}

/// Decodes exactly what [`base64_encode`] writes. Errors: ISO-6002.
pub fn base64_decode(text: &str) -> Result<Plaintext> {
    let failed = Error::new(Code::WireDecodeFailed, "the text is not standard, padded base64");
    base64::decode(text.as_bytes()).map(Plaintext::new).ok_or(failed)
}

fn aead_key(key: &[u8; SHARED_SECRET_SIZE]) -> AeadKey {
    AeadKey::new(Secret::copied(key))
}

fn mac_key(key: &[u8; HMAC_KEY_SIZE]) -> MacKey {
    MacKey::new(Secret::copied(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_pair_recovers_what_was_encapsulated_for_it() {
        let (keys, others) = (kem_generate().unwrap(), kem_generate().unwrap());
        let KemSecret { shared_secret, ciphertext } = kem_encapsulate(&keys.public_key).unwrap();
        let recover = |keys: &KemKeyPair| {
            kem_decapsulate(keys.secret_key.as_slice().try_into().unwrap(), &ciphertext).unwrap()
        };
        assert_eq!(*recover(&keys), *shared_secret);
        assert_ne!(*recover(&others), *shared_secret);
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        let mut keys = kem_generate().unwrap();
        if let Some(hash) = keys.secret_key.get_mut(2400 - 64) {
            *hash ^= 1;
        }
        let secret_key = keys.secret_key.as_slice().try_into().unwrap();
        let refused = kem_decapsulate(secret_key, &[0; KEM_CIPHERTEXT_SIZE]).map(|_| ()).unwrap_err();
        assert_eq!(refused.code(), Code::HandshakeFailed);
        let refused = kem_encapsulate(&[0xff; KEM_PUBLIC_KEY_SIZE]).map(|_| ()).unwrap_err();
        assert_eq!(refused.code(), Code::HandshakeMissingPublicKey);
        assert_eq!(dsa_sign(&[0; 54], b"").unwrap_err().code(), Code::AuthIdentitySignatureInvalid);
        assert_eq!(dsa_verify(&[0; 1974], b"", b"").unwrap_err().code(), Code::AuthIdentitySignatureInvalid);
    }

    #[test]
    fn what_was_sealed_opens_under_its_key_and_nonce_alone() {
        let (key, nonce) = ([7; SHARED_SECRET_SIZE], Nonce::random().unwrap());
        for plaintext in [&b""[..], b"attack at dawn"] {
            let sealed = aead_seal(&key, &nonce, plaintext).unwrap();
            assert_eq!(sealed.len(), plaintext.len() + TAG_SIZE);
            assert_eq!(*aead_open(&key, &nonce, &sealed).unwrap(), plaintext);
            let other = Nonce::random().unwrap();
            for (key, nonce) in [(&[8; SHARED_SECRET_SIZE], &nonce), (&key, &other)] {
                assert_eq!(aead_open(key, nonce, &sealed).unwrap_err().code(), Code::CryptoDecryptFailed);
            }
        }
        assert_eq!(aead_open(&key, &nonce, b"short").unwrap_err().code(), Code::CryptoDecryptFailed);
    }

    #[test]
    fn signatures_are_of_their_message_and_key() {
        let key = [7; HMAC_KEY_SIZE];
        let tag = hmac_sign(&key, b"message");
        assert!(hmac_verify(&key, b"message", &tag));
        assert!(!hmac_verify(&key, b"messages", &tag) && !hmac_verify(&[8; HMAC_KEY_SIZE], b"message", &tag));
        assert!(!hmac_verify(&key, b"message", &[]));

        let identity = Identity::generate().unwrap();
        let signature = dsa_sign(&identity.to_pkcs8().unwrap(), b"message").unwrap();
        let spki = identity.public_key().as_spki();
        assert_eq!(dsa_verify(spki, b"message", &signature), Ok(true));
        assert_eq!(dsa_verify(spki, b"messages", &signature), Ok(false));
        assert_eq!(dsa_verify(spki, b"message", b""), Ok(false));
    }

    #[test]
    fn base64_is_that_of_the_protocol() {
        assert_eq!(base64_encode(b"\xff\xfe"), "//4=");
        assert_eq!(*base64_decode("//4=").unwrap(), b"\xff\xfe");
        assert_eq!(base64_decode("__4=").unwrap_err().code(), Code::WireDecodeFailed);
    }
}
