//! The headers of a request: their names, and what each may hold. PROTOCOL.md, "Headers".

use std::fmt;

use uuid::{Uuid, Variant};

use super::base64;
use crate::crypto::{SIGNATURE_SIZE, aead::Nonce};
use crate::error::{Code, Error, Result};

/// Names the session, on every request.
pub const SESSION_HEADER: &str = "X-Nen-Session";
/// When the client signed the request, in Unix milliseconds.
pub const TIMESTAMP_HEADER: &str = "X-Nen-Timestamp";
/// The nonce of the request, base64 of 12 bytes.
pub const NONCE_HEADER: &str = "X-Nen-Nonce";
/// The HMAC over the canonical string, base64 of 32 bytes.
pub const SIGNATURE_HEADER: &str = "X-Nen-Signature";
/// The base nonce of a sealed stream, on its answer, base64 of 12 bytes.
pub const STREAM_NONCE_HEADER: &str = "X-Nen-Stream-Nonce";

/// Headers that speak of a body in the form that it has: of the sealed one on a request, of the plain one on an answer.
const OF_THE_BODY: [&str; 10] = [
    "content-digest",
    "content-encoding",
    "content-length",
    "content-md5",
    "content-range",
    "content-type",
    "digest",
    "repr-digest",
    "trailer",
    "transfer-encoding",
];

/// Headers of a sealed request that the application must not see, in lower case: those that speak of the sealed body,
/// those that would have the answer be negotiated, cut or revalidated, while it is made whole for this one request, and
/// the protocol's own, which have done their work.
pub const HIDDEN_REQUEST_HEADERS: [&str; 19] = of_the_body_and([
    "accept-encoding",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "range",
    "x-nen-nonce",
    "x-nen-session",
    "x-nen-signature",
    "x-nen-timestamp",
]);

/// Headers of an application's answer that do not travel, in lower case: those that speak of the plain body, those that
/// let the answer be cached, those that have a proxy put a file in its place, and those that the sealed answer has of
/// its own.
pub const HIDDEN_ANSWER_HEADERS: [&str; 22] = of_the_body_and([
    "accept-ranges",
    "age",
    "cache-control",
    "etag",
    "expires",
    "last-modified",
    "x-accel-buffering",
    "x-accel-redirect",
    "x-lighttpd-send-file",
    "x-nen-stream-nonce",
    "x-reproxy-url",
    "x-sendfile",
]);

