//! The JSON bodies of the protocol, and the sealed text inside them. PROTOCOL.md, "Handshake" and
//! "Protected requests".

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{
    base64,
    headers::SessionId,
    json::{Text, members},
};
use crate::crypto::{
    HMAC_KEY_SIZE, KEM_CIPHERTEXT_SIZE, KEM_PUBLIC_KEY_SIZE, NONCE_SIZE, Secret, TAG_SIZE,
    aead::{AeadKey, Nonce},
    identity::{Identity, IdentityKey},
};
use crate::error::{Code, Error, Result};

/// Decrypted bytes, wiped on drop.
pub type Plaintext = Zeroizing<Vec<u8>>;

/// `{"success":true}`
pub(crate) const SUCCESS: &[u8] = br#"{"success":true}"#;
/// `{"valid":true}`
pub(crate) const VALID: &[u8] = br#"{"valid":true}"#;
/// `{"valid":false}`
pub(crate) const NOT_VALID: &[u8] = br#"{"valid":false}"#;

// ── handshake ───────────────────────────────────────────────────────────────────────────────────────────

/// A client's half of the key exchange, read and verified.
pub(crate) struct HandshakeRequest {
    pub(crate) public_key: [u8; KEM_PUBLIC_KEY_SIZE],
    pub(crate) identity: Option<IdentityKey>,
}

impl HandshakeRequest {
    /// Writes `{"pk"[,"sigPk","sigOfPk"]}`. Errors: ISO-1002.
    pub(crate) fn write(
        public_key: &[u8; KEM_PUBLIC_KEY_SIZE],
        identity: Option<&Identity>,
    ) -> Result<Vec<u8>> {
        let pk = base64::encode(public_key);
        let Some(identity) = identity else { return Ok(object(&[("pk", &pk)])) };
        let sig_pk = base64::encode(identity.public_key().as_spki());
        let sig_of_pk = base64::encode(&identity.sign(public_key)?);
        Ok(object(&[("pk", &pk), ("sigPk", &sig_pk), ("sigOfPk", &sig_of_pk)]))
    }

    /// Errors: ISO-1001, ISO-3004, ISO-6001 (over the size limit), ISO-6002.
    pub(crate) fn read(body: &[u8]) -> Result<Self> {
        if body.len() > super::MAX_HANDSHAKE_BODY {
            return Err(Error::handshake_too_long());
        }
        let no_key = |detail| Error::new(Code::HandshakeMissingPublicKey, detail);
        let [pk, sig_pk, sig_of_pk] = members::<Text<'_>, 3>(body, ["pk", "sigPk", "sigOfPk"])
            .map_err(|_| no_key("the body is no JSON object of strings, or a member stands twice"))?;
        let pk = decode(&pk.ok_or(no_key("`pk` is missing"))?, "`pk` is not base64")?;
        let public_key: [u8; KEM_PUBLIC_KEY_SIZE] =
            pk.try_into().map_err(|_| no_key("`pk` is not 1184 bytes"))?;
        let identity = match (sig_pk, sig_of_pk) {
            (None, None) => None,
            (Some(key), Some(signature)) => {
                let signature = decode(&signature, "`sigOfPk` is not base64")?;
                let key = IdentityKey::from_spki(&decode(&key, "`sigPk` is not base64")?)?;
                key.verify(&public_key, &signature)?;
                Some(key)
            }
            _ => {
                let detail = "one of `sigPk` and `sigOfPk` is there without the other";
                return Err(Error::new(Code::AuthIdentitySignatureInvalid, detail));
            }
        };
        Ok(Self { public_key, identity })
    }
}

/// The server's half: what a client needs to have the same session.
pub(crate) struct HandshakeAnswer {
    pub(crate) id: SessionId,
    pub(crate) ciphertext: [u8; KEM_CIPHERTEXT_SIZE],
    pub(crate) hmac_key: Secret<HMAC_KEY_SIZE>,
}

