//! The record of a session, as stores keep it, and the keys under which it is sealed there. PROTOCOL.md, "Session store".

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::crypto::{
    Secret,
    aead::{AeadKey, Nonce},
    identity::IdentityKey,
    mac::MacKey,
};
use crate::error::{Code, Error, Result};
use crate::server::InvalidOption;
use crate::session::Session;
use crate::wire::{
    base64,
    body::{self, Plaintext, SealedAnswer},
    headers::SessionId,
    json::{Text, members},
};

impl Session {
    /// The record that stores keep, as every implementation writes it:
    /// `{"sharedSecret","hmacKey","createdAt","expiresAt"[,"identity"]}`. It holds both keys in the clear.
    pub fn to_record(&self) -> Zeroizing<String> {
        let shared_secret = Zeroizing::new(base64::encode(self.encryption.expose()));
        let hmac_key = Zeroizing::new(base64::encode(self.mac.expose()));
        let created = self.created_ms().to_string();
        let expires = self.expires_ms().to_string();
        let identity = self.identity().map(|key| base64::encode(key.as_spki()));
        let mut parts = vec![
            r#"{"sharedSecret":""#,
            &shared_secret,
            r#"","hmacKey":""#,
            &hmac_key,
            r#"","createdAt":"#,
            &created,
            r#","expiresAt":"#,
            &expires,
        ];
        if let Some(identity) = &identity {
            parts.extend([r#","identity":""#, identity, "\""]);
        }
        parts.push("}");
        // One allocation of the exact length: a string that grows leaves copies of the keys behind.
        Zeroizing::new(parts.concat())
    }

    /// Reads a record. One without `expiresAt`, as the TypeScript servers write it, ends `ttl_ms` after `createdAt`.
    /// Errors: ISO-9001, since a store that answers nonsense is no better than one that does not answer.
    pub fn from_record(id: SessionId, record: &[u8], ttl_ms: u64) -> Result<Self> {
        let names = ["sharedSecret", "hmacKey", "createdAt", "expiresAt", "identity"];
        let [shared_secret, hmac_key, created, expires, identity] =
            members::<&RawValue, 5>(record, names).map_err(|_| BAD_RECORD)?;
        let created_ms = number(created)?.ok_or(BAD_RECORD)?;
        let expires_ms = number(expires)?.unwrap_or_else(|| created_ms.saturating_add(ttl_ms));
        let identity = match identity {
            Some(text) => {
                let spki = base64::decode(string(text)?.as_bytes()).ok_or(BAD_RECORD)?;
                Some(IdentityKey::from_spki(&spki).map_err(|_| BAD_RECORD)?)
            }
            None => None,
        };
        Ok(Self::new(id, secret(shared_secret)?, secret(hmac_key)?, (created_ms, expires_ms), identity))
    }
}

const BAD_RECORD: Error =
    Error::new(Code::StoreUnavailable, "the store holds something that is no session record");

fn number(value: Option<&RawValue>) -> Result<Option<u64>> {
    value.map(|value| serde_json::from_str(value.get()).map_err(|_| BAD_RECORD)).transpose()
}

fn string(value: &RawValue) -> Result<Text<'_>> {
    serde_json::from_str(value.get()).map_err(|_| BAD_RECORD)
}

fn secret(value: Option<&RawValue>) -> Result<Secret<32>> {
    let mut secret = Secret::zeroed();
    base64::decode_to(string(value.ok_or(BAD_RECORD)?)?.as_bytes(), secret.expose_mut()).ok_or(BAD_RECORD)?;
    Ok(secret)
}

// ── at rest ─────────────────────────────────────────────────────────────────────────────────────────────

/// Bytes of a store key.
pub const STORE_KEY_SIZE: usize = 32;

/// One entry of [`StoreKeys`].
pub struct StoreKey(Kind);

enum Kind {
    Plain,
    Sealed(MacKey),
}

impl StoreKey {
    /// A key of [`STORE_KEY_SIZE`] random bytes. What is not so long is no key.
    pub fn from_bytes(key: &[u8]) -> std::result::Result<Self, InvalidOption> {
        let key = key.try_into().map_err(|_| InvalidOption("a store key must be 32 bytes"))?;
        Ok(Self(Kind::Sealed(MacKey::new(Secret::copied(key)))))
    }

