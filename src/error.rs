//! The one table of error codes, and the error type that carries them.
//!
//! Number, HTTP status and symbolic name are the contract: never reused, never renumbered. Every binding
//! and `docs/ERRORS.md` read this table; none has its own. PROTOCOL.md, "Errors".

use std::fmt;

/// The family of a [`Code`], by its thousands digit. Bindings map it to exception classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Category {
    /// ISO-1xxx: the key exchange.
    Handshake,
    /// ISO-2xxx: the session is missing, unknown or expired.
    Session,
    /// ISO-3xxx: the request is not authentic.
    Auth,
    /// ISO-4xxx: sealing or opening.
    Crypto,
    /// ISO-5xxx: a nonce was seen before, or cannot be remembered.
    Replay,
    /// ISO-6xxx: the bytes on the wire are not what the protocol says.
    Wire,
    /// ISO-7xxx: a sealed stream.
    Stream,
    /// ISO-9xxx: anything else, and the session store.
    Internal,
}

impl Category {
    /// The lower-case name, as bindings use it: `handshake`, `session`, `auth`, `crypto`, `replay`, `wire`,
    /// `stream`, `internal`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Session => "session",
            Self::Auth => "auth",
            Self::Crypto => "crypto",
            Self::Replay => "replay",
            Self::Wire => "wire",
            Self::Stream => "stream",
            Self::Internal => "internal",
        }
    }
}

macro_rules! codes {
    ($($variant:ident = $number:literal, $status:literal, $name:literal, $message:literal, $hint:literal;)+) => {
        /// A stable error code of the protocol, `ISO-<number>`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum Code {
            $(
                #[doc = concat!("`ISO-", $number, "`, HTTP ", $status, ". ", $hint)]
                $variant = $number,
            )+
        }

        impl Code {
            /// Every code, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The HTTP status that a server answers with, or that best describes a client-side failure.
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// The symbolic name, for example `AUTH_SIGNATURE_INVALID`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// One sentence that is safe to put on the wire: it reveals nothing of the cause.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message),+ }
            }

            /// Cause and fix, for the log of the side that raised it. Never sent.
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint),+ }
            }

            /// The code as it is written on the wire, for example `ISO-3002`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => concat!("ISO-", $number)),+ }
            }

            /// The code with this number, if there is one.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

codes! {
    HandshakeMissingPublicKey = 1001, 400, "HANDSHAKE_MISSING_PUBLIC_KEY",
        "The handshake carries no usable public key.",
        "The handshake body must be a JSON object whose `pk` is the base64 of a valid 1184-byte ML-KEM-768 encapsulation key.";
    HandshakeFailed = 1002, 500, "HANDSHAKE_FAILED",
        "The key exchange could not be completed.",
        "Encapsulation or decapsulation failed on this side; check that the operating system's random source works.";
    HandshakeNetwork = 1003, 503, "HANDSHAKE_NETWORK",
        "The handshake endpoint could not be reached.",
        "Check the base URL, that the server is up, and that the session endpoints are mounted under it.";
    HandshakeBadResponse = 1004, 502, "HANDSHAKE_BAD_RESPONSE",
        "The handshake was not answered as the protocol requires.",
        "The answer was not 2xx, or its `sid`, `ct` or `hmac` is missing or of the wrong size; something other than a Nen server may have answered.";
    SessionNotInitialized = 2001, 409, "SESSION_NOT_INITIALIZED",
        "There is no session yet.",
        "Run the handshake, and wait for its end, before the first request.";
    SessionInvalidOrExpired = 2002, 401, "SESSION_INVALID_OR_EXPIRED",
        "The session is not valid or has expired.",
        "No live session has this id. The client should shake hands again; if it happens at once on several instances, they do not share a session store.";
    SessionHeaderMissing = 2003, 401, "SESSION_HEADER_MISSING",
        "The request names no session.",
        "The X-Nen-Session header is missing: the caller is no Nen client, it has another prefix for the session endpoints, or a proxy strips the header. For OPTIONS, a browser's preflight: CORS must be answered before Nen.";
    AuthSignatureMissing = 3001, 401, "AUTH_SIGNATURE_MISSING",
        "The request is not signed.",
        "The X-Nen-Signature header is missing; only a server that opted out of strict mode admits unsigned requests.";
    AuthSignatureInvalid = 3002, 401, "AUTH_SIGNATURE_INVALID",
        "The request signature is not valid.",
        "The HMAC does not match. Most often the two sides sign different paths: it is the external path as it travels on the wire, percent-encoded, without the query; a server behind a proxy that takes a part of it away has to be told that part. Otherwise the request was changed.";
    AuthTimestampOutOfWindow = 3003, 401, "AUTH_TIMESTAMP_OUT_OF_WINDOW",
        "The request timestamp is outside the accepted window.",
        "X-Nen-Timestamp is missing, not a number of milliseconds, or too far from this server's clock; compare both clocks.";
    AuthIdentitySignatureInvalid = 3004, 401, "AUTH_IDENTITY_SIGNATURE_INVALID",
        "The identity of the client could not be verified.",
        "The ML-DSA-65 signature over the public key does not verify, only one of `sigPk` and `sigOfPk` is present, or the server does not allow this identity key.";
    AuthNonceMissing = 3005, 401, "AUTH_NONCE_MISSING",
        "The request carries no usable nonce.",
        "The X-Nen-Nonce header is missing or is not the base64 of 12 bytes.";
    CryptoDecryptFailed = 4001, 400, "CRYPTO_DECRYPT_FAILED",
        "The payload could not be decrypted.",
        "The authentication tag does not verify: the ciphertext was changed, or it was sealed under another key or nonce.";
    CryptoEncryptFailed = 4002, 500, "CRYPTO_ENCRYPT_FAILED",
        "The payload could not be encrypted.",
        "Sealing failed on this side: the random source gave nothing, or a stream ran out of nonces.";
    CryptoPayloadNotJson = 4003, 400, "CRYPTO_PAYLOAD_NOT_JSON",
        "The payload is not JSON.",
        "What is sealed must be UTF-8 JSON: a request's body before it is sent, or the plaintext that the peer sealed.";
    ReplayNonceReused = 5001, 409, "REPLAY_NONCE_REUSED",
        "The nonce was already used.",
        "A request was sent twice, or an answer reflects the request. Sign and seal every attempt afresh.";
    ReplayCacheFull = 5002, 503, "REPLAY_CACHE_FULL",
        "The server cannot take more requests at the moment.",
        "The replay cache is at its cap and never forgets a live nonce; raise the cap, or look for a client that sends too fast.";
    WireInvalidPayloadFormat = 6001, 400, "WIRE_INVALID_PAYLOAD_FORMAT",
        "The payload does not have the expected format.",
        "The body must be a JSON object with the base64 members of the protocol, within the size limit. On a client: something between it and the server answered in plain text.";
    WireDecodeFailed = 6002, 400, "WIRE_DECODE_FAILED",
        "A value is not valid base64.",
        "Base64 uses the standard alphabet with padding, without white space.";
    StreamMissingNonceHeader = 7001, 502, "STREAM_MISSING_NONCE_HEADER",
        "The stream carries no nonce.",
        "The answer has no X-Nen-Stream-Nonce header, or it is not the base64 of 12 bytes; the endpoint may not be a Nen stream, or a proxy strips the header.";
    StreamRequestFailed = 7002, 502, "STREAM_REQUEST_FAILED",
        "The stream could not be opened.",
        "The stream request was answered with an error or without a body.";
    StreamTruncated = 7003, 502, "STREAM_TRUNCATED",
        "The stream ended before its end mark.",
        "The connection closed before the sealed sentinel arrived: what was received is authentic, but not all of it came.";
    Internal = 9000, 500, "INTERNAL",
        "An internal error occurred.",
        "The handler failed, or its answer cannot be sealed; the detail and the application's own log say why. Nothing of the cause is sent.";
    StoreUnavailable = 9001, 503, "STORE_UNAVAILABLE",
        "The session store is not available.",
        "The session store did not answer, answered nonsense, or is full. Sessions are not lost by this; clients should retry later.";
}