impl HandshakeAnswer {
    /// Writes `{"sid","ct","hmac"}`.
    pub(crate) fn write(
        id: SessionId,
        ciphertext: &[u8; KEM_CIPHERTEXT_SIZE],
        hmac_key: &[u8; HMAC_KEY_SIZE],
    ) -> Plaintext {
        let hmac = Zeroizing::new(base64::encode(hmac_key));
        let ct = base64::encode(ciphertext);
        Zeroizing::new(object(&[("sid", &id.to_text()), ("ct", &ct), ("hmac", &hmac)]))
    }

    /// Errors: ISO-1004.
    pub(crate) fn read(body: &[u8]) -> Result<Self> {
        let bad = |detail| Error::new(Code::HandshakeBadResponse, detail);
        let [sid, ct, hmac] = members::<Text<'_>, 3>(body, ["sid", "ct", "hmac"])
            .map_err(|_| bad("the answer is no JSON object of strings, or a member stands twice"))?;
        let sid = sid.ok_or(bad("`sid` is missing"))?;
        let id = SessionId::parse(sid.as_bytes()).ok_or(bad("`sid` is no session id"))?;
        let ct = ct.ok_or(bad("`ct` is missing"))?;
        let ciphertext =
            base64::decode_array(ct.as_bytes()).ok_or(bad("`ct` is not the base64 of 1088 bytes"))?;
        let hmac = hmac.ok_or(bad("`hmac` is missing"))?;
        let mut hmac_key = Secret::zeroed();
        base64::decode_to(hmac.as_bytes(), hmac_key.expose_mut())
            .ok_or(bad("`hmac` is not the base64 of 32 bytes"))?;
        Ok(Self { id, ciphertext, hmac_key })
    }
}

// ── sealed bodies ───────────────────────────────────────────────────────────────────────────────────────

/// Writes a request's body, `{"ct"}`: its nonce travels in a header. Errors: ISO-4002.
pub(crate) fn seal_request(key: &AeadKey, nonce: &Nonce, plaintext: &[u8]) -> Result<Vec<u8>> {
    seal_text(key, nonce, plaintext, b"{\"ct\":\"", &[b"\"}"])
}

/// Writes an answer's body, `{"ct","n"}`. Errors: ISO-4002.
pub(crate) fn seal_answer(key: &AeadKey, nonce: &Nonce, plaintext: &[u8]) -> Result<Vec<u8>> {
    let n = base64::encode(nonce.as_bytes());
    seal_text(key, nonce, plaintext, ANSWER_START, &[ANSWER_NONCE, n.as_bytes(), ANSWER_END])
}

const ANSWER_START: &[u8] = b"{\"ct\":\"";
const ANSWER_NONCE: &[u8] = b"\",\"n\":\"";
const ANSWER_END: &[u8] = b"\"}";

/// Bytes of what [`seal_answer`] makes of a plaintext of this length.
pub(crate) const fn sealed_answer_size(plaintext: usize) -> usize {
    let around = ANSWER_START.len() + ANSWER_NONCE.len() + base64::encoded_len(NONCE_SIZE) + ANSWER_END.len();
    plaintext.saturating_add(TAG_SIZE).div_ceil(3).saturating_mul(4).saturating_add(around)
}

/// Writes bytes as a JSON string; what is not UTF-8 becomes U+FFFD. Errors: ISO-4002.
pub(crate) fn write_string(text: &[u8]) -> Result<Plaintext> {
    let too_long = |_| Error::new(Code::CryptoEncryptFailed, "the text cannot be written as JSON");
    serde_json::to_vec(&String::from_utf8_lossy(text)).map(Zeroizing::new).map_err(too_long)
}

/// The sealed text of a request's body. Errors: ISO-6001, ISO-6002, ISO-4001.
pub(crate) fn open_request(key: &AeadKey, nonce: &Nonce, body: &[u8]) -> Result<Plaintext> {
    let format =
        Error::new(Code::WireInvalidPayloadFormat, "the body is not a JSON object with a string `ct`");
    let [ct] = members::<Text<'_>, 1>(body, ["ct"]).map_err(|_| format)?;
    open_text(key, nonce, ct.ok_or(format)?.as_bytes())
}

/// The sealed text of an answer, still closed.
pub(crate) struct SealedAnswer<'a> {
    ct: Text<'a>,
    pub(crate) nonce: Nonce,
}