    /// A key as text: its base64, or the word `plain`, which stands for records in the clear.
    pub fn parse(text: &str) -> std::result::Result<Self, InvalidOption> {
        if text == "plain" {
            return Ok(Self(Kind::Plain));
        }
        let mut key = Secret::zeroed();
        base64::decode_to(text.as_bytes(), key.expose_mut())
            .ok_or(InvalidOption("a store key must be the base64 of 32 bytes, or the word plain"))?;
        Ok(Self(Kind::Sealed(MacKey::new(key))))
    }
}

/// Under which keys a server seals its sessions' records in a store that is not its own memory: the first seals, and all
/// of them open. Whoever reads the store then reads no key of a session, and whoever writes to it makes no session.
///
/// A key is replaced in three steps, each on all servers before the next: the new one last, then first, then
/// alone once the sessions that the old one sealed have ended. Sealing is turned on in the same way: `plain` stands for
/// records in the clear, which is also the default.
pub struct StoreKeys(Vec<StoreKey>);

impl Default for StoreKeys {
    fn default() -> Self {
        Self(vec![StoreKey(Kind::Plain)])
    }
}

impl StoreKeys {
    /// The keys in order. An empty list is an error.
    pub fn new(keys: Vec<StoreKey>) -> std::result::Result<Self, InvalidOption> {
        if keys.is_empty() {
            return Err(InvalidOption("the list of store keys is empty, so that no record could be written"));
        }
        Ok(Self(keys))
    }

    /// The keys in order, as text that is separated by commas: [`StoreKey::parse`].
    pub fn parse(list: &str) -> std::result::Result<Self, InvalidOption> {
        list.split(',').map(StoreKey::parse).collect::<std::result::Result<_, _>>().and_then(Self::new)
    }

    /// Writes a session's record: `{"ct","n"}` under the first key, or [`Session::to_record`] if that is `plain`. Errors:
    /// ISO-4002.
    pub fn write(&self, session: &Session) -> Result<Plaintext> {
        let mut record = session.to_record();
        match self.0.first() {
            Some(StoreKey(Kind::Sealed(key))) => {
                let key = record_key(key, session.id());
                body::seal_answer(&key, &Nonce::random()?, record.as_bytes()).map(Zeroizing::new)
            }
            _ => Ok(Zeroizing::new(std::mem::take(&mut *record).into_bytes())),
        }
    }

