//! How an application's answer is sealed: whole or as a stream. PROTOCOL.md, "Answers".

use super::{Answer, Exchange};
use crate::error::{Code, Error, Result};
use crate::wire::{JSON_CONTENT_TYPE, body};

/// How the body of an application's answer is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Whole, as the JSON it is; an empty body as `null`.
    Json,
    /// Whole, as a JSON string; an empty body as `null`.
    Text,
    /// Chunk by chunk, as it comes.
    Stream,
}

/// What an application says of its answer before the body: the status, and the headers as received (`None` where
/// absent).
#[derive(Debug, Clone, Copy, Default)]
pub struct AnswerHead<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<&'a [u8]>,
    /// `Content-Encoding`.
    pub content_encoding: Option<&'a [u8]>,
    /// `Content-Length`.
    pub content_length: Option<&'a [u8]>,
}

impl<'a> AnswerHead<'a> {
    /// Picks what counts out of all headers of an answer, whatever their case; of a header that stands twice, the last.
    pub fn pick(status: u16, all: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut picked = Self { status, ..Self::default() };
        for (name, value) in all {
            if name.eq_ignore_ascii_case(b"content-type") {
                picked.content_type = Some(value);
            } else if name.eq_ignore_ascii_case(b"content-encoding") {
                picked.content_encoding = Some(value);
            } else if name.eq_ignore_ascii_case(b"content-length") {
                picked.content_length = Some(value);
            }
        }
        picked
    }

    /// JSON and nothing at all are sealed whole, and so is any text that tells of a redirect or a refusal (3xx, 4xx);
    /// anything else with a status of 2xx is a stream.
    ///
    /// Errors: ISO-9000 for what cannot be sealed: 304, a compressed body, a server error that is not JSON.
    pub fn form(&self) -> Result<Form> {
        let unsealable = |detail| Err(Error::new(Code::Internal, detail));
        let is = |value: Option<&[u8]>, text: &[u8]| {
            value.is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(text))
        };
        if self.status == 304 {
            return unsealable("\"not modified\" cannot be sealed");
        }
        if self.content_encoding.is_some() && !is(self.content_encoding, b"identity") {
            return unsealable("a compressed answer cannot be sealed; leave its compression to others");
        }
        if self.is_json() || is(self.content_length, b"0") || matches!(self.status, 204 | 205) {
            return Ok(Form::Json);
        }
        match self.status {
            200..=299 => Ok(Form::Stream),
            300..=499 => Ok(Form::Text),
            _ => unsealable("the application answered with a server error that is not JSON"),
        }
    }

    /// The `Content-Length` of the sealed answer to HEAD, of which the application says how long its body would be; none
    /// if it does not say so, or the sealed length does not follow from the plain one, as with text.
    pub fn sealed_size_of_head(&self, form: Form) -> Option<usize> {
        let length = std::str::from_utf8(self.content_length?).ok()?.trim_ascii();
        if !length.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        match (form, length.parse().ok()?) {
            (Form::Json, 0) => Some(Answer::sealed_size(b"null".len())),
            (Form::Json, length) => Some(Answer::sealed_size(length)),
            _ => None,
        }
    }

    fn is_json(&self) -> bool {
        let Some(content_type) = self.content_type else { return false };
        let media_type = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        let suffix = media_type.len().checked_sub(b"+json".len()).and_then(|at| media_type.get(at..));
        media_type.eq_ignore_ascii_case(JSON_CONTENT_TYPE.as_bytes())
            || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"))
    }
}

impl Exchange {
    /// Seals an application's whole answer in this form. Text that is not UTF-8 is repaired, as a browser would.
    ///
    /// Errors: as [`Exchange::seal`]; ISO-9000 for [`Form::Stream`].
    pub fn seal_as(&self, form: Form, status: u16, body: &[u8]) -> Result<Answer> {
        match form {
            Form::Json | Form::Text if body.is_empty() => self.seal(status, b"null"),
            Form::Json => self.seal(status, body),
            Form::Text => self.seal(status, &body::write_string(body)?),
            Form::Stream => Err(Error::new(Code::Internal, "a stream is not sealed whole")),
        }
    }
}

