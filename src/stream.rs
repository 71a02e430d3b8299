//! Sealed streams: each chunk of an answer sealed by itself, in order, up to a sealed end mark. PROTOCOL.md,
//! "Streams".

use std::{collections::VecDeque, sync::Arc};

use crate::crypto::{NONCE_SIZE, TAG_SIZE, aead::Nonce};
use crate::error::{Code, Error, Result};
use crate::session::Session;
use crate::wire::{
    base64,
    body::{Plaintext, open_text, seal_text},
    headers::parse_nonce,
    sse::{FRAME_END, FRAME_START, FrameReader},
};

/// The plaintext whose chunk ends a stream.
const SENTINEL: &[u8] = b"__FIN__";

/// Most bytes of one chunk's plaintext that a reader takes unless told otherwise: 8 MiB.
pub const DEFAULT_MAX_CHUNK: usize = 8 * 1024 * 1024;

/// The nonces of a stream: a base nonce whose last four bytes, a little-endian number, are XOR-ed by the index.
struct ChunkNonces {
    base: Nonce,
    next: u64,
}

impl ChunkNonces {
    /// The nonce of the next chunk; `None` after 2^32 of them, never a nonce twice.
    fn advance(&mut self) -> Option<Nonce> {
        let index = u32::try_from(self.next).ok()?;
        self.next += 1;
        let mut bytes = *self.base.as_bytes();
        let (_, counter) = bytes.split_last_chunk_mut::<4>()?;
        *counter = (u32::from_le_bytes(*counter) ^ index).to_le_bytes();
        Some(Nonce::from_bytes(bytes))
    }
}

/// Seals the chunks of a stream, on the server.
pub struct StreamSealer {
    session: Arc<Session>,
    nonces: ChunkNonces,
    finished: bool,
}

impl StreamSealer {
    /// A stream under a fresh base nonce. Errors: ISO-4002.
    pub fn new(session: Arc<Session>) -> Result<Self> {
        let nonces = ChunkNonces { base: Nonce::random()?, next: 0 };
        Ok(Self { session, nonces, finished: false })
    }

    /// The value of the `X-Nen-Stream-Nonce` header.
    pub fn nonce_header(&self) -> String {
        base64::encode(self.nonces.base.as_bytes())
    }

    /// Seals one chunk and returns the bytes to send: one frame, or two for a chunk that reads like the end mark.
    /// Errors: ISO-4002 after 2^32 chunks or after [`StreamSealer::finish`].
    pub fn seal(&mut self, chunk: &[u8]) -> Result<Vec<u8>> {
        if chunk != SENTINEL {
            return self.frame(chunk);
        }
        let (first, rest) = chunk.split_at(1);
        let mut frames = self.frame(first)?;
        frames.extend(self.frame(rest)?);
        Ok(frames)
    }

    /// Seals the end mark, after which nothing more can be sealed. A stream that is dropped without it reaches the
    /// client as truncated. Errors: ISO-4002.
    pub fn finish(&mut self) -> Result<Vec<u8>> {
        let frame = self.frame(SENTINEL)?;
        self.finished = true;
        Ok(frame)
    }

    fn frame(&mut self, chunk: &[u8]) -> Result<Vec<u8>> {
        if self.finished {
            return Err(Error::new(Code::CryptoEncryptFailed, "the stream has already ended"));
        }
        let exhausted =
            Error::new(Code::CryptoEncryptFailed, "the stream is out of nonces after 2^32 chunks");
        let nonce = self.nonces.advance().ok_or(exhausted)?;
        seal_text(&self.session.encryption, &nonce, chunk, FRAME_START, &[FRAME_END])
    }
}

/// Opens the chunks of a stream, on the client.
pub struct StreamOpener {
    session: Arc<Session>,
    nonces: ChunkNonces,
    frames: FrameReader,
    max_chunk: usize,
    opened: VecDeque<Plaintext>,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    Open,
    Finished,
    Failed(Error),
}

impl StreamOpener {
    /// Opens a stream by the value of its `X-Nen-Stream-Nonce` header. `max_chunk` is the most bytes of one chunk's
    /// plaintext. Errors: ISO-7001.
    pub fn new(session: Arc<Session>, nonce_header: Option<&[u8]>, max_chunk: usize) -> Result<Self> {
        let missing = |detail| Error::new(Code::StreamMissingNonceHeader, detail);
        let text = nonce_header.ok_or(missing("no X-Nen-Stream-Nonce header"))?;
        let base = parse_nonce(text).ok_or(missing("X-Nen-Stream-Nonce is not the base64 of 12 bytes"))?;
        // The end mark is no chunk: it comes through however small they must be.
        let longest = max_chunk.max(SENTINEL.len()).saturating_add(TAG_SIZE).min(usize::MAX / 4);
        let limit = base64::encoded_len(longest) + FRAME_START.len();
        Ok(Self {
            session,
            nonces: ChunkNonces { base, next: 0 },
            frames: FrameReader::new(limit),
            max_chunk,
            opened: VecDeque::new(),
            state: State::Open,
        })
    }