    /// Reads the record that stands under `id`; `ttl_ms` is as for [`Session::from_record`]. Errors: ISO-9001, also for
    /// a record that none of the keys opens, and for one in the clear if `plain` is not listed.
    pub fn read(&self, id: SessionId, record: &[u8], ttl_ms: u64) -> Result<Session> {
        match SealedAnswer::read(record).map_err(|_| BAD_RECORD)? {
            Some(sealed) => {
                let opened = self.0.iter().find_map(|StoreKey(kind)| match kind {
                    Kind::Sealed(key) => sealed.open(&record_key(key, id)).ok(),
                    Kind::Plain => None,
                });
                Session::from_record(id, &opened.ok_or(UNKNOWN_KEY)?, ttl_ms)
            }
            None if self.0.iter().any(|key| matches!(key.0, Kind::Plain)) => {
                Session::from_record(id, record, ttl_ms)
            }
            None => Err(NOT_SEALED),
        }
    }
}

const UNKNOWN_KEY: Error = Error::new(
    Code::StoreUnavailable,
    "a session's record is sealed, and no store key opens it: every server of the store needs the same list of keys",
);
const NOT_SEALED: Error = Error::new(
    Code::StoreUnavailable,
    "a session's record is in the clear, which the store keys do not admit: list `plain` until those sessions have ended",
);

/// The key of one record: each session has its own, so that no record opens under another id, and random nonces do not
/// run out over the life of a store key.
fn record_key(store_key: &MacKey, id: SessionId) -> AeadKey {
    let mut key = store_key.sign(&[b"nen:record:", id.to_text().as_bytes()]);
    AeadKey::new(Secret::take(&mut key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;
    use crate::session::test;

    #[test]
    fn a_record_reads_back() {
        let id = SessionId::parse(test::ID.as_bytes()).unwrap();
        let identity = Identity::generate().unwrap().public_key().clone();
        let (a, b) = (Secret::take(&mut [1; 32]), Secret::take(&mut [2; 32]));
        let session = Session::new(id, a, b, (5, 9), Some(identity.clone()));
        let read = Session::from_record(id, session.to_record().as_bytes(), 1).unwrap();
        assert_eq!((read.created_ms(), read.expires_ms()), (5, 9));
        assert_eq!(read.identity(), Some(&identity));
        let nonce = Nonce::random().unwrap();
        assert_eq!(*read.open(&nonce, &session.seal(&nonce, b"x").unwrap()).unwrap(), b"x");
        let signature = session.sign("GET", "/", 7, &nonce).unwrap();
        let nonce = base64::encode(nonce.as_bytes());
        assert_eq!(read.verify("GET", "/", b"7", nonce.as_bytes(), &signature), Ok(()));
    }

    #[test]
    fn the_record_of_a_typescript_server_is_read() {
        let id = SessionId::parse(test::ID.as_bytes()).unwrap();
        let key = base64::encode(&[9; 32]);
        let record =
            format!(r#"{{"sharedSecret":"{key}","hmacKey":"{key}","createdAt":1000,"future":true}}"#);
        let session = Session::from_record(id, record.as_bytes(), 500).unwrap();
        assert_eq!((session.expires_ms(), session.with_end(7).expires_ms()), (1500, 7));
        for broken in [
            record.replace("1000", "\"1000\""),
            record.replace("1000", "-1"),
            record.replace("hmacKey", "hmackey"),
            record.replace(&key, &key[4..]),
            record.replace(&key, &key.to_lowercase().replace('=', "")),
            record.replace("\"future\"", "\"createdAt\""),
            record.replace("true", "true,\"identity\":\"AAAA\""),
            record.replace("true", "true,\"identity\":null"),
            "null".to_owned(),
            String::new(),
        ] {
            assert_ne!(broken, record);
            let error = Session::from_record(id, broken.as_bytes(), 500).err().unwrap();
            assert_eq!(error.code(), Code::StoreUnavailable, "{broken}");
        }
    }

    fn keys(texts: &[&str]) -> StoreKeys {
        StoreKeys::parse(&texts.join(",")).unwrap()
    }

    const OLD: &str = "b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28=";
    const NEW: &str = "bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4=";

    #[test]
    fn a_sealed_record_shows_nothing_and_opens_under_each_key_that_is_listed() {
        let session = test::session(7);
        let sealed = keys(&[OLD]).write(&session).unwrap();
        let text = std::str::from_utf8(&sealed).unwrap();
        assert!(!text.contains("sharedSecret") && !text.contains(&base64::encode(&[1; 32])));
        for list in [&[OLD][..], &[NEW, OLD], &[OLD, NEW], &["plain", OLD]] {
            let read = keys(list).read(session.id(), &sealed, 1).unwrap();
            assert_eq!(*read.to_record(), *session.to_record());
        }
        for list in [&[NEW][..], &["plain"], &["plain", NEW]] {
            assert_eq!(keys(list).read(session.id(), &sealed, 1).err(), Some(UNKNOWN_KEY));
        }
        assert_eq!(StoreKeys::default().read(session.id(), &sealed, 1).err(), Some(UNKNOWN_KEY));
        assert_ne!(*keys(&[OLD]).write(&session).unwrap(), *sealed, "under a fresh nonce");
    }

    #[test]
    fn a_sealed_record_belongs_to_its_session() {
        let sealed = keys(&[OLD]).write(&test::session(7)).unwrap();
        let other = SessionId::from_random([9; 16]);
        assert_eq!(keys(&[OLD]).read(other, &sealed, 1).err(), Some(UNKNOWN_KEY));
    }

    #[test]
    fn the_first_key_writes_and_records_in_the_clear_are_read_where_plain_is_listed() {
        let session = test::session(7);
        let plain = session.to_record();
        for list in [&[OLD, "plain"][..], &["plain", OLD], &["plain"]] {
            assert!(keys(list).read(session.id(), plain.as_bytes(), 1).is_ok());
        }
        assert_eq!(keys(&[OLD, NEW]).read(session.id(), plain.as_bytes(), 1).err(), Some(NOT_SEALED));
        assert_eq!(**keys(&["plain", OLD]).write(&session).unwrap(), *plain.as_bytes());
        assert_eq!(**StoreKeys::default().write(&session).unwrap(), *plain.as_bytes());
        assert!(keys(&[NEW]).read(session.id(), &keys(&[NEW, OLD]).write(&session).unwrap(), 1).is_ok());
    }

    #[test]
    fn what_is_no_store_key_is_refused() {
        for text in ["", "Plain", "plain ", &OLD[..40], &OLD.replace('=', ""), "null"] {
            assert!(StoreKey::parse(text).is_err(), "{text}");
        }
        for size in [0, 16, 31, 33] {
            assert!(StoreKey::from_bytes(&vec![1; size]).is_err(), "{size}");
        }
        assert!(StoreKeys::new(Vec::new()).is_err());
        for list in ["", ",", &format!("{OLD},"), &format!("{OLD}, {NEW}"), "plain,Plain"] {
            assert!(StoreKeys::parse(list).is_err(), "{list}");
        }
        let (text, bytes) = (keys(&[OLD]), StoreKey::from_bytes(&[b'o'; 32]).unwrap());
        let sealed = StoreKeys::new(vec![bytes]).unwrap().write(&test::session(7)).unwrap();
        assert!(text.read(test::session(7).id(), &sealed, 1).is_ok(), "the same key as text and as bytes");
    }
}