impl Code {
    /// The number without its prefix, for example `3002`.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The family of the code.
    pub const fn category(self) -> Category {
        match self.number() / 1000 {
            1 => Category::Handshake,
            2 => Category::Session,
            3 => Category::Auth,
            4 => Category::Crypto,
            5 => Category::Replay,
            6 => Category::Wire,
            7 => Category::Stream,
            _ => Category::Internal,
        }
    }

    /// Reads the form used on the wire, `ISO-<four digits>`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("ISO-")?;
        if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Self::from_number(digits.parse().ok()?)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure of the protocol: a stable [`Code`] and one sentence on what was found.
///
/// Neither holds anything secret or anything a peer sent, so both are safe to log. Only the code and its
/// message may travel; [`Error::detail`] and [`Code::hint`] stay on this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{code}: {} ({detail})", .code.message())]
pub struct Error {
    code: Code,
    detail: &'static str,
}

impl Error {
    /// An error with its code and what exactly was found.
    pub const fn new(code: Code, detail: &'static str) -> Self {
        Self { code, detail }
    }

    /// The stable code.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// What exactly was found, for the log of this side. Never sent.
    pub const fn detail(&self) -> &'static str {
        self.detail
    }

    /// ISO-6001, for a binding that stopped reading a handshake beyond
    /// [`MAX_HANDSHAKE_BODY`](crate::MAX_HANDSHAKE_BODY).
    pub const fn handshake_too_long() -> Self {
        Self::new(Code::WireInvalidPayloadFormat, "the handshake's body is over the size limit")
    }
}

/// The result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_ordered_and_reads_back() {
        assert!(Code::ALL.is_sorted());
        for &code in Code::ALL {
            assert_eq!(Code::from_number(code.number()), Some(code));
            assert_eq!(Code::parse(code.as_str()), Some(code));
            assert_eq!(code.to_string(), format!("ISO-{}", code.number()));
            assert!((400..600).contains(&code.http_status()));
            assert!(code.message().ends_with('.') && code.hint().ends_with('.'));
            assert!(code.name().bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
        }
    }

    #[test]
    fn only_the_exact_form_is_read() {
        for text in
            ["", "3002", "ISO-", "ISO-03002", "iso-3002", "ISO-3002 ", "ISO-+300", "ISO-7777", "ISO-٣٠٠٢"]
        {
            assert_eq!(Code::parse(text), None, "{text}");
        }
    }
}
