//! The handshake from given randomness, for test vectors.

use nen::derandomized;

use crate::{
    argument::{Out, bytes, fixed, required},
    buffer::nen_buffer,
    client::nen_handshake,
    failure::guard,
    identity::nen_identity,
    server::nen_server,
    session::nen_session,
};

/// nen_handshake_new() from given randomness of NEN_CLIENT_DRAWS_SIZE (64) bytes: for test vectors, and for nothing else.
/// A session of randomness that somebody else knows is open to them.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_LENGTH; 1002 if an identity could not sign.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_derandomized_handshake(
    draws: *const u8,
    draws_len: usize,
    identity: Option<&nen_identity>,
    out_handshake: *mut Option<Box<nen_handshake>>,
    out_body: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (draws, out_handshake, out_body) =
            unsafe { (fixed(draws, draws_len)?, Out::new(out_handshake)?, Out::new(out_body)?) };
        let handshake = derandomized::handshake(draws, identity.map(|identity| &*identity.0))?;
        out_body.write(handshake.body().to_vec().into());
        out_handshake.give(handshake.into());
        Ok(())
    })
}

/// nen_server_accept() from given randomness of NEN_SERVER_DRAWS_SIZE (80) bytes: for test vectors, and for nothing else.
///
/// Errors: NEN_ERR_LENGTH, and those of nen_server_accept().
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_derandomized_accept(
    server: Option<&nen_server>,
    draws: *const u8,
    draws_len: usize,
    body: *const u8,
    body_len: usize,
    now_ms: u64,
    out_session: *mut Option<Box<nen_session>>,
    out_answer: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (draws, body, out_session, out_answer) = unsafe {
            (fixed(draws, draws_len)?, bytes(body, body_len)?, Out::new(out_session)?, Out::new(out_answer)?)
        };
        let (session, answer) = derandomized::accept(&required(server)?.0, draws, body, now_ms)?;
        out_session.give(nen_session(session));
        out_answer.write(answer.into());
        Ok(())
    })
}
