//! The keys under which sessions' records are sealed in a store.

use std::sync::Arc;

use napi::{
    Env, Result,
    bindgen_prelude::{Either, Uint8Array},
};
use napi_derive::napi;
use nen::{InvalidOption, Plaintext, StoreKey};

use crate::convert::{SecretText, session_id, unsigned};
use crate::error::{misuse, thrown};
use crate::session::Session;

/// The keys in order: the first seals, all of them open. It holds copies, so that the caller may wipe what it passed.
#[napi]
pub struct StoreKeys {
    pub(crate) inner: Arc<nen::StoreKeys>,
}

#[napi]
impl StoreKeys {
    /// Each key is 32 bytes, their base64, or `plain`. Errors: `TypeError`.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, keys: Vec<Either<String, Uint8Array>>) -> Result<Self> {
        let wrong = |name: &str, error: InvalidOption| misuse(env, format!("{name}: {error}. {HELP}"));
        let mut list = Vec::with_capacity(keys.len());
        for (at, key) in keys.into_iter().enumerate() {
            let key = match key {
                Either::A(text) => {
                    let text = Plaintext::new(text.into_bytes());
                    StoreKey::parse(std::str::from_utf8(&text).unwrap_or_default())
                }
                Either::B(bytes) => StoreKey::from_bytes(&bytes),
            };
            list.push(key.map_err(|error| wrong(&format!("storeKeys[{at}]"), error))?);
        }
        let inner = nen::StoreKeys::new(list).map_err(|error| wrong("storeKeys", error))?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Reads the record that stands under a session's id. One without an end ends `ttlMs` after its beginning. Errors:
    /// ISO-9001.
    #[napi(catch_unwind)]
    pub fn read(&self, env: Env, sid: String, record: String, ttl_ms: f64) -> Result<Session> {
        let (id, record) = (session_id(&sid)?, Plaintext::new(record.into_bytes()));
        let session = self.inner.read(id, &record, unsigned("ttlMs", ttl_ms)?);
        session.map(Session::new).map_err(|error| thrown(env, error))
    }

    /// Writes a session's record as a store keeps it. Errors: ISO-4002.
    #[napi(catch_unwind)]
    pub fn write(&self, env: Env, session: &Session) -> Result<SecretText> {
        self.inner.write(&session.inner).map(SecretText).map_err(|error| thrown(env, error))
    }
}

const HELP: &str = "`openssl rand -base64 32` makes a key; the word plain stands for records in the clear";
