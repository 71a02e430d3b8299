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
pub mod server;
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
