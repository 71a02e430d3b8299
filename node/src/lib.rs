//! The native module of the Node package `@withnen/native`: the core's client and server for JavaScript.
//!
//! It is private to the package, whose TypeScript is the public face. Every export catches panics, every failure of the
//! protocol is thrown as the package's `NenError`, and bytes that go to JavaScript are copied into memory that its
//! engine owns, because Electron and Deno accept no other.

// The macros of napi-derive take arguments by value, as they arrive from JavaScript.
#![allow(clippy::needless_pass_by_value)]

// Public, because the macros of napi-derive take nothing else; no crate links this one.
pub mod background;
pub mod call;
pub mod client;
pub mod convert;
pub mod error;
pub mod identity;
pub mod lifecycle;
pub mod primitives;
pub mod server;
pub mod session;
pub mod steps;
pub mod store_keys;
pub mod stream;

use napi_derive::napi;

/// The version of this binary, which must be the version of the package that loads it.
#[napi]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The path of the session endpoints, unless a server mounts them elsewhere.
#[napi]
pub const ENDPOINT_PREFIX: &str = nen::ENDPOINT_PREFIX;

/// The media type of every sealed body.
#[napi]
pub const JSON_CONTENT_TYPE: &str = nen::JSON_CONTENT_TYPE;

/// The media type of a sealed stream.
#[napi]
pub const STREAM_CONTENT_TYPE: &str = nen::STREAM_CONTENT_TYPE;

/// The header that carries the base nonce of a sealed stream.
#[napi]
pub const STREAM_NONCE_HEADER: &str = nen::STREAM_NONCE_HEADER;

/// The headers of a sealed stream, but for its nonce: names and values.
#[napi(catch_unwind)]
pub fn stream_headers() -> Vec<Vec<&'static str>> {
    nen::STREAM_HEADERS.iter().map(|(name, value)| vec![*name, *value]).collect()
}

/// The headers of a request that an application behind nen does not see, in lower case.
#[napi(catch_unwind)]
pub fn hidden_request_headers() -> Vec<&'static str> {
    nen::HIDDEN_REQUEST_HEADERS.to_vec()
}

/// The headers of an application's answer that do not pass, in lower case.
#[napi(catch_unwind)]
pub fn hidden_answer_headers() -> Vec<&'static str> {
    nen::HIDDEN_ANSWER_HEADERS.to_vec()
}

/// The headers that sign a request: session, timestamp, nonce and signature.
#[napi(catch_unwind)]
pub fn signed_headers() -> Vec<&'static str> {
    vec![nen::SESSION_HEADER, nen::TIMESTAMP_HEADER, nen::NONCE_HEADER, nen::SIGNATURE_HEADER]
}

/// The protocol and its version.
#[napi]
pub const PROTOCOL: &str = nen::PROTOCOL;

/// Most bytes of the body of a handshake.
#[napi]
#[allow(clippy::cast_possible_truncation)] // it is far below
pub const MAX_HANDSHAKE_BODY: u32 = nen::MAX_HANDSHAKE_BODY as u32;

/// Most bytes of one chunk's plaintext that clients take by default.
#[napi]
#[allow(clippy::cast_possible_truncation)] // it is far below
pub const DEFAULT_MAX_CHUNK: u32 = nen::DEFAULT_MAX_CHUNK as u32;

/// How long a shared store remembers a nonce beyond its end, in milliseconds.
#[napi]
#[allow(clippy::cast_possible_truncation)] // it is far below
pub const REMOTE_CLOCK_SLACK_MS: u32 = nen::REMOTE_CLOCK_SLACK_MS as u32;