impl<'a> SealedAnswer<'a> {
    /// `None` if the body is no `{"ct","n"}`. Errors: ISO-6002.
    pub(crate) fn read(body: &'a [u8]) -> Result<Option<Self>> {
        let Ok([Some(ct), Some(n)]) = members::<Text<'_>, 2>(body, ["ct", "n"]) else { return Ok(None) };
        let n = decode(&n, "`n` is not base64")?;
        Ok(n.try_into().ok().map(|bytes| Self { ct, nonce: Nonce::from_bytes(bytes) }))
    }

    /// Errors: ISO-6002, ISO-4001.
    pub(crate) fn open(&self, key: &AeadKey) -> Result<Plaintext> {
        open_text(key, &self.nonce, self.ct.as_bytes())
    }
}

/// Seals `plaintext` and writes the ciphertext's base64 between `prefix` and `suffix`, all in one allocation.
pub(crate) fn seal_text(
    key: &AeadKey,
    nonce: &Nonce,
    plaintext: &[u8],
    prefix: &[u8],
    suffix: &[&[u8]],
) -> Result<Vec<u8>> {
    let too_long = Error::new(Code::CryptoEncryptFailed, "the payload is too long for one message");
    let sealed = plaintext.len().checked_add(TAG_SIZE).ok_or(too_long)?;
    let text = sealed.div_ceil(3).checked_mul(4).ok_or(too_long)?;
    let around = prefix.len() + suffix.iter().map(|part| part.len()).sum::<usize>();
    let mut out = Vec::with_capacity(text.checked_add(around).ok_or(too_long)?);
    out.extend_from_slice(prefix);
    // The ciphertext is made at the end of the room for its own text, then encoded from the front. The writer
    // reaches the reader only at the very end, because four characters stand for three bytes.
    out.resize(prefix.len() + (text - sealed), 0);
    out.extend_from_slice(plaintext);
    out.extend_from_slice(&[0; TAG_SIZE]);
    let room = out.get_mut(prefix.len()..).ok_or(too_long)?;
    key.seal_in_place(nonce, room.get_mut(text - sealed..).ok_or(too_long)?)?;
    encode_from_the_end(room, sealed).ok_or(too_long)?;
    for part in suffix {
        out.extend_from_slice(part);
    }
    Ok(out)
}

/// Replaces the last `sealed` bytes of `room` by their base64, which fills it.
fn encode_from_the_end(room: &mut [u8], sealed: usize) -> Option<()> {
    const BLOCK: usize = 3 * 256;
    let mut block = [0; BLOCK];
    let (mut from, mut to) = (room.len().checked_sub(sealed)?, 0);
    while from < room.len() {
        let length = BLOCK.min(room.len() - from);
        let bytes = block.get_mut(..length)?;
        bytes.copy_from_slice(room.get(from..from + length)?);
        let end = to + base64::encoded_len(length);
        base64::encode_to(bytes, room.get_mut(to..end)?).then_some(())?;
        (from, to) = (from + length, end);
    }
    Some(())
}

/// Decodes and opens sealed text in one buffer. Errors: ISO-6002, ISO-4001.
pub(crate) fn open_text(key: &AeadKey, nonce: &Nonce, text: &[u8]) -> Result<Plaintext> {
    let mut data = base64::decode(text)
        .map(Zeroizing::new)
        .ok_or(Error::new(Code::WireDecodeFailed, "`ct` is not base64"))?;
    let length = key.open_in_place(nonce, &mut data)?;
    data.truncate(length);
    Ok(data)
}

// ── errors ──────────────────────────────────────────────────────────────────────────────────────────────