    /// The nonce of the first chunk.
    pub(crate) const fn base_nonce(&self) -> &Nonce {
        &self.nonces.base
    }

    /// Takes in bytes as the transport delivers them. What they complete is then returned by
    /// [`StreamOpener::next_chunk`], chunks first and a failure after them. Bytes past the end mark are not read.
    pub fn push(&mut self, bytes: &[u8]) {
        let Self { session, nonces, frames, max_chunk, opened, state } = self;
        if !matches!(state, State::Open) {
            return;
        }
        let outcome = frames.push(bytes, |frame| {
            if !matches!(state, State::Open) {
                return Ok(());
            }
            let exhausted = Error::new(Code::CryptoDecryptFailed, "the stream goes on past 2^32 chunks");
            let chunk = open_text(&session.encryption, &nonces.advance().ok_or(exhausted)?, frame)?;
            if *chunk == SENTINEL {
                *state = State::Finished;
            } else if chunk.len() > *max_chunk {
                return Err(Error::new(
                    Code::WireInvalidPayloadFormat,
                    "a stream chunk is over the size limit",
                ));
            } else {
                opened.push_back(chunk);
            }
            Ok(())
        });
        if let (Err(error), State::Open) = (outcome, *state) {
            *state = State::Failed(error);
        }
    }

    /// The next chunk, in order; `None` when more bytes are needed or the end mark was read.
    ///
    /// Errors: ISO-4001 (changed, reordered, dropped or repeated chunk), ISO-6001 (over the size limit), ISO-6002.
    /// After an error every call returns it again.
    pub fn next_chunk(&mut self) -> Result<Option<Plaintext>> {
        match (self.opened.pop_front(), self.state) {
            (Some(chunk), _) => Ok(Some(chunk)),
            (None, State::Failed(error)) => Err(error),
            (None, _) => Ok(None),
        }
    }

    /// Whether the end mark was read and every chunk taken: the stream is complete.
    pub fn is_finished(&self) -> bool {
        matches!(self.state, State::Finished) && self.opened.is_empty()
    }

    /// To be called when the transport has ended. Errors: ISO-7003 if the end mark has not come; silence is not
    /// success.
    pub fn end(&self) -> Result<()> {
        match self.state {
            State::Finished => Ok(()),
            State::Failed(error) => Err(error),
            State::Open => {
                Err(Error::new(Code::StreamTruncated, "the transport ended before the sealed end mark"))
            }
        }
    }
}

