//! The handshake from given randomness: for test vectors, and for nothing else.
//!
//! FIPS 203 §6 keeps these algorithms from applications: a session made of randomness that somebody else knows is open to
//! them. What [`Handshake::new`] and [`Server::accept`] do is this, with randomness of the operating system.

use std::sync::Arc;

use crate::client::Handshake;
use crate::crypto::{
    HMAC_KEY_SIZE, KEM_MESSAGE_SIZE, KEM_SEED_SIZE, Secret, identity::Identity, kem::DecapsulationKey,
};
use crate::error::Result;
use crate::server::{Draws, Server};
use crate::session::Session;
use crate::wire::{body::Plaintext, headers::SessionId};

/// Bytes that a client draws: `d` and `z` (FIPS 203 §6.1).
pub const CLIENT_DRAWS_SIZE: usize = 64;
/// Bytes that a server draws: `m` (FIPS 203 §6.2), the HMAC key, and 16 bytes of which the session id is made
/// (RFC 9562 §5.4).
pub const SERVER_DRAWS_SIZE: usize = 80;

const _: () = assert!(CLIENT_DRAWS_SIZE == KEM_SEED_SIZE);
const _: () = assert!(SERVER_DRAWS_SIZE == KEM_MESSAGE_SIZE + HMAC_KEY_SIZE + 16);

/// [`Handshake::new`] from given randomness. The signature of an identity stays hedged. Errors: ISO-1002.
pub fn handshake(draws: &[u8; CLIENT_DRAWS_SIZE], identity: Option<&Identity>) -> Result<Handshake> {
    Handshake::of(DecapsulationKey::from_seed(&Secret::copied(draws)), identity)
}

/// [`Server::accept`] from given randomness. Errors: those of [`Server::accept`].
pub fn accept(
    server: &Server,
    draws: &[u8; SERVER_DRAWS_SIZE],
    body: &[u8],
    now_ms: u64,
) -> Result<(Arc<Session>, Plaintext)> {
    let (mut message, mut hmac_key, mut id) = (Secret::zeroed(), Secret::zeroed(), [0; 16]);
    let (m, rest) = draws.split_at(KEM_MESSAGE_SIZE);
    let (key, uuid) = rest.split_at(HMAC_KEY_SIZE);
    message.expose_mut().copy_from_slice(m);
    hmac_key.expose_mut().copy_from_slice(key);
    id.copy_from_slice(uuid);
    let draws = Draws { message, hmac_key, id: SessionId::from_random(id) };
    server.accept_with(|| Ok(draws), body, now_ms)
}
