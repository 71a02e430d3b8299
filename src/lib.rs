//! NEN-PROTOCOL-V2: HTTP payloads that stay encrypted between the two endpoints, with post-quantum key exchange.
//!
//! This crate is the whole protocol and does no I/O: bytes and the clock come in, bytes and decisions go out. HTTP,
//! stores and timers are the caller's. `libnen`, the Python package `nen` and the Node package `@withnen/native` are
//! thin faces on it.
//!
//! - [`Client`], [`Call`] and [`LifecycleCall`]: shake hands, seal a request, open its answer; rotate and terminate.
//! - [`Server`], [`Request`], [`Exchange`]: answer the session endpoints; check, open and answer a request.
//! - [`StreamSealer`] and [`StreamOpener`]: answers in sealed chunks.
//! - [`Session`]: the keys, for those who need the single operations.
//! - [`Store`] and [`MemoryStore`]: where a server keeps its sessions.
//! - [`StoreKeys`]: under which keys a store that is not this process's memory keeps them.
//! - [`primitives`]: the cryptography alone, without the protocol.
//! - [`Error`] and [`Code`]: every failure, `ISO-1001` to `ISO-9001`.
//!
//! ```
//! use nen::{Call, Client, Endpoint, MemoryStore, Outcome, RequestHeaders, Server, ServerOptions};
//!
//! let (now, server, store) = (1_763_750_000_000, Server::new(ServerOptions::default())?, MemoryStore::default());
//! let client = Client::default();
//!
//! let handshake = client.handshake()?;
//! let none = RequestHeaders::default();
//! let (post, at) = ("POST", "/api/nen/handshake");
//! let answer = server.respond(&store, Endpoint::Handshake, none, post, at, handshake.body(), now)?;
//! client.establish(handshake, answer.status, &answer.body, now)?;
//!
//! let mut call = Call::new("POST", "/api/secure-data");
//! let request = call.seal(&client, Some(br#"{"amount":1840}"#), now)?;
//!
//! let exchange = server.admit(&store, request.headers.as_received(), "POST", "/api/secure-data", now)?;
//! let body = exchange.open(&request.body.unwrap_or_default())?;
//! assert_eq!(body.as_deref().map(Vec::as_slice), Some(&br#"{"amount":1840}"#[..]));
//! let answer = exchange.seal(200, br#"{"ok":true}"#)?;
//!
//! let Outcome::Answer(Some(json)) = call.open(&client, answer.status, None, &answer.body, now)? else { unreachable!()
//! }; assert_eq!(*json, br#"{"ok":true}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod client;
mod crypto;
pub mod derandomized;
mod error;
#[cfg(test)]
mod every_code;
mod record;
mod replay;
mod server;
mod session;
mod sharded;
mod store;
mod stream;
mod wire;

pub use client::{
    Call, Client, ClientOptions, Handshake, LifecycleCall, LifecycleOutcome, Outcome, SealedRequest,
};
pub use crypto::{
    HMAC_KEY_SIZE, IDENTITY_PKCS8_SIZE, IDENTITY_PUBLIC_KEY_SIZE, IDENTITY_SIGNATURE_SIZE,
    KEM_CIPHERTEXT_SIZE, KEM_PUBLIC_KEY_SIZE, KEM_SECRET_KEY_SIZE, NONCE_SIZE, SHARED_SECRET_SIZE,
    SIGNATURE_SIZE, TAG_SIZE,
    aead::Nonce,
    identity::{Identity, IdentityKey},
    primitives,
};
pub use error::{Category, Code, Error, Result};
pub use record::{STORE_KEY_SIZE, StoreKey, StoreKeys};
pub use replay::{Claim, NonceClaim};
pub use server::{
    AdmitCall, Answer, AnswerHead, Endpoint, EndpointCall, Exchange, Form, IdentityPolicy, InvalidOption,
    Reply, Request, RequestHead, Route, Server, ServerOptions, Step, Verified,
};
pub use session::{DEFAULT_SESSION_TTL_MS, Session};
pub use store::{MemoryLimits, MemoryStore, REMOTE_CLOCK_SLACK_MS, Store};
pub use stream::{DEFAULT_MAX_CHUNK, StreamOpener, StreamSealer};
pub use wire::{
    ENDPOINT_PREFIX, JSON_CONTENT_TYPE, MAX_HANDSHAKE_BODY, PROTOCOL,
    body::Plaintext,
    canonical::pathname,
    headers::{
        HIDDEN_ANSWER_HEADERS, HIDDEN_REQUEST_HEADERS, NONCE_HEADER, RequestHeaders, SESSION_HEADER,
        SIGNATURE_HEADER, STREAM_NONCE_HEADER, SessionId, SignedHeaders, TIMESTAMP_HEADER,
    },
    sse::{STREAM_CONTENT_TYPE, STREAM_HEADERS},
};