/// Both lists as one of `N`, which does not compile if it is another number.
const fn of_the_body_and<const M: usize, const N: usize>(others: [&'static str; M]) -> [&'static str; N] {
    let mut all = [""; N];
    let (first, rest) = all.split_at_mut(OF_THE_BODY.len());
    first.copy_from_slice(&OF_THE_BODY);
    rest.copy_from_slice(&others);
    all
}

/// The id of a session, a UUIDv4.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Uuid);

impl SessionId {
    /// Bytes of the id as text.
    pub const TEXT_SIZE: usize = 36;

    /// The version-4 UUID made of these random bytes (RFC 9562 §5.4).
    pub(crate) fn from_random(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// Reads the canonical text: lower case, with hyphens, version 4, variant of RFC 9562. Other spellings of a UUID are no session id,
    /// because stores use the text as a key.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let id = Self(Uuid::try_parse_ascii(text).ok()?);
        let version_4 = id.0.get_version_num() == 4 && id.0.get_variant() == Variant::RFC4122;
        let canonical = version_4 && id.to_text().as_bytes() == text;
        canonical.then_some(id)
    }

    /// The canonical text, [`SessionId::TEXT_SIZE`] bytes.
    pub fn to_text(self) -> String {
        self.0.hyphenated().to_string()
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// The protocol's header values of a request, as received. `None` where a header is absent.
#[derive(Clone, Copy, Default)]
pub struct RequestHeaders<'a> {
    /// `X-Nen-Session`.
    pub session: Option<&'a [u8]>,
    /// `X-Nen-Timestamp`.
    pub timestamp: Option<&'a [u8]>,
    /// `X-Nen-Nonce`.
    pub nonce: Option<&'a [u8]>,
    /// `X-Nen-Signature`.
    pub signature: Option<&'a [u8]>,
}

impl<'a> RequestHeaders<'a> {
    /// Picks the protocol's headers out of all of a request's, whatever their case. A header that stands twice
    /// counts as present and malformed.
    pub fn pick(all: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        // No valid value contains a comma, which is what joining two values would put in (RFC 9110 §5.3).
        const TWICE: &[u8] = b",";

        let mut picked = Self::default();
        for (name, value) in all {
            let slot = if name.eq_ignore_ascii_case(SESSION_HEADER.as_bytes()) {
                &mut picked.session
            } else if name.eq_ignore_ascii_case(TIMESTAMP_HEADER.as_bytes()) {
                &mut picked.timestamp
            } else if name.eq_ignore_ascii_case(NONCE_HEADER.as_bytes()) {
                &mut picked.nonce
            } else if name.eq_ignore_ascii_case(SIGNATURE_HEADER.as_bytes()) {
                &mut picked.signature
            } else {
                continue;
            };
            *slot = Some(if slot.is_some() { TWICE } else { value });
        }
        picked
    }

    /// The session the request names. Errors: ISO-2003 if it names none, ISO-2002 if it is no session id.
    pub(crate) fn session_id(&self) -> Result<SessionId> {
        let text = self
            .session
            .filter(|text| !text.is_empty())
            .ok_or(Error::new(Code::SessionHeaderMissing, "no X-Nen-Session header"))?;
        SessionId::parse(text).ok_or(Error::new(
            Code::SessionInvalidOrExpired,
            "X-Nen-Session is not a UUIDv4 in its canonical form",
        ))
    }

    /// The nonce and its text, which is what the signature covers. Errors: ISO-3005.
    pub(crate) fn nonce(&self) -> Result<(Nonce, &'a [u8])> {
        let missing = |detail| Error::new(Code::AuthNonceMissing, detail);
        let text = self.nonce.ok_or(missing("no X-Nen-Nonce header"))?;
        let nonce = parse_nonce(text).ok_or(missing("X-Nen-Nonce is not the base64 of 12 bytes"))?;
        Ok((nonce, text))
    }

    /// The signature, if one is present. Errors: ISO-3002 if it is not base64 of 32 bytes.
    pub(crate) fn signature(&self) -> Result<Option<[u8; SIGNATURE_SIZE]>> {
        let malformed =
            Error::new(Code::AuthSignatureInvalid, "X-Nen-Signature is not the base64 of 32 bytes");
        self.signature.map(|text| base64::decode_array(text).ok_or(malformed)).transpose()
    }
}

/// Reads a nonce from a header or a body.
pub(crate) fn parse_nonce(text: &[u8]) -> Option<Nonce> {
    base64::decode_array(text).map(Nonce::from_bytes)
}

/// Reads a timestamp: decimal digits only, Unix milliseconds. Errors: ISO-3003.
pub(crate) fn parse_timestamp(text: &[u8]) -> Result<u64> {
    let malformed =
        Error::new(Code::AuthTimestampOutOfWindow, "X-Nen-Timestamp is not a number of milliseconds");
    let digits = std::str::from_utf8(text).map_err(|_| malformed)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed);
    }
    digits.parse().map_err(|_| malformed)
}

/// The header values that a client puts on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `X-Nen-Session`.
    pub session: String,
    /// `X-Nen-Timestamp`.
    pub timestamp: String,
    /// `X-Nen-Nonce`.
    pub nonce: String,
    /// `X-Nen-Signature`.
    pub signature: String,
}

