//! Requests on a clock, as a server with its sessions in memory takes or refuses them.

use nen::{Code, MAX_HANDSHAKE_BODY, Nonce, Session};

use super::{
    Made,
    format::{File, Object},
    keys::hmac_key,
    seeds::{NOW, Played, base64, flipped, nonce, record_of},
};

const METHOD: &str = "POST";
const TARGET: &str = "/api/secure-data";

/// A request that is about to be changed.
#[derive(Clone)]
struct Sent {
    at: u64,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sent {
    /// A request of `session`, signed at `timestamp` and sent at once.
    fn new(session: &Session, method: &str, target: &str, timestamp: u64, nonce: &Nonce) -> Made<Self> {
        Self::with_text(session, method, target, &timestamp.to_string(), &base64(nonce.as_bytes()))
            .map(|sent| sent.at(timestamp))
    }

    /// The same with a timestamp and a nonce that may be no such thing.
    fn with_text(session: &Session, method: &str, target: &str, timestamp: &str, nonce: &str) -> Made<Self> {
        let path = target.split('?').next().unwrap_or_default();
        let canonical = format!("{method}\n{path}\n{timestamp}\n{nonce}");
        let signature = base64(nen::primitives::hmac_sign(&hmac_key(session)?, canonical.as_bytes()));
        let headers = [
            (nen::SESSION_HEADER, session.id().to_text()),
            (nen::TIMESTAMP_HEADER, timestamp.to_owned()),
            (nen::NONCE_HEADER, nonce.to_owned()),
            (nen::SIGNATURE_HEADER, signature),
        ];
        Ok(Self {
            at: NOW,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            body: Vec::new(),
        })
    }

    fn at(mut self, now_ms: u64) -> Self {
        self.at = now_ms;
        self
    }

    fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        self.headers
            .iter_mut()
            .filter(|(other, _)| other == name)
            .for_each(|(_, old)| old.clone_from(&value));
        self
    }

    fn twice(mut self, name: &str) -> Self {
        let again = self.headers.iter().find(|(other, _)| other == name).cloned();
        self.headers.extend(again);
        self
    }

    fn lower(mut self) -> Self {
        self.headers.iter_mut().for_each(|(name, _)| *name = name.to_lowercase());
        self
    }

    fn step(&self) -> Object {
        let headers: Vec<String> =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let step = Object::default()
            .with("nowMs", self.at)
            .with("method", self.method.as_str())
            .with("target", self.target.as_str())
            .with("headers", headers);
        if self.body.is_empty() { step } else { step.bytes("body", &self.body) }
    }

    /// It is let in, and this is its body.
    fn opens(&self, plaintext: &[u8]) -> Object {
        self.step().bytes("plaintext", plaintext)
    }

    /// It is let in, and has no body.
    fn admitted(&self) -> Object {
        self.step().with("plaintext", false)
    }

    fn refused(&self, code: Code) -> Object {
        self.step().error(code)
    }

    /// A session endpoint's answer.
    fn answered(&self, status: u16, body: &str) -> Object {
        self.step().with("status", status).with("answer", body)
    }

    /// Under the prefix, and no endpoint.
    fn not_found(&self) -> Object {
        self.step().with("status", 404u16)
    }
}

fn vector(name: &str, steps: Vec<Object>) -> Object {
    Object::named(name).with("steps", steps)
}

fn one(name: &str, step: Object) -> Object {
    vector(name, vec![step])
}

fn file(name: &'static str, about: &'static str, vectors: Vec<Object>) -> Made<File> {
    let (a, b) = (Played::shared()?.session, other_session()?);
    let shared = Object::default().with("sessions", vec![record_of(&a), record_of(&b)]);
    Ok(File { name, kind: "server", about, shared, vectors })
}

fn other_session() -> Made<std::sync::Arc<Session>> {
    Ok(Played::new("another handshake", nen::DEFAULT_SESSION_TTL_MS, None)?.session)
}

