//! Requests that are let in, or refused by what their headers say.

use nen::Code;

use super::{METHOD, Sent, TARGET, file, one, other_session, sealed_body};
use crate::vectors::{
    Made,
    format::{File, Object, hex},
    handshakes::stray_bits,
    seeds::{NOW, Played, base64, flipped, nonce},
};

pub(crate) fn requests() -> Made<File> {
    use Code::{
        AuthNonceMissing as NoNonce, AuthSignatureInvalid as BadSignature,
        AuthSignatureMissing as NoSignature, AuthTimestampOutOfWindow as BadTime,
        SessionHeaderMissing as NoHeader, SessionInvalidOrExpired as NoSession,
    };
    let (session, other) = (Played::shared()?.session, other_session()?);
    let nonce = nonce("request");
    let n = base64(nonce.as_bytes());
    let good = Sent::new(&session, METHOD, TARGET, NOW, &nonce)?;
    let get = Sent::new(&session, "GET", TARGET, NOW, &nonce)?;
    let signed_at = |timestamp: &str| Sent::with_text(&session, METHOD, TARGET, timestamp, &n);
    let with_nonce = |nonce: &str| Sent::with_text(&session, METHOD, TARGET, &NOW.to_string(), nonce);
    let (sid, time, nonce_header, mac) =
        (nen::SESSION_HEADER, nen::TIMESTAMP_HEADER, nen::NONCE_HEADER, nen::SIGNATURE_HEADER);
    let id = session.id().to_text();
    let signature = good.headers[3].1.clone();
    let lenient = |object: Object| object.with("strict", false);
    let by_other = Sent::new(&other, METHOD, TARGET, NOW, &nonce)?.headers[3].1.clone();
    let turned = base64(flipped(nen::primitives::base64_decode(&signature)?, 31));
    let (early, late) = (NOW - 30_000, NOW + 30_000);
    let plaintext = br#"{"amount":1840}"#;
    file(
        "requests",
        "One request each to a server that holds the two sessions: let in, or refused by what its headers say. Where \
         several things are wrong, the code is that of the first check. plaintext is the opened body, or false where \
         there is none.",
        vec![
            one("a body", good.clone().body(sealed_body(&session, &nonce, plaintext)?).opens(plaintext)),
            one("no body", get.admitted()),
            one("headers in lower case", get.clone().lower().admitted()),
            one("a query is not signed", get.clone().target("/api/secure-data?a=1").admitted()),
            one("the other session", Sent::new(&other, METHOD, TARGET, NOW, &nonce)?.admitted()),
            one("a method in lower case", good.clone().method("post").admitted()),
            one("absolute form", good.clone().target("https://example.com/api/secure-data?a").admitted()),
            one(
                "a body with GET",
                get.clone().body(sealed_body(&session, &nonce, plaintext)?).opens(plaintext),
            ),
            one("a timestamp with a leading zero", signed_at(&format!("0{NOW}"))?.admitted()),
            one("signed 30,000 ms ago", signed_at(&early.to_string())?.admitted()),
            one("signed 30,000 ms ahead", signed_at(&late.to_string())?.admitted()),
            lenient(one(
                "without a signature, to a server that is not strict",
                good.clone().without(mac).without(time).admitted(),
            )),
            lenient(one("signed, to a server that is not strict", good.admitted())),
            lenient(one(
                "without a signature, at a time that is none, to a server that is not strict",
                good.clone().without(mac).header(time, "x").admitted(),
            )),
            one("no session header", good.clone().without(sid).refused(NoHeader)),
            one("an empty session header", good.clone().header(sid, "").refused(NoHeader)),
            one(
                "a session that is not there",
                good.clone().header(sid, "11111111-2222-4333-8444-555555555555").refused(NoSession),
            ),
            one("a session id in upper case", good.clone().header(sid, id.to_uppercase()).refused(NoSession)),
            one("a session id in braces", good.clone().header(sid, format!("{{{id}}}")).refused(NoSession)),
            one(
                "a session id of another variant",
                good.clone().header(sid, "11111111-2222-4333-c444-555555555555").refused(NoSession),
            ),
            one(
                "a session id with its URN",
                good.clone().header(sid, format!("urn:uuid:{id}")).refused(NoSession),
            ),
            one(
                "a session id without hyphens",
                good.clone().header(sid, id.replace('-', "")).refused(NoSession),
            ),
            one("no session id", good.clone().header(sid, "session").refused(NoSession)),
            one("the session header twice", good.clone().twice(sid).refused(NoSession)),
            one("a session that has ended", good.clone().at(session.expires_ms()).refused(NoSession)),
            one("no nonce", good.clone().without(nonce_header).refused(NoNonce)),
            one("an empty nonce", with_nonce("")?.refused(NoNonce)),
            one("a nonce of 11 bytes", with_nonce(&base64(&nonce.as_bytes()[..11]))?.refused(NoNonce)),
            one("a nonce of 13 bytes", with_nonce(&base64([1; 13]))?.refused(NoNonce)),
            one("a nonce in the URL alphabet", with_nonce("____AAAAAAAAAAAA")?.refused(NoNonce)),
            one("a nonce without base64", with_nonce("????????????????")?.refused(NoNonce)),
            one("the nonce twice", good.clone().twice(nonce_header).refused(NoNonce)),
            one("no signature", good.clone().without(mac).refused(NoSignature)),
            one("an empty signature", good.clone().header(mac, "").refused(BadSignature)),
            one("a signature of 31 bytes", good.clone().header(mac, base64([1; 31])).refused(BadSignature)),
            one(
                "a signature without its padding",
                good.clone().header(mac, signature.replace('=', "")).refused(BadSignature),
            ),
            one(
                "a signature with bits after its last byte",
                good.clone().header(mac, stray_bits(&signature)).refused(BadSignature),
            ),
            one("a signature in hex", good.clone().header(mac, hex([7; 32])).refused(BadSignature)),
            one("a signature with a bit turned", good.clone().header(mac, turned).refused(BadSignature)),
            one("the signature twice", good.clone().twice(mac).refused(BadSignature)),
            one(
                "a signature of another session",
                good.clone().header(mac, by_other.as_str()).refused(BadSignature),
            ),
            one(
                "a target that cannot be signed",
                good.clone().target("/api/secure-data#a").refused(BadSignature),
            ),
            one("signed for another method", good.clone().method("PUT").refused(BadSignature)),
            one("signed for another path", good.clone().target("/api/secure-date").refused(BadSignature)),
            one(
                "signed for a path that was decoded",
                Sent::new(&session, "GET", "/api/notes/caf%C3%A9", NOW, &nonce)?
                    .target("/api/notes/caf\u{e9}")
                    .refused(BadSignature),
            ),
            one(
                "signed for another percent-encoding",
                Sent::new(&session, "GET", "/caf%C3%A9", NOW, &nonce)?
                    .target("/caf%c3%a9")
                    .refused(BadSignature),
            ),
            one(
                "signed without the mount point",
                good.clone().target("/service-a/api/secure-data").refused(BadSignature),
            ),
            one(
                "signed for another time",
                good.clone().header(time, (NOW + 1).to_string()).refused(BadSignature),
            ),
            one(
                "signed for another nonce",
                good.clone().header(nonce_header, base64([1; 12])).refused(BadSignature),
            ),
            lenient(one(
                "a wrong signature, to a server that is not strict",
                good.clone().header(mac, by_other.as_str()).refused(BadSignature),
            )),
            lenient(one(
                "no nonce, to a server that is not strict",
                good.clone().without(mac).without(nonce_header).refused(NoNonce),
            )),
            lenient(one(
                "signed, without a timestamp, to a server that is not strict",
                good.clone().without(time).refused(BadTime),
            )),
            one("no timestamp", good.clone().without(time).refused(BadTime)),
            one("the timestamp twice", good.clone().twice(time).refused(BadSignature)),
            one("signed 30,001 ms ago", signed_at(&(early - 1).to_string())?.refused(BadTime)),
            one("signed 30,001 ms ahead", signed_at(&(late + 1).to_string())?.refused(BadTime)),
            one("an empty timestamp", signed_at("")?.refused(BadTime)),
            one("a timestamp in seconds", signed_at(&(NOW / 1000).to_string())?.refused(BadTime)),
            one("a timestamp with a sign", signed_at(&format!("+{NOW}"))?.refused(BadTime)),
            one("a timestamp with a fraction", signed_at(&format!("{NOW}.0"))?.refused(BadTime)),
            one("a timestamp with an exponent", signed_at("1e3")?.refused(BadTime)),
            one("a timestamp in hex", signed_at(&format!("{NOW:x}"))?.refused(BadTime)),
            one("a timestamp with a space in it", signed_at("1763750 000000")?.refused(BadTime)),
            one("a timestamp of zero", signed_at("0")?.refused(BadTime)),
            one("the last timestamp of 64 bits", signed_at("18446744073709551615")?.refused(BadTime)),
            one("a timestamp beyond 64 bits", signed_at("18446744073709551616")?.refused(BadTime)),
            one(
                "first: the session header",
                Sent::with_text(&session, METHOD, TARGET, "", "")?
                    .without(sid)
                    .without(mac)
                    .refused(NoHeader),
            ),
            one(
                "second: the session",
                Sent::with_text(&session, METHOD, TARGET, "", "")?
                    .header(sid, "x")
                    .without(mac)
                    .refused(NoSession),
            ),
            one(
                "third: the nonce",
                Sent::with_text(&session, METHOD, TARGET, "", "")?.without(mac).refused(NoNonce),
            ),
            one("fourth: the signature is there", signed_at("")?.without(mac).refused(NoSignature)),
            one(
                "fifth: the signature is right",
                signed_at("")?.header(mac, by_other.as_str()).refused(BadSignature),
            ),
            one("sixth: the time, and only then the body", signed_at("")?.body("{").refused(BadTime)),
        ],
    )
}
