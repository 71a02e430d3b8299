//! The `data` frames of a server-sent event stream (WHATWG HTML, "Server-sent events"). PROTOCOL.md, "Streams".

use crate::error::{Code, Error, Result};

/// The media type of a sealed stream.
pub const STREAM_CONTENT_TYPE: &str = "text/event-stream";

/// What the answer of a sealed stream carries beside its nonce: proxies shall neither keep nor collect it.
pub const STREAM_HEADERS: [(&str, &str); 3] =
    [("Content-Type", STREAM_CONTENT_TYPE), ("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no")];

pub(crate) const FRAME_START: &[u8] = b"data: ";
pub(crate) const FRAME_END: &[u8] = b"\n\n";

/// What may stand before the first line.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Splits arriving bytes into frames. Comments and other fields are skipped; lines may end in LF, CR or both.
pub(crate) struct FrameReader {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    after_cr: bool,
    first_line: bool,
    limit: usize,
}

impl FrameReader {
    /// `limit` is the most bytes of a line and of a frame's data.
    pub(crate) fn new(limit: usize) -> Self {
        Self { line: Vec::new(), data: Vec::new(), has_data: false, after_cr: false, first_line: true, limit }
    }

    /// Takes in `bytes` and hands the data of each frame they complete to `on_frame`. Errors: ISO-6001 if a frame
    /// is over the limit, and whatever `on_frame` returns.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        mut on_frame: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        while let Some((&first, rest)) = bytes.split_first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                bytes = rest;
                continue;
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                return self.extend_line(bytes);
            };
            let (line, rest) = bytes.split_at(end);
            self.extend_line(line)?;
            self.after_cr = rest.first() == Some(&b'\r');
            bytes = rest.get(1..).unwrap_or_default();
            self.end_line(&mut on_frame)?;
        }
        Ok(())
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<()> {
        if self.line.len() + self.data.len() + bytes.len() > self.limit {
            return Err(Error::new(Code::WireInvalidPayloadFormat, "a stream frame is over the size limit"));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, on_frame: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if std::mem::take(&mut self.first_line) && self.line.starts_with(BYTE_ORDER_MARK) {
            self.line.drain(..BYTE_ORDER_MARK.len());
        }
        if self.line.is_empty() {
            let complete = std::mem::take(&mut self.has_data);
            let outcome = if complete { on_frame(&self.data) } else { Ok(()) };
            self.data.clear();
            return outcome;
        }
        if let Some(value) = self.line.strip_prefix(b"data") {
            let value = match value {
                [] => Some(value),
                [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
                _ => None,
            };
            if let Some(value) = value {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
        }
        self.line.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(pieces: &[&[u8]]) -> Vec<String> {
        let mut reader = FrameReader::new(100);
        let mut frames = Vec::new();
        for piece in pieces {
            let keep = |data: &[u8]| {
                frames.push(String::from_utf8(data.to_vec()).unwrap());
                Ok(())
            };
            reader.push(piece, keep).unwrap();
        }
        frames
    }

    #[test]
    fn frames_are_found_however_the_bytes_arrive() {
        let stream = b": hello\n\ndata: one\n\nevent: x\r\nid: 7\r\ndata:two\r\n\r\ndata: three\rdata\r\rdatum: no\n\ndata: cut";
        let expected = ["one", "two", "three\n"];
        assert_eq!(frames(&[stream]), expected);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(frames(&bytes), expected);
        for at in 0..stream.len() {
            let (a, b) = stream.split_at(at);
            assert_eq!(frames(&[a, b]), expected, "split at {at}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped_once_at_the_start() {
        let mark = BYTE_ORDER_MARK;
        assert_eq!(frames(&[mark, b"data: one\n\n", mark, b"data: no\n\n"]), ["one"]);
        assert_eq!(frames(&[&mark[..1], &mark[1..], b"data: one\n\n"]), ["one"]);
        assert!(frames(&[mark, mark, b"data: no\n\n"]).is_empty());
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_before_it_is_kept() {
        let too_long = |input: &[u8]| FrameReader::new(10).push(input, |_| Ok(())).unwrap_err().code();
        assert_eq!(FrameReader::new(10).push(b"data: 1234\n\n", |_| Ok(())), Ok(()));
        assert_eq!(too_long(b"data: 12345"), Code::WireInvalidPayloadFormat);
        assert_eq!(too_long(b"data:123\ndata:123\n"), Code::WireInvalidPayloadFormat);
    }
}