impl SignedHeaders {
    /// Names and values, in the order of the specification.
    pub fn pairs(&self) -> [(&'static str, &str); 4] {
        [
            (SESSION_HEADER, &self.session),
            (TIMESTAMP_HEADER, &self.timestamp),
            (NONCE_HEADER, &self.nonce),
            (SIGNATURE_HEADER, &self.signature),
        ]
    }

    /// The same headers as a server receives them.
    pub fn as_received(&self) -> RequestHeaders<'_> {
        RequestHeaders {
            session: Some(self.session.as_bytes()),
            timestamp: Some(self.timestamp.as_bytes()),
            nonce: Some(self.nonce.as_bytes()),
            signature: Some(self.signature.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f2b8c1e-4d5a-4b6c-8d7e-9f0a1b2c3d4e";

    #[test]
    fn hidden_headers_stand_once_in_lower_case_with_all_of_the_protocols() {
        for list in [&HIDDEN_REQUEST_HEADERS[..], &HIDDEN_ANSWER_HEADERS[..]] {
            let names: std::collections::BTreeSet<_> =
                list.iter().map(|name| name.to_ascii_lowercase()).collect();
            assert!(list.iter().all(|name| names.contains(*name)));
            assert_eq!(names.len(), list.len());
        }
        for name in [SESSION_HEADER, TIMESTAMP_HEADER, NONCE_HEADER, SIGNATURE_HEADER] {
            assert!(HIDDEN_REQUEST_HEADERS.contains(&name.to_ascii_lowercase().as_str()));
        }
        assert!(HIDDEN_ANSWER_HEADERS.contains(&STREAM_NONCE_HEADER.to_ascii_lowercase().as_str()));
    }

    #[test]
    fn only_the_canonical_session_id_is_read() {
        let id = SessionId::parse(ID.as_bytes()).unwrap();
        assert_eq!((id.to_text(), id.to_string()), (ID.to_owned(), ID.to_owned()));
        assert_eq!(format!("{id:?}"), format!("SessionId({ID})"));
        let upper = ID.to_uppercase();
        let simple = ID.replace('-', "");
        let braced = format!("{{{ID}}}");
        let urn = format!("urn:uuid:{ID}");
        let version_1 = ID.replace("-4b6c-", "-1b6c-");
        let other_variant = ID.replace("-8d7e-", "-cd7e-");
        let (version_1, other_variant) = (version_1.as_str(), other_variant.as_str());
        for text in [
            &upper,
            &simple,
            &braced,
            &urn,
            version_1,
            other_variant,
            "",
            "x",
            &format!("{ID} "),
            &format!("{ID}:n:AAAA"),
        ] {
            assert_eq!(SessionId::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_header_that_stands_twice_is_malformed() {
        let nonce = base64::encode(&[1; 12]);
        let pairs = [
            (&b"x-nen-nonce"[..], nonce.as_bytes()),
            (b"Content-Type", b"application/json"),
            (b"X-NEN-SESSION", ID.as_bytes()),
        ];
        let once = RequestHeaders::pick(pairs);
        assert!(once.nonce().is_ok() && once.session_id().is_ok());
        let twice = RequestHeaders::pick(pairs.into_iter().chain(pairs));
        assert_eq!(twice.nonce().unwrap_err().code(), Code::AuthNonceMissing);
        assert_eq!(twice.session_id().unwrap_err().code(), Code::SessionInvalidOrExpired);
    }

    #[test]
    fn headers_travel_under_their_names() {
        let [session, timestamp, nonce, signature] = ["s", "t", "n", "m"].map(str::to_owned);
        let headers = SignedHeaders { session, timestamp, nonce, signature };
        let expected = [
            ("X-Nen-Session", "s"),
            ("X-Nen-Timestamp", "t"),
            ("X-Nen-Nonce", "n"),
            ("X-Nen-Signature", "m"),
        ];
        assert_eq!(headers.pairs(), expected);
        let sent = headers.pairs().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let received = RequestHeaders::pick(sent);
        let direct = headers.as_received();
        assert_eq!((received.session, received.timestamp), (direct.session, direct.timestamp));
        assert_eq!((received.nonce, received.signature), (direct.nonce, direct.signature));
    }

    #[test]
    fn timestamps_are_decimal_digits() {
        assert_eq!(parse_timestamp(b"1763750000000"), Ok(1_763_750_000_000));
        for text in ["", "+1", "-1", " 1", "1 ", "1.0", "0x1", "1e3", "18446744073709551616", "١"] {
            assert!(parse_timestamp(text.as_bytes()).is_err(), "{text}");
        }
    }
}