impl Answer {
    /// Bytes of the sealed answer to a plaintext of `json_len` bytes: the `Content-Length` of an answer to HEAD, of
    /// which the application says only how long its body would be.
    pub const fn sealed_size(json_len: usize) -> usize {
        body::sealed_answer_size(json_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(status: u16, content_type: &str) -> Result<Form> {
        AnswerHead { status, content_type: Some(content_type.as_bytes()), ..AnswerHead::default() }.form()
    }

    #[test]
    fn json_is_sealed_whole_whatever_its_status() {
        for content_type in [
            "application/json",
            "Application/JSON",
            " application/json ; charset=utf-8",
            "application/problem+json",
            "application/vnd.api+JSON",
        ] {
            for status in [200, 201, 302, 404, 500, 503] {
                assert_eq!(form(status, content_type), Ok(Form::Json), "{status} {content_type}");
            }
        }
    }

    #[test]
    fn other_media_types_go_by_status() {
        for content_type in ["text/event-stream", "text/plain", "json", "+jsonx", "application/jsonl", ""] {
            assert_eq!(form(200, content_type), Ok(Form::Stream), "{content_type}");
            assert_eq!(form(299, content_type), Ok(Form::Stream));
            assert_eq!(form(302, content_type), Ok(Form::Text));
            assert_eq!(form(499, content_type), Ok(Form::Text));
            for status in [0, 100, 199, 500, 599] {
                assert_eq!(form(status, content_type).unwrap_err().code(), Code::Internal, "{status}");
            }
        }
        assert_eq!(AnswerHead { status: 200, ..AnswerHead::default() }.form(), Ok(Form::Stream));
    }

    #[test]
    fn headers_are_picked_whatever_their_case() {
        let all: [(&[u8], &[u8]); 5] = [
            (b"Content-type", b"text/plain"),
            (b"CONTENT-TYPE", b"application/json"),
            (b"content-Encoding", b"identity"),
            (b"Content-Length", b"7"),
            (b"X-Content-Type", b"text/plain"),
        ];
        let head = AnswerHead::pick(200, all);
        assert_eq!(head.content_type, Some(&b"application/json"[..]));
        assert_eq!((head.status, head.content_encoding), (200, Some(&b"identity"[..])));
        assert_eq!((head.content_length, head.form()), (Some(&b"7"[..]), Ok(Form::Json)));
    }

    #[test]
    fn head_is_answered_with_the_size_that_get_would_have() {
        let size = |length: &'static [u8], form| {
            AnswerHead { status: 200, content_length: Some(length), ..AnswerHead::default() }
                .sealed_size_of_head(form)
        };
        assert_eq!(size(b"11", Form::Json), Some(Answer::sealed_size(11)));
        assert_eq!(size(b" 0", Form::Json), Some(Answer::sealed_size(4)));
        assert_eq!(size(b"11", Form::Text), None);
        assert_eq!(size(b"11", Form::Stream), None);
        for length in [&b""[..], b"x", b"+1", b"99999999999999999999", b"\xff"] {
            assert_eq!(size(length, Form::Json), None);
        }
        assert_eq!(AnswerHead::default().sealed_size_of_head(Form::Json), None);
    }

    #[test]
    fn nothing_is_sealed_whole_and_what_is_encoded_not_at_all() {
        let head = AnswerHead { status: 200, content_length: Some(b"0"), ..AnswerHead::default() };
        assert_eq!(head.form(), Ok(Form::Json));
        assert_eq!(form(204, "text/plain"), Ok(Form::Json));
        assert_eq!(form(205, "text/plain"), Ok(Form::Json));
        assert!(form(304, "application/json").is_err());
        let encoded =
            |encoding: &'static [u8]| AnswerHead { content_encoding: Some(encoding), ..head }.form();
        assert_eq!(encoded(b" Identity"), Ok(Form::Json));
        assert!(encoded(b"gzip").is_err() && encoded(b"").is_err() && encoded(b"identity, gzip").is_err());
    }
}
