//! What travels: base64, JSON bodies, header values, the canonical string and SSE frames.
//!
//! Every parser is strict: what the protocol does not say is refused, never repaired.

pub(crate) mod base64;
pub(crate) mod body;
pub(crate) mod canonical;
pub(crate) mod headers;
pub(crate) mod json;
pub(crate) mod sse;

/// The name of the protocol and its version.
pub const PROTOCOL: &str = "NEN-PROTOCOL-V2";
/// The media type of every sealed body and of every error.
pub const JSON_CONTENT_TYPE: &str = "application/json";
/// The path under which the session endpoints stand unless a server is mounted elsewhere.
pub const ENDPOINT_PREFIX: &str = "/api/nen";
/// Most bytes that a handshake's body may have. A body with an identity needs about 8,700.
pub const MAX_HANDSHAKE_BODY: usize = 16 * 1024;