const _: () = assert!(NONCE_SIZE == 8 + 4, "the chunk index has the last four bytes of the nonce");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::test::session;

    fn pair() -> (StreamSealer, StreamOpener) {
        pair_with(1000)
    }

    fn pair_with(max_chunk: usize) -> (StreamSealer, StreamOpener) {
        let session = Arc::new(session(u64::MAX));
        let sealer = StreamSealer::new(Arc::clone(&session)).unwrap();
        let opener = StreamOpener::new(session, Some(sealer.nonce_header().as_bytes()), max_chunk).unwrap();
        (sealer, opener)
    }

    fn drain(opener: &mut StreamOpener) -> Result<Vec<Vec<u8>>> {
        let mut chunks = Vec::new();
        while let Some(chunk) = opener.next_chunk()? {
            chunks.push(chunk.to_vec());
        }
        Ok(chunks)
    }

    #[test]
    fn the_index_is_xored_into_the_last_four_bytes_little_endian() {
        let base = Nonce::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 0xff, 0, 0, 0x80]);
        let at = |next| ChunkNonces { base, next }.advance().map(|nonce| *nonce.as_bytes());
        assert_eq!(at(0), Some(*base.as_bytes()));
        assert_eq!(at(1), Some([0, 1, 2, 3, 4, 5, 6, 7, 0xfe, 0, 0, 0x80]));
        assert_eq!(at(0x0102_0304), Some([0, 1, 2, 3, 4, 5, 6, 7, 0xfb, 3, 2, 0x81]));
        assert_eq!(at(u64::from(u32::MAX)), Some([0, 1, 2, 3, 4, 5, 6, 7, 0, 0xff, 0xff, 0x7f]));
        assert_eq!(at(1 << 32), None);
    }

    #[test]
    fn more_than_two_to_the_32_chunks_is_an_error() {
        let (mut sealer, mut opener) = pair();
        sealer.nonces.next = u64::from(u32::MAX);
        opener.nonces.next = u64::from(u32::MAX);
        opener.push(&sealer.seal(b"last").unwrap());
        assert_eq!(drain(&mut opener).unwrap(), [b"last"]);
        assert_eq!(sealer.finish().unwrap_err().code(), Code::CryptoEncryptFailed);
        let (mut fresh, _) = pair();
        opener.push(&fresh.seal(b"one too many").unwrap());
        assert_eq!(opener.next_chunk().unwrap_err().detail(), "the stream goes on past 2^32 chunks");
    }

    #[test]
    fn chunks_arrive_in_order_and_the_end_is_seen() {
        let (mut sealer, mut opener) = pair();
        for chunk in [&b"secure "[..], b"", b"streaming "] {
            opener.push(&sealer.seal(chunk).unwrap());
        }
        assert_eq!(drain(&mut opener).unwrap(), [&b"secure "[..], b"", b"streaming "]);
        assert!(!opener.is_finished());
        assert_eq!(opener.end().unwrap_err().code(), Code::StreamTruncated);
        opener.push(&sealer.finish().unwrap());
        opener.push(b"data: what stands here is never read\n\n");
        assert_eq!(
            (drain(&mut opener).unwrap().len(), opener.is_finished(), opener.end()),
            (0, true, Ok(()))
        );
        assert_eq!(sealer.seal(b"late").unwrap_err().code(), Code::CryptoEncryptFailed);
    }

    #[test]
    fn a_chunk_that_reads_like_the_end_mark_does_not_end_the_stream() {
        let (mut sealer, mut opener) = pair();
        opener.push(&sealer.seal(SENTINEL).unwrap());
        assert_eq!(drain(&mut opener).unwrap().concat(), SENTINEL);
        assert!(!opener.is_finished());
        opener.push(&sealer.seal(b"more").unwrap());
        assert_eq!(drain(&mut opener).unwrap(), [b"more"]);
    }

    #[test]
    fn changed_reordered_repeated_and_dropped_chunks_are_refused_after_the_good_ones() {
        let frames = |sealer: &mut StreamSealer| -> Vec<Vec<u8>> {
            [&b"a"[..], b"b", b"c"].map(|chunk| sealer.seal(chunk).unwrap()).into()
        };
        let lies: [fn(&mut Vec<Vec<u8>>); 4] = [
            |frames| frames.swap(1, 2),
            |frames| frames.insert(1, frames[0].clone()),
            |frames| drop(frames.remove(1)),
            |frames| frames[1][8] ^= 1,
        ];
        for lie in lies {
            let (mut sealer, mut opener) = pair();
            let mut frames = frames(&mut sealer);
            lie(&mut frames);
            opener.push(&frames.concat());
            assert_eq!(opener.next_chunk().unwrap().unwrap().as_slice(), b"a");
            for _ in 0..2 {
                let error = opener.next_chunk().unwrap_err();
                assert!(
                    matches!(error.code(), Code::CryptoDecryptFailed | Code::WireDecodeFailed),
                    "{error}"
                );
            }
            assert!(opener.end().is_err() && !opener.is_finished());
        }
    }

    #[test]
    fn a_chunk_may_be_as_long_as_the_limit_and_no_longer() {
        for limit in 0..12 {
            let (mut sealer, mut opener) = pair_with(limit);
            opener.push(&sealer.seal(&vec![b'x'; limit]).unwrap());
            assert_eq!(drain(&mut opener).unwrap(), [vec![b'x'; limit]]);
            opener.push(&sealer.finish().unwrap());
            assert!(opener.is_finished(), "{limit}");

            let (mut sealer, mut opener) = pair_with(limit);
            opener.push(&sealer.seal(&vec![b'x'; limit + 1]).unwrap());
            assert_eq!(drain(&mut opener).unwrap_err().code(), Code::WireInvalidPayloadFormat, "{limit}");
        }
    }

    #[test]
    fn bad_frames_have_their_codes() {
        let code = |frame: &[u8]| {
            let (_, mut opener) = pair();
            opener.push(frame);
            opener.next_chunk().unwrap_err().code()
        };
        assert_eq!(code(b"data: !\n\n"), Code::WireDecodeFailed);
        assert_eq!(code(b"data: AAAA\n\n"), Code::CryptoDecryptFailed);
        assert_eq!(code(&[b'A'; 5000]), Code::WireInvalidPayloadFormat);
        for header in [None, Some(&b""[..]), Some(b"AAAA"), Some(b"AAAAAAAAAAAAAAAAAAAA")] {
            let error = StreamOpener::new(Arc::new(session(1)), header, 10).err().unwrap();
            assert_eq!(error.code(), Code::StreamMissingNonceHeader);
        }
    }
}
