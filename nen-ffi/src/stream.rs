//! Sealed streams, in both directions.

use std::{ffi::c_char, sync::Arc};

use nen::{Plaintext, StreamOpener, StreamSealer};

use crate::{
    argument::{Exclusive, Out, Room, bytes, lent, optional, required},
    buffer::nen_buffer,
    failure::{guard, release},
    headers::{NEN_NONCE_TEXT_SIZE, terminated},
    session::nen_session,
};

/// No chunk is complete: push more bytes.
pub const NEN_STREAM_PENDING: i32 = 0;
/// A chunk was opened. It may be empty.
pub const NEN_STREAM_CHUNK: i32 = 1;
/// The end mark was read and every chunk was taken: the stream is complete.
pub const NEN_STREAM_FINISHED: i32 = 2;

// ── sealer ──────────────────────────────────────────────────────────────────────────────────────────────

/// Seals the chunks of a stream, on the server. One thread at a time, since chunks have an order.
pub struct nen_stream_sealer(Exclusive<StreamSealer>);

impl From<StreamSealer> for nen_stream_sealer {
    fn from(sealer: StreamSealer) -> Self {
        Self(Exclusive::new(sealer))
    }
}

/// A stream under a session and a fresh base nonce. Servers rather call nen_exchange_stream().
///
/// Errors: NEN_ERR_NULL; 4002.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_stream_sealer_new(
    session: Option<&nen_session>,
    out: *mut Option<Box<nen_stream_sealer>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (session, out) = unsafe { (required(session)?, Out::new(out)?) };
        out.give(StreamSealer::new(Arc::clone(&session.0))?.into());
        Ok(())
    })
}

/// The value of the X-Nen-Stream-Nonce header, terminated. `out_size` is the room at `out`, at least
/// NEN_NONCE_TEXT_SIZE bytes.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_LENGTH, NEN_ERR_BUSY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_stream_sealer_nonce_header(
    sealer: *mut nen_stream_sealer,
    out: *mut c_char,
    out_size: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (sealer, out) =
            unsafe { (lent(sealer)?, Room::<NEN_NONCE_TEXT_SIZE>::new(out.cast(), out_size)?) };
        out.write(terminated(&sealer.0.lock()?.nonce_header())?);
        Ok(())
    })
}

/// Seals one chunk. The output is what to send, text/event-stream, in one piece and at once.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 4002 after 2^32 chunks or after the end mark.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_stream_sealer_seal(
    sealer: *mut nen_stream_sealer,
    chunk: *const u8,
    chunk_len: usize,
    out: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (sealer, chunk, out) = unsafe { (lent(sealer)?, bytes(chunk, chunk_len)?, Out::new(out)?) };
        out.write(sealer.0.lock()?.seal(chunk)?.into());
        Ok(())
    })
}

/// Seals the end mark, after which nothing more can be sealed. A stream that is freed without it reaches the client
/// as truncated (7003).
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 4002 as for nen_stream_sealer_seal().
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_stream_sealer_finish(
    sealer: *mut nen_stream_sealer,
    out: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (sealer, out) = unsafe { (lent(sealer)?, Out::new(out)?) };
        out.write(sealer.0.lock()?.finish()?.into());
        Ok(())
    })
}

/// Frees a sealer. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_stream_sealer_free(sealer: Option<Box<nen_stream_sealer>>) {
    release(sealer);
}

// ── opener ──────────────────────────────────────────────────────────────────────────────────────────────

/// Opens the chunks of a stream, on the client. One thread at a time.
pub struct nen_stream_opener(Exclusive<StreamOpener>);

impl From<StreamOpener> for nen_stream_opener {
    fn from(opener: StreamOpener) -> Self {
        Self(Exclusive::new(opener))
    }
}

/// Opens a stream under a session, by its X-Nen-Stream-Nonce header (NULL if it has none). `max_chunk` is the most
/// bytes of one chunk's plaintext. Clients rather call nen_call_open_stream().
///
/// Errors: NEN_ERR_NULL; 7001.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_stream_opener_new(
    session: Option<&nen_session>,
    nonce_header: *const c_char,
    nonce_header_len: usize,
    max_chunk: usize,
    out: *mut Option<Box<nen_stream_opener>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (session, nonce_header, out) =
            unsafe { (required(session)?, optional(nonce_header, nonce_header_len)?, Out::new(out)?) };
        out.give(StreamOpener::new(Arc::clone(&session.0), nonce_header, max_chunk)?.into());
        Ok(())
    })
}

/// Takes in bytes as the transport delivers them, however they are cut. What they complete is then taken by
/// nen_stream_opener_next(), a failure after the chunks before it.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_stream_opener_push(
    opener: *mut nen_stream_opener,
    data: *const u8,
    data_len: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (opener, data) = unsafe { (lent(opener)?, bytes(data, data_len)?) };
        opener.0.lock()?.push(data);
        Ok(())
    })
}

/// The next chunk, in order: `out_state` becomes one of NEN_STREAM_*, and `out_chunk` the chunk, or empty if there is
/// none.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 4001 for a chunk that was changed, moved, dropped or repeated; 6001 over the
/// size limit; 6002. After an error every call returns it again.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_stream_opener_next(
    opener: *mut nen_stream_opener,
    out_state: *mut i32,
    out_chunk: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (opener, out_state, out_chunk) =
            unsafe { (lent(opener)?, Out::new(out_state)?, Out::new(out_chunk)?) };
        let mut opener = opener.0.lock()?;
        let chunk: Option<Plaintext> = opener.next_chunk()?;
        out_state.write(match chunk {
            Some(_) => NEN_STREAM_CHUNK,
            None if opener.is_finished() => NEN_STREAM_FINISHED,
            None => NEN_STREAM_PENDING,
        });
        out_chunk.write(chunk.into());
        Ok(())
    })
}

/// To be called when the transport has ended.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 7003 if the end mark has not come: what was opened is authentic, but not all
/// of it came; or the code that nen_stream_opener_next() returns.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_stream_opener_end(opener: *mut nen_stream_opener) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let opener = unsafe { lent(opener) }?;
        Ok(opener.0.lock()?.end()?)
    })
}

/// Frees an opener. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_stream_opener_free(opener: Option<Box<nen_stream_opener>>) {
    release(opener);
}
