//! What a server lets its operator choose.

use std::collections::HashSet;

use crate::crypto::identity::IdentityKey;
use crate::session::DEFAULT_SESSION_TTL_MS;
use crate::wire::{ENDPOINT_PREFIX, canonical::pathname};

/// Which clients may shake hands, by their ML-DSA-65 identity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum IdentityPolicy {
    /// With or without an identity. One that is presented must verify.
    #[default]
    Optional,
    /// Only with an identity, whichever it is.
    Required,
    /// Only with one of these identities.
    Only(HashSet<IdentityKey>),
}

/// The settings of a [`Server`](super::Server).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// The external path under which the session endpoints stand. Default: `/api/nen`.
    pub prefix: String,
    /// How long a session lives, in milliseconds. Default: one hour.
    pub session_ttl_ms: u64,
    /// How far a request's timestamp may be from this server's clock, either way, in milliseconds. Default: 30,000.
    pub window_ms: u64,
    /// Most bytes of a request's sealed body. Default: 8 MiB.
    pub max_body: usize,
    /// Whether requests without a signature are refused. Default: true. Off only for legacy clients that cannot sign: a
    /// signature that is present is still checked.
    pub strict: bool,
    /// Whether a nonce is remembered until its session ends, and not for the window alone. It costs memory for each
    /// request of a session's life. To be on where a server that is not strict takes the same sessions, to which a request
    /// that was recorded here could be sent without its signature; and where whoever read a handshake shall not send a
    /// recorded body again under a signature of his own. Default: false.
    pub nonces_for_session: bool,
    /// Whether rotate, terminate and status must be signed. Default: false, because the TypeScript client does not sign
    /// them. Where they are signed, the signature is checked either way.
    pub require_signed_lifecycle: bool,
    /// Which identities may shake hands. Default: any, and none.
    pub identities: IdentityPolicy,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            prefix: ENDPOINT_PREFIX.to_owned(),
            session_ttl_ms: DEFAULT_SESSION_TTL_MS,
            window_ms: 30_000,
            max_body: 8 * 1024 * 1024,
            strict: true,
            nonces_for_session: false,
            require_signed_lifecycle: false,
            identities: IdentityPolicy::Optional,
        }
    }
}

impl ServerOptions {
    /// Largest session lifetime and window: a hundred years, which keeps every sum of times in range.
    const MAX_SPAN_MS: u64 = 100 * 366 * 24 * 3_600_000;

    pub(super) fn validate(&self) -> Result<(), InvalidOption> {
        let check = |valid, reason| if valid { Ok(()) } else { Err(InvalidOption(reason)) };
        let prefix = self.prefix.as_str();
        check(
            prefix.starts_with('/') && !prefix.ends_with('/') && pathname(prefix) == Some(prefix),
            "prefix must be a path that starts with a slash and ends without one, percent-encoded",
        )?;
        let span = 1..=Self::MAX_SPAN_MS;
        check(span.contains(&self.session_ttl_ms), "session_ttl_ms must be from 1 ms to a hundred years")?;
        check(span.contains(&self.window_ms), "window_ms must be from 1 ms to a hundred years")?;
        check(self.max_body > 0, "max_body must be at least one byte")?;
        let allows_nobody = matches!(&self.identities, IdentityPolicy::Only(keys) if keys.is_empty());
        check(!allows_nobody, "the list of allowed identities is empty, so that nobody could connect")
    }
}

/// An option that cannot be: what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidOption(pub(crate) &'static str);
