//! The client: its options, its handshakes, its session.

use std::sync::Arc;

use nen::{Client, ClientOptions, Handshake};

use crate::{
    argument::{Exclusive, Out, bytes, flag, lent, required},
    buffer::nen_buffer,
    failure::{Misuse, Result, guard, release},
    identity::nen_identity,
    session::nen_session,
};

// ── options ─────────────────────────────────────────────────────────────────────────────────────────────

/// The settings of a client to come. One thread at a time.
pub struct nen_client_options(Exclusive<ClientOptions>);

/// Options with their defaults: no identity, the clock corrected, chunks of at most NEN_DEFAULT_MAX_CHUNK bytes.
///
/// Errors: NEN_ERR_NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_client_options_new(out: *mut Option<Box<nen_client_options>>) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let out = unsafe { Out::new(out) }?;
        out.give(nen_client_options(Exclusive::new(ClientOptions::default())));
        Ok(())
    })
}

/// The key that signs each handshake; several clients may share it.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_client_options_set_identity(
    options: *mut nen_client_options,
    identity: Option<&nen_identity>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let mut options = unsafe { lent(options) }?.0.lock()?;
        options.identity = Some(Arc::clone(&required(identity)?.0));
        Ok(())
    })
}

/// Whether 3003 makes the client learn the server's clock from its Date header: 0 or 1. Default: 1.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY, NEN_ERR_VALUE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_client_options_set_correct_clock(
    options: *mut nen_client_options,
    on: i32,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let mut options = unsafe { lent(options) }?.0.lock()?;
        options.correct_clock = flag(on)?;
        Ok(())
    })
}

/// Most bytes of one stream chunk's plaintext. Default: NEN_DEFAULT_MAX_CHUNK.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_client_options_set_max_chunk(
    options: *mut nen_client_options,
    bytes: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let mut options = unsafe { lent(options) }?.0.lock()?;
        options.max_chunk = bytes;
        Ok(())
    })
}

/// Frees options. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_client_options_free(options: Option<Box<nen_client_options>>) {
    release(options);
}

// ── client ──────────────────────────────────────────────────────────────────────────────────────────────

/// A client: its current session, its identity, and how far its clock is from the server's. Any number of threads may
/// use it at once; each call works with the session it was sealed with, also when a rotation happens meanwhile.
pub struct nen_client(pub(crate) Client);

/// A client without a session. `options` NULL takes the defaults; they are copied.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_client_new(
    options: Option<&nen_client_options>,
    out: *mut Option<Box<nen_client>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let out = unsafe { Out::new(out) }?;
        let options = match options {
            Some(options) => options.0.lock()?.clone(),
            None => ClientOptions::default(),
        };
        out.give(nen_client(Client::new(options)));
        Ok(())
    })
}

/// Starts a handshake. `out_body` is the JSON to POST to /api/nen/handshake. To rotate, see nen_lifecycle_call.
///
/// Errors: NEN_ERR_NULL; 1002 if the operating system has no randomness.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_client_handshake(
    client: Option<&nen_client>,
    out_handshake: *mut Option<Box<nen_handshake>>,
    out_body: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (out_handshake, out_body) = unsafe { (Out::new(out_handshake)?, Out::new(out_body)?) };
        let handshake = required(client)?.0.handshake()?;
        out_body.write(handshake.body().to_vec().into());
        out_handshake.give(handshake.into());
        Ok(())
    })
}

/// Completes a handshake with the server's answer, its HTTP status and its body: from here on calls use the
/// new session. On failure the old one stays. The handshake is used up either way.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_USED_UP, NEN_ERR_BUSY; the server's own code; 1004 for any other answer that is no
/// handshake.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_client_establish(
    client: Option<&nen_client>,
    handshake: *mut nen_handshake,
    status: u16,
    body: *const u8,
    body_len: usize,
    now_ms: u64,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (client, handshake, body) =
            unsafe { (required(client)?, lent(handshake)?, bytes(body, body_len)?) };
        client.0.establish(handshake.take()?, status, body, now_ms)?;
        Ok(())
    })
}

/// The current session, to be freed; NULL if there is none.
///
/// Errors: NEN_ERR_NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_client_session(
    client: Option<&nen_client>,
    out: *mut Option<Box<nen_session>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (client, out) = unsafe { (required(client)?, Out::new(out)?) };
        out.write(client.0.session().map(|session| Box::new(nen_session(session))));
        Ok(())
    })
}

/// Frees a client and its hold on its session. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_client_free(client: Option<Box<nen_client>>) {
    release(client);
}

// ── handshake ───────────────────────────────────────────────────────────────────────────────────────────

/// The client's half of a key exchange, with its ephemeral secret key. One thread at a time; it serves one answer,
/// after which it is used up.
pub struct nen_handshake(Exclusive<Option<Handshake>>);

impl From<Handshake> for nen_handshake {
    fn from(handshake: Handshake) -> Self {
        Self(Exclusive::new(Some(handshake)))
    }
}

impl nen_handshake {
    fn take(&self) -> Result<Handshake> {
        Ok(self.0.lock()?.take().ok_or(Misuse::UsedUp)?)
    }
}

/// Starts a handshake that belongs to no client. `identity` NULL is none. `out_body` is the JSON to POST.
///
/// Errors: NEN_ERR_NULL; 1002 if the operating system has no randomness.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_handshake_new(
    identity: Option<&nen_identity>,
    out_handshake: *mut Option<Box<nen_handshake>>,
    out_body: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (out_handshake, out_body) = unsafe { (Out::new(out_handshake)?, Out::new(out_body)?) };
        let handshake = Handshake::new(identity.map(|identity| &*identity.0))?;
        out_body.write(handshake.body().to_vec().into());
        out_handshake.give(handshake.into());
        Ok(())
    })
}

/// Completes a handshake that belongs to no client. It is used up, also on failure.
///
/// Errors: as nen_client_establish().
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_handshake_finish(
    handshake: *mut nen_handshake,
    status: u16,
    body: *const u8,
    body_len: usize,
    now_ms: u64,
    out: *mut Option<Box<nen_session>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (handshake, body, out) = unsafe { (lent(handshake)?, bytes(body, body_len)?, Out::new(out)?) };
        let session = handshake.take()?.finish(status, body, now_ms)?;
        out.give(nen_session(session.into()));
        Ok(())
    })
}

/// Frees a handshake and wipes its secret key if it still has one. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_handshake_free(handshake: Option<Box<nen_handshake>>) {
    release(handshake);
}