fn sealed_body(session: &Session, nonce: &Nonce, plaintext: &[u8]) -> Made<String> {
    Ok(format!(r#"{{"ct":"{}"}}"#, base64(session.seal(nonce, plaintext)?)))
}

pub(super) fn requests() -> Made<File> {
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
                good.clone().header(mac, super::handshakes::stray_bits(&signature)).refused(BadSignature),
            ),
            one(
                "a signature in hex",
                good.clone().header(mac, super::format::hex([7; 32])).refused(BadSignature),
            ),
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

pub(super) fn bodies() -> Made<File> {
    use Code::{
        CryptoDecryptFailed as NotOpened, CryptoPayloadNotJson as NotJson, WireDecodeFailed as NotBase64,
        WireInvalidPayloadFormat as BadFormat,
    };
    let session = Played::shared()?.session;
    let nonce = nonce("body");
    let send =
        |body: &[u8]| -> Made<Sent> { Ok(Sent::new(&session, METHOD, TARGET, NOW, &nonce)?.body(body)) };
    let plaintext = br#"{"to":"Warszawa","amount":1840}"#;
    let ct = session.seal(&nonce, plaintext)?;
    let text = base64(&ct);
    let good = format!(r#"{{"ct":"{text}"}}"#);
    let opened = |name: &str, body: &str, plaintext: &[u8]| -> Made<Object> {
        Ok(one(name, send(body.as_bytes())?.opens(plaintext)))
    };
    let sealed =
        |name: &str, plaintext: &[u8]| opened(name, &sealed_body(&session, &nonce, plaintext)?, plaintext);
    let refused =
        |name: &str, body: &[u8], code| -> Made<Object> { Ok(one(name, send(body)?.refused(code))) };
    let of_ct = |ct: &[u8]| format!(r#"{{"ct":"{}"}}"#, base64(ct));
    let no_json = |name: &str, plaintext: &[u8]| {
        refused(name, &of_ct(&session.seal(&nonce, plaintext)?).into_bytes(), NotJson)
    };
    let limited = |object: Object| object.with("maxBody", 100u64);
    let of_size = |size: usize| format!(r#"{{"ct":"{text}","x":"{}"}}"#, "x".repeat(size - good.len() - 7));
    file(
        "bodies",
        "Bodies of requests whose headers are in order: what they open to, or how they are refused.",
        vec![
            opened("an object", &good, plaintext)?,
            opened("unknown members are ignored", &good.replace('}', r#","n":1,"future":[]}"#), plaintext)?,
            opened("white space between members", &good.replace(':', " : "), plaintext)?,
            opened(
                "an escape in ct",
                &good.replace(&text, &format!("\\u00{:02x}{}", text.as_bytes()[0], &text[1..])),
                plaintext,
            )?,
            opened("white space around the object", &format!("\r\n\t {good}\n "), plaintext)?,
            opened("the name of ct with an escape", &good.replace("ct", "\\u0063t"), plaintext)?,
            opened(
                "an unknown member that is nested deeply",
                &good.replace('}', &format!(r#","x":{}{}}}"#, "[".repeat(500), "]".repeat(500))),
                plaintext,
            )?,
            sealed("an array that is nested deeply", ["[".repeat(500), "]".repeat(500)].concat().as_bytes())?,
            sealed("members that stand twice, sealed", br#"{"a":1,"a":2}"#)?,
            sealed("a number beyond all floats", b"1e999")?,
            sealed("half of a surrogate pair", br#""\ud800""#)?,
            sealed("null", b"null")?,
            sealed("a number", b"-0.5e3")?,
            sealed("a string", "\"念\"".as_bytes())?,
            sealed("an array with white space", b" [1, 2]\n")?,
            limited(opened("as long as a body may be", &of_size(100), plaintext)?),
            limited(refused("one byte longer than a body may be", of_size(101).as_bytes(), BadFormat)?),
            refused("no JSON", b"ct", BadFormat)?,
            refused("JSON that ends early", &good.as_bytes()[..good.len() - 1], BadFormat)?,
            refused("text after the object", format!("{good}1").as_bytes(), BadFormat)?,
            refused("a byte order mark", format!("\u{feff}{good}").as_bytes(), BadFormat)?,
            refused("no UTF-8", &[good.as_bytes(), b"\xff"].concat(), BadFormat)?,
            refused("white space alone", b" ", BadFormat)?,
            refused("an array", format!(r#"["{text}"]"#).as_bytes(), BadFormat)?,
            refused("null in place of an object", b"null", BadFormat)?,
            refused("no ct", b"{}", BadFormat)?,
            refused("plaintext", plaintext, BadFormat)?,
            refused("the name of ct in upper case", good.replace("ct", "CT").as_bytes(), BadFormat)?,
            refused("a form feed before the object", format!("\u{c}{good}").as_bytes(), BadFormat)?,
            refused("a comma after the last member", good.replace('}', ",}").as_bytes(), BadFormat)?,
            refused("ct is null", br#"{"ct":null}"#, BadFormat)?,
            refused("ct is a number", br#"{"ct":1}"#, BadFormat)?,
            refused("ct is an object", br#"{"ct":{}}"#, BadFormat)?,
            refused("ct stands twice", format!(r#"{{"ct":"{text}","ct":"{text}"}}"#).as_bytes(), BadFormat)?,
            refused(
                "ct stands twice, once with an escape",
                format!(r#"{{"ct":"{text}","\u0063t":"{text}"}}"#).as_bytes(),
                BadFormat,
            )?,
            refused("ct is no base64", br#"{"ct":"?"}"#, NotBase64)?,
            refused("ct without its padding", of_ct(&ct[..16]).replace('=', "").as_bytes(), NotBase64)?,
            refused(
                "ct with bits after its last byte",
                super::handshakes::stray_bits(&of_ct(&ct[..16])).as_bytes(),
                NotBase64,
            )?,
            refused("ct in the URL alphabet", of_ct(&[0xff; 48]).replace('/', "_").as_bytes(), NotBase64)?,
            refused(
                "ct with a space",
                good.replace(&text, &format!("{} {}", &text[..4], &text[4..])).as_bytes(),
                NotBase64,
            )?,
            refused("ct is empty", br#"{"ct":""}"#, NotOpened)?,
            refused("ct is shorter than a tag", of_ct(&ct[..15]).as_bytes(), NotOpened)?,
            refused("a bit of the ciphertext turned", of_ct(&flipped(&ct, 2)).as_bytes(), NotOpened)?,
            refused("a bit of the tag turned", of_ct(&flipped(&ct, ct.len() - 16)).as_bytes(), NotOpened)?,
            refused("without its last byte", of_ct(&ct[..ct.len() - 1]).as_bytes(), NotOpened)?,
            refused(
                "sealed under another nonce",
                of_ct(&session.seal(&super::seeds::nonce("not the header's"), plaintext)?).as_bytes(),
                NotOpened,
            )?,
            refused(
                "sealed under another key",
                of_ct(&other_session()?.seal(&nonce, plaintext)?).as_bytes(),
                NotOpened,
            )?,
            no_json("nothing was sealed", b"")?,
            no_json("text that is no JSON", b"amount=1840")?,
            no_json("JSON that ends early, sealed", br#"{"amount":"#)?,
            no_json("two JSON texts", b"{}{}")?,
            no_json("a number with a leading zero", b"01")?,
            no_json("NaN", b"NaN")?,
            no_json("a comma after the last member, sealed", br#"{"a":1,}"#)?,
            no_json("a line feed in a string", b"\"\n\"")?,
            no_json("half of a surrogate pair in UTF-8", b"\"\xed\xa0\x80\"")?,
            no_json("no UTF-8, sealed", b"\"\xff\"")?,
            no_json("a byte order mark, sealed", "\u{feff}{}".as_bytes())?,
        ],
    )
}

pub(super) fn replay() -> Made<File> {
    use Code::{
        AuthSignatureInvalid, AuthTimestampOutOfWindow, CryptoDecryptFailed, ReplayCacheFull,
        ReplayNonceReused,
    };
    let (session, other) = (Played::shared()?.session, other_session()?);
    let signed = |nonce: &Nonce, at: u64| Sent::new(&session, METHOD, TARGET, at, nonce);
    let [a, b, c] = ["first", "second", "third"].map(nonce);
    let first = signed(&a, NOW)?;
    let mac = nen::SIGNATURE_HEADER;
    let unsigned =
        |at: u64| -> Made<Sent> { Ok(signed(&a, at)?.without(mac).without(nen::TIMESTAMP_HEADER)) };
    let minute = 60_000;
    file(
        "replay",
        "Sequences of requests on a clock, each to a server that begins with the two sessions and no nonce: which of \
         them are let in. maxNoncesPerSession is how many nonces it may remember of one session.",
        vec![
            vector("a request that comes twice", vec![first.admitted(), first.refused(ReplayNonceReused)]),
            vector(
                "a request that comes again at the end of its window",
                vec![
                    first.admitted(),
                    first.clone().at(NOW + 30_000).refused(ReplayNonceReused),
                    first.clone().at(NOW + 30_001).refused(AuthTimestampOutOfWindow),
                ],
            ),
            vector(
                "a nonce that comes again under another time and path",
                vec![
                    first.admitted(),
                    Sent::new(&session, "GET", "/api/other", NOW + 5_000, &a)?.refused(ReplayNonceReused),
                ],
            ),
            vector(
                "a nonce that comes again under another session",
                vec![
                    first.admitted(),
                    Sent::new(&other, METHOD, TARGET, NOW, &a)?.admitted(),
                    first.refused(ReplayNonceReused),
                ],
            ),
            vector(
                "a nonce whose window has passed",
                vec![
                    first.admitted(),
                    signed(&a, NOW + minute)?.admitted(),
                    signed(&a, NOW + minute)?.refused(ReplayNonceReused),
                ],
            ),
            vector(
                "a request from a clock that is ahead is remembered for as long as it is good",
                vec![
                    signed(&a, NOW + 30_000)?.at(NOW).admitted(),
                    signed(&a, NOW + 30_000)?.at(NOW + minute).refused(ReplayNonceReused),
                    signed(&a, NOW + 30_000)?.at(NOW + minute + 1).refused(AuthTimestampOutOfWindow),
                ],
            ),
            vector(
                "many nonces",
                vec![
                    first.admitted(),
                    signed(&b, NOW)?.admitted(),
                    signed(&c, NOW + 1)?.admitted(),
                    first.refused(ReplayNonceReused),
                    signed(&b, NOW)?.refused(ReplayNonceReused),
                    signed(&c, NOW + 1)?.refused(ReplayNonceReused),
                ],
            ),
            vector(
                "a wrong signature burns no nonce",
                vec![
                    first.clone().header(mac, base64([0; 32])).refused(AuthSignatureInvalid),
                    first.admitted(),
                ],
            ),
            vector(
                "a time out of the window burns no nonce",
                vec![
                    signed(&a, NOW + 40_000)?.at(NOW).refused(AuthTimestampOutOfWindow),
                    signed(&a, NOW + 40_000)?.at(NOW + 20_000).admitted(),
                ],
            ),
            vector(
                "a body that does not open burns its nonce",
                vec![
                    first.clone().body(sealed_body(&session, &b, b"{}")?).refused(CryptoDecryptFailed),
                    first.clone().body(sealed_body(&session, &a, b"{}")?).refused(ReplayNonceReused),
                ],
            ),
            vector(
                "a body that was stripped, and then the request whole",
                vec![
                    first.admitted(),
                    first.clone().body(sealed_body(&session, &a, b"{}")?).refused(ReplayNonceReused),
                ],
            ),
            vector(
                "a server that is not strict remembers a nonce for the whole session",
                vec![
                    first.admitted(),
                    unsigned(NOW + 5 * minute)?.refused(ReplayNonceReused),
                    unsigned(session.expires_ms() - 1)?.refused(ReplayNonceReused),
                ],
            )
            .with("strict", false),
            vector(
                "a server that is not strict, and a nonce without a signature",
                vec![
                    unsigned(NOW)?.admitted(),
                    unsigned(NOW + 5 * minute)?.refused(ReplayNonceReused),
                    signed(&a, NOW + 10 * minute)?.refused(ReplayNonceReused),
                ],
            )
            .with("strict", false),
            vector(
                "a body that comes again under a signature of whoever has the HMAC key",
                vec![
                    first.clone().body(sealed_body(&session, &a, b"{}")?).opens(b"{}"),
                    signed(&a, NOW + minute)?
                        .body(sealed_body(&session, &a, b"{}")?)
                        .refused(ReplayNonceReused),
                    signed(&a, session.expires_ms() - 1)?.refused(ReplayNonceReused),
                ],
            )
            .with("noncesForSession", true),
            vector(
                "no more nonces than can be remembered, and none forgotten",
                vec![
                    first.admitted(),
                    signed(&b, NOW)?.admitted(),
                    signed(&c, NOW)?.refused(ReplayCacheFull),
                    first.refused(ReplayNonceReused),
                    Sent::new(&other, METHOD, TARGET, NOW, &c)?.admitted(),
                    signed(&c, NOW + minute)?.admitted(),
                ],
            )
            .with("maxNoncesPerSession", 2u64),
            vector(
                "status is signed by a nonce like any other",
                vec![
                    Sent::new(&session, "GET", "/api/nen/status", NOW, &a)?.answered(200, VALID),
                    Sent::new(&session, "GET", "/api/nen/status", NOW, &a)?.refused(ReplayNonceReused),
                    signed(&a, NOW)?.refused(ReplayNonceReused),
                ],
            ),
        ],
    )
}

const VALID: &str = r#"{"valid":true}"#;
const NOT_VALID: &str = r#"{"valid":false}"#;
const SUCCESS: &str = r#"{"success":true}"#;

pub(super) fn endpoints() -> Made<File> {
    use Code::{
        AuthSignatureInvalid, AuthSignatureMissing, HandshakeMissingPublicKey, SessionHeaderMissing,
        SessionInvalidOrExpired, WireInvalidPayloadFormat,
    };
    let session = Played::shared()?.session;
    let status = "/api/nen/status";
    let bare = |method: &str, target: &str| -> Made<Sent> {
        let sent = Sent::new(&session, method, target, NOW, &nonce(&format!("{method} {target}")))?;
        Ok(sent.without(nen::SIGNATURE_HEADER).without(nen::NONCE_HEADER).without(nen::TIMESTAMP_HEADER))
    };
    let signed =
        |label: &str, method: &str, target: &str| Sent::new(&session, method, target, NOW, &nonce(label));
    let (get, terminate, rotate) =
        (bare("GET", status)?, bare("POST", "/api/nen/terminate")?, bare("POST", "/api/nen/rotate")?);
    let sid = nen::SESSION_HEADER;
    let unknown = "11111111-2222-4333-8444-555555555555";
    let asks = || get.answered(200, VALID);
    let require = |object: Object| object.with("requireSignedLifecycle", true);
    let end = session.expires_ms();
    let too_long = vec![b' '; MAX_HANDSHAKE_BODY + 1];
    file(
        "endpoints",
        "Requests to the session endpoints on a clock, each sequence to a server that begins with the two sessions: \
         status and body of the answer, or the code of the error. A status of 404 has a body of the server's own.",
        vec![
            one("status, not signed", asks()),
            one("status, signed", signed("status", "GET", status)?.answered(200, VALID)),
            one("status with a query", get.clone().target("/api/nen/status?x=1").answered(200, VALID)),
            vector(
                "status until the session ends",
                vec![
                    get.clone().at(end - 1).answered(200, VALID),
                    get.clone().at(end).answered(401, NOT_VALID),
                ],
            ),
            one(
                "status of a session that is not there",
                get.clone().header(sid, unknown).answered(401, NOT_VALID),
            ),
            one("status of what is no session id", get.clone().header(sid, "x").answered(401, NOT_VALID)),
            one("status without a session", get.clone().without(sid).refused(SessionHeaderMissing)),
            one("status, signed, of a session that is not there", {
                signed("status", "GET", status)?.header(sid, unknown).answered(401, NOT_VALID)
            }),
            one(
                "status, signed, without a nonce",
                signed("status", "GET", status)?.without(nen::NONCE_HEADER).refused(Code::AuthNonceMissing),
            ),
            one(
                "status with a wrong signature",
                signed("status", "GET", status)?
                    .header(nen::SIGNATURE_HEADER, base64([0; 32]))
                    .refused(AuthSignatureInvalid),
            ),
            require(one("status, not signed, where it must be", get.refused(AuthSignatureMissing))),
            require(one(
                "status, signed, where it must be",
                signed("status", "GET", status)?.answered(200, VALID),
            )),
            vector(
                "terminate ends a session",
                vec![
                    asks(),
                    terminate.answered(200, SUCCESS),
                    get.answered(401, NOT_VALID),
                    signed("after it", METHOD, TARGET)?.refused(SessionInvalidOrExpired),
                    terminate.answered(200, SUCCESS),
                ],
            ),
            vector(
                "terminate, signed",
                vec![
                    signed("terminate", "POST", "/api/nen/terminate")?.answered(200, SUCCESS),
                    get.answered(401, NOT_VALID),
                ],
            ),
            vector(
                "terminate, signed, that comes again",
                vec![
                    signed("terminate", "POST", "/api/nen/terminate")?.answered(200, SUCCESS),
                    signed("terminate", "POST", "/api/nen/terminate")?.answered(200, SUCCESS),
                ],
            ),
            one(
                "terminate, signed 30,001 ms ago",
                signed("terminate", "POST", "/api/nen/terminate")?
                    .at(NOW + 30_001)
                    .refused(Code::AuthTimestampOutOfWindow),
            ),
            one("bodies of status are not read", get.clone().body("{").answered(200, VALID)),
            one(
                "bodies of terminate are not read, however long",
                terminate.clone().body(&too_long).answered(200, SUCCESS),
            ),
            vector(
                "terminate ends no other session",
                vec![terminate.clone().header(sid, unknown).answered(200, SUCCESS), asks()],
            ),
            vector(
                "terminate without a session",
                vec![terminate.clone().without(sid).refused(SessionHeaderMissing), asks()],
            ),
            vector(
                "terminate with a wrong signature",
                vec![
                    signed("terminate", "POST", "/api/nen/terminate")?
                        .header(nen::SIGNATURE_HEADER, base64([0; 32]))
                        .refused(AuthSignatureInvalid),
                    asks(),
                ],
            ),
            require(vector(
                "terminate, not signed, where it must be",
                vec![terminate.refused(AuthSignatureMissing)],
            )),
            vector(
                "a rotation without a key loses nothing",
                vec![rotate.refused(HandshakeMissingPublicKey), asks()],
            ),
            vector(
                "a rotation with a bad key loses nothing",
                vec![rotate.clone().body(r#"{"pk":"AAAA"}"#).refused(HandshakeMissingPublicKey), asks()],
            ),
            vector(
                "a rotation with half of an identity loses nothing",
                vec![
                    rotate
                        .clone()
                        .body(Played::shared()?.body.replace('}', r#","sigPk":""}"#))
                        .refused(Code::AuthIdentitySignatureInvalid),
                    asks(),
                ],
            ),
            vector(
                "a rotation with a wrong signature",
                vec![
                    signed("rotate", "POST", "/api/nen/rotate")?
                        .header(nen::SIGNATURE_HEADER, base64([0; 32]))
                        .body(Played::shared()?.body)
                        .refused(AuthSignatureInvalid),
                    asks(),
                ],
            ),
            vector(
                "a rotation that is too long loses nothing",
                vec![rotate.clone().body(&too_long).refused(WireInvalidPayloadFormat), asks()],
            ),
            one(
                "a rotation of a session that is not there",
                rotate
                    .clone()
                    .header(sid, unknown)
                    .body(Played::shared()?.body)
                    .refused(SessionInvalidOrExpired),
            ),
            one(
                "a rotation without a session",
                rotate.clone().without(sid).body(Played::shared()?.body).refused(SessionHeaderMissing),
            ),
            require(vector(
                "a rotation, not signed, where it must be",
                vec![rotate.clone().body(Played::shared()?.body).refused(AuthSignatureMissing)],
            )),
            one(
                "a handshake without a key",
                bare("POST", "/api/nen/handshake")?.body("{}").refused(HandshakeMissingPublicKey),
            ),
            one(
                "a handshake that is too long",
                bare("POST", "/api/nen/handshake")?.body(&too_long).refused(WireInvalidPayloadFormat),
            ),
            one("a body that is too long where nothing is", {
                bare("POST", "/api/nen/renew")?.body(&too_long).not_found()
            }),
            one("status in absolute form", {
                get.clone().target("http://example.com/api/nen/status").answered(200, VALID)
            }),
            one("a method in lower case", bare("get", status)?.not_found()),
            one("an action that is percent-encoded", bare("GET", "/api/nen/%73tatus")?.not_found()),
            one("two slashes", bare("GET", "/api/nen//status")?.not_found()),
            one("GET handshake", bare("GET", "/api/nen/handshake")?.not_found()),
            one("POST status", bare("POST", status)?.not_found()),
            one("HEAD status", bare("HEAD", status)?.not_found()),
            one("GET terminate", bare("GET", "/api/nen/terminate")?.not_found()),
            one("another action", bare("POST", "/api/nen/renew")?.not_found()),
            one("an action in upper case", bare("POST", "/api/nen/Handshake")?.not_found()),
            one("a slash at the end", bare("GET", "/api/nen/status/")?.not_found()),
            one("no action", bare("POST", "/api/nen/")?.not_found()),
            one(
                "a path of the application's that begins alike",
                signed("alike", "GET", "/api/nenya/status")?.admitted(),
            ),
        ],
    )
}
