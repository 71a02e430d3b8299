//! What a session's two keys do: canonical strings and their signatures, sealed bytes.

use nen::{Code, Session};

use super::{
    Made,
    format::{File, Object},
    seeds::{NOW, Played, base64, draw, flipped, nonce, record_of},
};

pub(super) fn canonical_strings() -> Made<File> {
    let session = Played::shared()?.session;
    let nonce = nonce("canonical string");
    let text = base64(nonce.as_bytes());
    let case = |name: &str, method: &str, target: &str, path: &str, timestamp: u64| -> Made<Object> {
        let canonical = format!("{}\n{path}\n{timestamp}\n{text}", method.to_uppercase());
        let key = hmac_key(&session)?;
        Ok(request(name, method, target, timestamp, nonce.as_bytes())
            .with("canonical", canonical.as_str())
            .with("signature", base64(nen::primitives::hmac_sign(&key, canonical.as_bytes()))))
    };
    let signed = |name, target, path| case(name, "POST", target, path, NOW);
    let unchanged = |name, target| signed(name, target, target);
    let refused = |name, method, target| {
        request(name, method, target, NOW, nonce.as_bytes()).error(Code::AuthSignatureInvalid)
    };
    Ok(File {
        name: "canonical-strings",
        kind: "canonicalString",
        about: "Request targets as they travel, the canonical string, and its HMAC-SHA256 under the session's HMAC \
                key; methods and targets that cannot be signed.",
        shared: record_of(&session),
        vectors: vec![
            unchanged("a path", "/api/secure-data")?,
            unchanged("the root", "/")?,
            unchanged("a slash at the end", "/api/secure-data/")?,
            signed("a query", "/api/search?q=1&r=2", "/api/search")?,
            signed("an empty query", "/api/search?", "/api/search")?,
            signed("a query that holds a question mark and a slash", "/a?b?c=/d", "/a")?,
            unchanged("percent-encoded letters", "/api/notes/caf%C3%A9%20au%20lait")?,
            unchanged("percent-encoded in lower case", "/api/notes/caf%c3%a9")?,
            unchanged("a percent-encoded letter that needs no encoding", "/%61pi")?,
            unchanged("a percent-encoded slash", "/a%2Fb")?,
            unchanged("a percent-encoded question mark", "/a%3Fb")?,
            unchanged("dots", "/a/../b/./c")?,
            unchanged("percent-encoded dots", "/a/%2e%2E/b")?,
            unchanged("empty segments", "//a///b//")?,
            unchanged("parameters of a segment", "/a;v=1/b,c")?,
            unchanged("other marks", "/~a!$&'()*+,;=:@-._")?,
            unchanged("Japanese, as a browser sends it", "/%E5%BF%B5")?,
            unchanged("behind a mount point, the external path", "/service-a/v2/api/secure-data")?,
            signed("absolute form", "https://example.com/api/x?y", "/api/x")?,
            signed("absolute form with a port", "http://example.com:8080/api", "/api")?,
            signed("absolute form without a path", "https://example.com", "/")?,
            signed("absolute form with a query alone", "https://example.com?q", "/")?,
            signed("absolute form of another scheme", "ws://example.com/a/b?c", "/a/b")?,
            signed("absolute form of a scheme with marks", "coap+tcp://example.com/a", "/a")?,
            signed("absolute form with an IPv6 address", "http://[::1]:8080/a", "/a")?,
            signed("a URL in the query", "/a?next=https://example.com/b", "/a")?,
            unchanged("a URL in the path", "/a/https://example.com/b")?,
            unchanged("marks that a URL would encode", "/a\"<>[]^`{|}\\b")?,
            unchanged("a percent sign alone", "/100%")?,
            case("a method in lower case", "post", "/a", "/a", NOW)?,
            case("a method in mixed case", "PoSt", "/a", "/a", NOW)?,
            case("GET", "GET", "/a", "/a", NOW)?,
            case("a method of one's own", "M-SEARCH", "/a", "/a", NOW)?,
            case("time zero", "GET", "/a", "/a", 0)?,
            refused("no target", "GET", ""),
            refused("the target of OPTIONS *", "OPTIONS", "*"),
            refused("authority form", "CONNECT", "example.com:443"),
            refused("a path without its slash", "GET", "api"),
            refused("a query alone", "GET", "?a"),
            refused("a query alone that holds a URL", "GET", "?a=https://example.com/b"),
            refused("absolute form without an authority", "GET", "https:///a"),
            refused("absolute form without a scheme", "GET", "://example.com/a"),
            refused("absolute form whose scheme begins with a digit", "GET", "1x://example.com/a"),
            refused("a fragment", "GET", "/a#b"),
            refused("a fragment after the query", "GET", "/a?b#c"),
            refused("a delete character", "GET", "/a\u{7f}"),
            refused("a carriage return in the query", "GET", "/a?b\r"),
            refused("a letter in the query that is not percent-encoded", "GET", "/a?caf\u{e9}"),
            refused(
                "absolute form with a letter that is not percent-encoded",
                "GET",
                "https://caf\u{e9}.example/",
            ),
            refused("a space", "GET", "/a b"),
            refused("a line feed", "GET", "/a\n1"),
            refused("a tab in the query", "GET", "/a?\t"),
            refused("a letter that is not percent-encoded", "GET", "/caf\u{e9}"),
            refused("no method", "", "/a"),
            refused("a method with a space", "GET ", "/a"),
            refused("a method with a line feed", "GET\n/b", "/a"),
            refused("a method with a letter outside of ASCII", "G\u{c9}T", "/a"),
        ],
    })
}

