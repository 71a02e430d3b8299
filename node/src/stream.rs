//! Sealed streams.

use napi::{Env, Result};
use napi_derive::napi;

use crate::convert::{Bytes, SecretBytes};
use crate::error::thrown;

/// Opens the chunks of a stream, on the client.
#[napi]
pub struct StreamOpener {
    inner: nen::StreamOpener,
}

#[napi]
impl StreamOpener {
    /// Takes in bytes as the transport delivers them.
    #[napi(catch_unwind)]
    pub fn push(&mut self, bytes: &[u8]) {
        self.inner.push(bytes);
    }

    /// The next chunk, or null when more bytes are needed or the stream is complete. Errors: ISO-4001, ISO-6001,
    /// ISO-6002.
    #[napi(catch_unwind)]
    pub fn next_chunk(&mut self, env: Env) -> Result<Option<SecretBytes>> {
        let chunk = self.inner.next_chunk().map_err(|error| thrown(env, error))?;
        Ok(chunk.map(SecretBytes))
    }

    /// Whether the end mark was read and every chunk taken.
    #[napi(getter, catch_unwind)]
    pub fn finished(&self) -> bool {
        self.inner.is_finished()
    }

    /// To be called when the transport has ended. Errors: ISO-7003.
    #[napi(catch_unwind)]
    pub fn end(&self, env: Env) -> Result<()> {
        self.inner.end().map_err(|error| thrown(env, error))
    }
}

impl StreamOpener {
    pub(crate) fn new(inner: nen::StreamOpener) -> Self {
        Self { inner }
    }
}

/// Seals the chunks of a stream, on the server.
#[napi]
pub struct StreamSealer {
    inner: nen::StreamSealer,
}

#[napi]
impl StreamSealer {
    /// The value of the stream nonce header.
    #[napi(getter, catch_unwind)]
    pub fn nonce_header(&self) -> String {
        self.inner.nonce_header()
    }

    /// Seals one chunk; returns the bytes to send. Errors: ISO-4002.
    #[napi(catch_unwind)]
    pub fn seal(&mut self, env: Env, chunk: &[u8]) -> Result<Bytes> {
        self.inner.seal(chunk).map(Bytes).map_err(|error| thrown(env, error))
    }

    /// Seals the end mark. Errors: ISO-4002.
    #[napi(catch_unwind)]
    pub fn finish(&mut self, env: Env) -> Result<Bytes> {
        self.inner.finish().map(Bytes).map_err(|error| thrown(env, error))
    }
}

impl StreamSealer {
    pub(crate) fn new(inner: nen::StreamSealer) -> Self {
        Self { inner }
    }
}