/// Writes `{"error":{"code","message"}}`: the code and its public message, nothing of the cause.
pub(crate) fn write_error(error: &Error) -> Vec<u8> {
    let code = error.code();
    format!(r#"{{"error":{{"code":"{code}","message":"{}"}}}}"#, code.message()).into_bytes()
}

/// The code in an error body of ours; `None` if the body is not ours.
pub(crate) fn read_error(body: &[u8]) -> Option<Code> {
    let [error] = members::<&RawValue, 1>(body, ["error"]).ok()?;
    let [code, message] = members::<Text<'_>, 2>(error?.get().as_bytes(), ["code", "message"]).ok()?;
    message?;
    Code::parse(&code?.0)
}

/// Reads `{"success":…}`.
pub(crate) fn read_success(body: &[u8]) -> Option<bool> {
    let [success] = members::<bool, 1>(body, ["success"]).ok()?;
    success
}

/// Reads `{"valid":…}`.
pub(crate) fn read_valid(body: &[u8]) -> Option<bool> {
    let [valid] = members::<bool, 1>(body, ["valid"]).ok()?;
    valid
}

// ── helpers ─────────────────────────────────────────────────────────────────────────────────────────────

/// A JSON object of strings that need no escaping: names of ours, base64 and ids.
fn object(members: &[(&str, &str)]) -> Vec<u8> {
    let length: usize = members.iter().map(|(name, value)| name.len() + value.len() + 6).sum();
    let mut out = Vec::with_capacity(length + 1);
    for (index, (name, value)) in members.iter().enumerate() {
        let start: &[u8] = if index == 0 { b"{\"" } else { b",\"" };
        for part in [start, name.as_bytes(), b"\":\"", value.as_bytes(), b"\""] {
            out.extend_from_slice(part);
        }
    }
    out.push(b'}');
    out
}

fn decode(text: &Text<'_>, detail: &'static str) -> Result<Vec<u8>> {
    base64::decode(text.as_bytes()).ok_or(Error::new(Code::WireDecodeFailed, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> AeadKey {
        AeadKey::new(Secret::take(&mut [7; 32]))
    }

    #[test]
    fn sealing_fills_exactly_one_allocation_at_every_length() {
        let (key, nonce) = (key(), Nonce::from_bytes([3; 12]));
        for length in (0..3000).chain([65_536, 65_537, 65_538]) {
            let plaintext: Vec<u8> = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let body = seal_answer(&key, &nonce, &plaintext).unwrap();
            assert_eq!(body.len(), base64::encoded_len(length + TAG_SIZE) + 7 + 7 + 16 + 2);
            assert_eq!(body.len(), sealed_answer_size(length));
            assert_eq!(body.capacity(), body.len());
            let answer = SealedAnswer::read(&body).unwrap().unwrap();
            assert_eq!(answer.nonce, nonce);
            assert_eq!(*answer.open(&key).unwrap(), plaintext, "{length}");
        }
    }

    #[test]
    fn any_bytes_become_a_json_string() {
        assert_eq!(*write_string(b"a\"\\\n\0\xff").unwrap(), "\"a\\\"\\\\\\n\\u0000\u{fffd}\"".as_bytes());
        assert_eq!(sealed_answer_size(usize::MAX), usize::MAX);
    }

    #[test]
    fn objects_take_their_exact_capacity() {
        let out = object(&[("a", "b"), ("c", "d")]);
        assert_eq!(out, br#"{"a":"b","c":"d"}"#);
        assert_eq!(out.capacity(), out.len());
    }

    #[test]
    fn an_error_body_is_told_from_another() {
        let error = Error::new(Code::ReplayNonceReused, "never sent");
        let body = write_error(&error);
        assert_eq!(
            std::str::from_utf8(&body).unwrap(),
            r#"{"error":{"code":"ISO-5001","message":"The nonce was already used."}}"#
        );
        assert_eq!(read_error(&body), Some(Code::ReplayNonceReused));
        for other in [
            r#"{"error":"ISO-5001"}"#,
            r#"{"error":["ISO-5001","x"]}"#,
            r#"{"error":{"code":"ISO-5001"}}"#,
            r#"{"error":{"code":"ISO-7777","message":"x"}}"#,
            r#"{"error":{"code":5001,"message":"x"}}"#,
            r#"{"error":{"code":"ISO-5001","code":"ISO-5001","message":"x"}}"#,
            r#"{"code":"ISO-5001","message":"x"}"#,
            "",
        ] {
            assert_eq!(read_error(other.as_bytes()), None, "{other}");
        }
    }
}