fn request(name: &str, method: &str, target: &str, timestamp: u64, nonce: &[u8]) -> Object {
    Object::named(name)
        .with("method", method)
        .with("target", target)
        .with("timestampMs", timestamp)
        .hex("nonce", nonce)
}

/// The HMAC key, as the record has it.
pub(super) fn hmac_key(session: &Session) -> Made<[u8; 32]> {
    let record: serde_json::Value = serde_json::from_str(&session.to_record())?;
    let text = record["hmacKey"].as_str().ok_or("a record has an HMAC key")?;
    Ok(nen::primitives::base64_decode(text)?[..].try_into()?)
}

pub(super) fn sealed() -> Made<File> {
    let session = Played::shared()?.session;
    let case = |name: &str, plaintext: &[u8]| -> Made<Object> {
        let nonce = nonce(name);
        Ok(Object::named(name)
            .hex("nonce", nonce.as_bytes())
            .bytes("plaintext", plaintext)
            .hex("sealed", session.seal(&nonce, plaintext)?))
    };
    let other = nonce("refused");
    let good = session.seal(&other, b"{\"amount\":1840}")?;
    let refused = |name: &str, nonce: &[u8], sealed: &[u8]| {
        Object::named(name).hex("nonce", nonce).hex("sealed", sealed).error(Code::CryptoDecryptFailed)
    };
    Ok(File {
        name: "sealed",
        kind: "sealed",
        about: "ChaCha20-Poly1305 under the session's AEAD key, empty associated data, the tag after the ciphertext: \
                the same in both directions. What does not open fails in one way, whatever was changed.",
        shared: record_of(&session),
        vectors: vec![
            case("nothing", b"")?,
            case("one byte", b"1")?,
            case("an object", br#"{"amount":1840}"#)?,
            case("text outside of ASCII", "{\"to\":\"Żółw, 念\"}".as_bytes())?,
            case("a block of 64 bytes", &draw::<64>("block"))?,
            case("a block and a byte", &draw::<65>("block and a byte"))?,
            case("1000 bytes", &draw::<1000>("1000 bytes"))?,
            refused("a bit of the ciphertext turned", other.as_bytes(), &flipped(&good, 3)),
            refused("a bit of the tag turned", other.as_bytes(), &flipped(&good, good.len() - 1)),
            refused("without its last byte", other.as_bytes(), &good[..good.len() - 1]),
            refused("with a byte more", other.as_bytes(), &[&good[..], &[0]].concat()),
            refused("under another nonce", &flipped(other.as_bytes(), 0), &good),
            refused("shorter than a tag", other.as_bytes(), &good[..15]),
            refused("no bytes", other.as_bytes(), b""),
        ],
    })
}
