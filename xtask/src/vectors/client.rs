//! Answers, as a client takes or refuses them.

use nen::{Code, Nonce, Session};

use super::{
    Made,
    format::{File, Object, hex},
    seeds::{NOW, Played, base64, flipped, nonce},
};

fn error_body(code: Code) -> Made<String> {
    Ok(String::from_utf8(nen::Answer::error(&nen::Error::new(code, "")).into_body())?)
}

fn answer_body(session: &Session, nonce: &Nonce, plaintext: &[u8]) -> Made<String> {
    let (ct, n) = (base64(session.seal(nonce, plaintext)?), base64(nonce.as_bytes()));
    Ok(format!(r#"{{"ct":"{ct}","n":"{n}"}}"#))
}

pub(super) fn answers() -> Made<File> {
    use Code::{
        CryptoDecryptFailed as NotOpened, CryptoPayloadNotJson as NotJson, WireDecodeFailed as NotBase64,
        WireInvalidPayloadFormat as BadFormat,
    };
    let played = Played::shared()?;
    let session = &played.session;
    let n = nonce("answer");
    let plaintext = r#"{"message":"Securely processed"}"#;
    let good = answer_body(session, &n, plaintext.as_bytes())?;
    let (ct, text) = (session.seal(&n, plaintext.as_bytes())?, base64(n.as_bytes()));
    let of_ct = |ct: &[u8]| format!(r#"{{"ct":"{}","n":"{text}"}}"#, base64(ct));
    let of = |name: &str, method: &str, status: u16, body: &[u8]| {
        Object::named(name).with("method", method).with("status", status).bytes("body", body)
    };
    let opens =
        |name, status, body: &str| of(name, "POST", status, body.as_bytes()).with("plaintext", plaintext);
    let sealed = |name, plaintext: &str| -> Made<Object> {
        Ok(of(name, "POST", 200, answer_body(session, &n, plaintext.as_bytes())?.as_bytes())
            .with("plaintext", plaintext))
    };
    let refused = |name: &str, body: &str, code| of(name, "POST", 200, body.as_bytes()).error(code);
    let error = |name, status, code| -> Made<Object> {
        Ok(of(name, "POST", status, error_body(code)?.as_bytes()).error(code))
    };
    let foreign =
        |name, status, body: &str| of(name, "POST", status, body.as_bytes()).with("outcome", "foreign");
    Ok(File {
        name: "answers",
        kind: "answer",
        about: "Answers to a request of a client that shook hands with the given randomness: what they open to (false \
                for none), or the error; outcome foreign is an answer that is not of the protocol and is handed over \
                as it is, outcome reestablish means a new handshake and another attempt.",
        shared: played.client_half().with("nowMs", NOW),
        vectors: vec![
            opens("200", 200, &good),
            opens("201", 201, &good),
            opens("299", 299, &good),
            opens("a refusal of the application's, sealed", 422, &good),
            opens("a failure of the application's, sealed", 500, &good),
            opens("a redirect of the application's, sealed", 302, &good),
            opens("a 401 of the application's, sealed", 401, &good),
            opens("unknown members are ignored", 200, &good.replace('}', r#","future":{}}"#)),
            opens("members in another order", 200, &format!(r#"{{"n":"{text}","ct":"{}"}}"#, base64(&ct))),
            sealed("null", "null")?,
            sealed("a string", "\"念\"")?,
            of("HEAD", "HEAD", 200, b"").with("plaintext", false),
            of("HEAD, not found", "HEAD", 404, b"").with("outcome", "foreign"),
            refused("no body", "", BadFormat),
            of("no content", "POST", 204, b"").error(BadFormat),
            refused("plain JSON", plaintext, BadFormat),
            refused("no JSON", "<html>", BadFormat),
            refused("an array", "[]", BadFormat),
            of("no UTF-8", "POST", 200, &[good.as_bytes(), b"\xff"].concat()).error(BadFormat),
            refused("a byte order mark", &format!("\u{feff}{good}"), BadFormat),
            refused("n is null", &good.replace(&format!("\"{text}\""), "null"), BadFormat),
            refused("n is empty", &good.replace(&text, ""), BadFormat),
            refused("no n", &format!(r#"{{"ct":"{}"}}"#, base64(&ct)), BadFormat),
            refused("no ct", &format!(r#"{{"n":"{text}"}}"#), BadFormat),
            refused("ct is a number", &format!(r#"{{"ct":1,"n":"{text}"}}"#), BadFormat),
            refused("n stands twice", &good.replace("\"n\"", &format!("\"n\":\"{text}\",\"n\"")), BadFormat),
            refused("n of 11 bytes", &good.replace(&text, &base64([0; 11])), BadFormat),
            refused("n of 13 bytes", &good.replace(&text, &base64([0; 13])), BadFormat),
            refused("text after the object", &format!("{good},"), BadFormat),
            refused(
                "an error of the protocol under 200",
                &error_body(Code::SessionInvalidOrExpired)?,
                BadFormat,
            ),
            refused("ct is no base64", &format!(r#"{{"ct":"?","n":"{text}"}}"#), NotBase64),
            refused("n is no base64", &good.replace(&text, "????????????????"), NotBase64),
            refused("a bit of the ciphertext turned", &of_ct(&flipped(&ct, 0)), NotOpened),
            refused("a bit of the tag turned", &of_ct(&flipped(&ct, ct.len() - 1)), NotOpened),
            refused("another n", &good.replace(&text, &base64([1; 12])), NotOpened),
            refused("shorter than a tag", &of_ct(&ct[..15]), NotOpened),
            refused("text that is no JSON, sealed", &answer_body(session, &n, b"yes")?, NotJson),
            refused("nothing, sealed", &answer_body(session, &n, b"")?, NotJson),
            refused("no UTF-8, sealed", &answer_body(session, &n, b"\"\xff\"")?, NotJson),
            of("tampered with, under 404", "POST", 404, of_ct(&flipped(&ct, 0)).as_bytes()).error(NotOpened),
            error("an error of the handler's", 500, Code::Internal)?,
            error(
                "a clock that disagrees, in an answer that has no date",
                401,
                Code::AuthTimestampOutOfWindow,
            )?,
            error("a replay", 409, Code::ReplayNonceReused)?,
            error("a wrong signature", 401, Code::AuthSignatureInvalid)?,
            error("a store that is away", 503, Code::StoreUnavailable)?,
            error("an error under a status that is not its own", 418, Code::ReplayCacheFull)?,
            of(
                "a session that has ended",
                "POST",
                401,
                error_body(Code::SessionInvalidOrExpired)?.as_bytes(),
            )
            .with("outcome", "reestablish"),
            foreign("a page under 404", 404, "<html>"),
            foreign("a bare 401", 401, ""),
            foreign("a redirect", 302, ""),
            foreign("not modified", 304, ""),
            foreign(
                "an error whose code stands twice",
                401,
                r#"{"error":{"code":"ISO-2002","code":"ISO-2002","message":"x"}}"#,
            ),
            foreign(
                "an error whose message is a number",
                401,
                r#"{"error":{"code":"ISO-2002","message":1}}"#,
            ),
            foreign("an error that is a list", 401, r#"{"error":[{"code":"ISO-2002","message":"x"}]}"#),
            foreign("JSON of a proxy's under 502", 502, r#"{"error":"upstream"}"#),
            foreign("an error of no known code", 401, r#"{"error":{"code":"ISO-0000","message":"x"}}"#),
            foreign("an error without a message", 401, r#"{"error":{"code":"ISO-2002"}}"#),
        ],
    })
}

pub(super) fn lifecycle_answers() -> Made<File> {
    let played = Played::shared()?;
    let of = |name: &str, action: &str, status: u16, body: &str| {
        Object::named(name).with("action", action).with("status", status).with("body", body)
    };
    let bad = Code::WireInvalidPayloadFormat;
    let (valid, not_valid, success) = (r#"{"valid":true}"#, r#"{"valid":false}"#, r#"{"success":true}"#);
    let gone = error_body(Code::SessionInvalidOrExpired)?;
    let away = error_body(Code::StoreUnavailable)?;
    Ok(File {
        name: "lifecycle-answers",
        kind: "lifecycleAnswer",
        about: "Answers to status, terminate and rotate of a client that shook hands with the given randomness: whether \
                it was done (of status: whether the session lives), or the error; outcome reestablish means that there \
                is no session to rotate.",
        shared: played.client_half().with("nowMs", NOW),
        vectors: vec![
            of("it lives", "status", 200, valid).with("done", true),
            of("it lives, with unknown members", "status", 200, r#"{"future":1,"valid":true}"#)
                .with("done", true),
            of("it does not live", "status", 401, not_valid).with("done", false),
            of("valid under 401", "status", 401, valid).error(bad),
            of("not valid under 200", "status", 200, not_valid).error(bad),
            of("valid under 201", "status", 201, valid).error(bad),
            of("valid is a string", "status", 200, r#"{"valid":"true"}"#).error(bad),
            of("valid stands twice", "status", 200, r#"{"valid":true,"valid":true}"#).error(bad),
            of("nothing of it", "status", 200, "{}").error(bad),
            of("a page", "status", 404, "<html>").error(bad),
            of("a bare 401", "status", 401, "").error(bad),
            of("the store is away", "status", 503, &away).error(Code::StoreUnavailable),
            of("it was ended", "terminate", 200, success).with("done", true),
            of("it was ended, under another 2xx", "terminate", 201, success).with("done", true),
            of("it had ended before", "terminate", 401, &gone).error(Code::SessionInvalidOrExpired),
            of("success is false", "terminate", 200, r#"{"success":false}"#).error(bad),
            of("success under 500", "terminate", 500, success).error(bad),
            of("ended, and nothing said", "terminate", 200, "").error(bad),
            of("it could not be ended", "terminate", 503, &away).error(Code::StoreUnavailable),
            of("there is nothing to rotate", "rotate", 401, &gone).with("outcome", "reestablish"),
            of("no rotation", "rotate", 200, success).error(Code::HandshakeBadResponse),
            of("a page in place of a rotation", "rotate", 502, "<html>").error(Code::HandshakeBadResponse),
            of("a rotation that failed", "rotate", 503, &away).error(Code::StoreUnavailable),
        ],
    })
}

/// A stream as its sender made it.
struct Stream {
    base: [u8; 12],
    chunks: Vec<Vec<u8>>,
    nonces: Vec<[u8; 12]>,
    frames: Vec<String>,
}

impl Stream {
    fn new(session: &Session, base: [u8; 12], chunks: &[&[u8]]) -> Made<Self> {
        let mut made = Self {
            base,
            chunks: chunks.iter().map(|chunk| chunk.to_vec()).collect(),
            nonces: Vec::new(),
            frames: Vec::new(),
        };
        for (index, chunk) in (0u32..).zip(chunks.iter().copied().chain([&b"__FIN__"[..]])) {
            let mut nonce = base;
            let counter = u32::from_le_bytes(base[8..].try_into()?) ^ index;
            nonce[8..].copy_from_slice(&counter.to_le_bytes());
            made.nonces.push(nonce);
            made.frames.push(base64(session.seal(&Nonce::from_bytes(nonce), chunk)?));
        }
        Ok(made)
    }

    fn body(&self) -> String {
        self.frames.iter().map(|frame| format!("data: {frame}\n\n")).collect()
    }

    /// A stream that is whole, frame by frame.
    fn whole(&self, name: &str) -> Object {
        let text = self.chunks.iter().all(|chunk| std::str::from_utf8(chunk).is_ok());
        let object = Object::named(name)
            .with("nonceHeader", base64(self.base))
            .with("noncesHex", self.nonces.iter().map(hex).collect::<Vec<_>>())
            .with("frames", self.frames.clone());
        if text {
            object.with(
                "chunks",
                self.chunks
                    .iter()
                    .map(|chunk| String::from_utf8_lossy(chunk).into_owned())
                    .collect::<Vec<_>>(),
            )
        } else {
            object.with("chunksHex", self.chunks.iter().map(hex).collect::<Vec<_>>())
        }
    }

    /// What a reader makes of `body`: the first chunks, and how it ends.
    fn read(&self, name: &str, body: &str, chunks: usize) -> Object {
        let chunks: Vec<String> = self
            .chunks
            .iter()
            .take(chunks)
            .map(|chunk| String::from_utf8_lossy(chunk).into_owned())
            .collect();
        Object::named(name).with("nonceHeader", base64(self.base)).with("body", body).with("chunks", chunks)
    }
}

pub(super) fn streams() -> Made<File> {
    use Code::{
        CryptoDecryptFailed as NotOpened, StreamMissingNonceHeader as NoNonce, StreamTruncated as Truncated,
        WireDecodeFailed as NotBase64, WireInvalidPayloadFormat as TooLong,
    };
    let played = Played::shared()?;
    let session = &played.session;
    let base: [u8; 12] = *nonce("stream").as_bytes();
    let counter = |bytes: [u8; 4]| {
        let mut base = base;
        base[8..].copy_from_slice(&bytes);
        base
    };
    let numbers: Vec<String> = (0..300).map(|number: u32| number.to_string()).collect();
    let numbers: Vec<&[u8]> = numbers.iter().map(String::as_bytes).collect();
    let words = Stream::new(session, base, &[b"secure ", b"streaming ", b"works "])?;
    let letters = Stream::new(session, base, &[b"a", b"b"])?;
    let elsewhere = Stream::new(session, counter([0; 4]), &[b"secure ", b"streaming "])?;
    let [first, second, third, end] =
        <[String; 4]>::try_from(words.frames.clone()).map_err(|_| "four frames")?;
    let data = |frames: &[&str]| frames.iter().map(|frame| format!("data: {frame}\n\n")).collect::<String>();
    let good = words.body();
    let whole = |name, body: &str| words.read(name, body, 3).with("complete", true);
    let bad = |name, body: &str, chunks, code| words.read(name, body, chunks).error(code);
    let header = |name: &str, value: &str| {
        Object::named(name)
            .with("nonceHeader", value)
            .with("body", good.as_str())
            .with("chunks", Vec::<String>::new())
            .error(NoNonce)
    };
    let turned = base64(flipped(nen::primitives::base64_decode(&second)?, 1));
    Ok(File {
        name: "streams",
        kind: "stream",
        about: "Sealed streams. With frames: every frame is its chunk sealed under its nonce, the last one is the text \
                __FIN__, and the body is a line of data for each. With body: what a reader makes of it. chunks are \
                those that come out before the stream ends well (complete) or with an error. maxChunk is the most \
                bytes of a chunk.",
        shared: played.client_half().with("nowMs", NOW),
        vectors: vec![
            words.whole("three words"),
            Stream::new(session, base, &[])?.whole("no chunk"),
            Stream::new(session, base, &[b""])?.whole("an empty chunk"),
            Stream::new(session, counter([0; 4]), &numbers)?
                .whole("300 chunks: the low byte of the index wraps"),
            Stream::new(session, counter([0xff; 4]), &numbers[..3])?.whole("a counter of ff ff ff ff"),
            Stream::new(session, counter([0xfe, 0xff, 0, 0]), &numbers[..4])?
                .whole("a counter whose XOR is no sum"),
            Stream::new(session, base, &[b"_", b"_FIN__"])?.whole("the text of the end mark, in two chunks"),
            Stream::new(session, base, &["__FIN__ ".as_bytes(), b" __FIN__", b"__fin__"])?
                .whole("what is almost the end mark"),
            Stream::new(session, base, &[&[0xe5, 0xbf], &[0xb5]])?.whole("a letter in two chunks"),
            Stream::new(session, base, &[&[0], &[0xff; 70]])?.whole("bytes that are no text"),
            whole("lines that end in CR LF", &good.replace('\n', "\r\n")),
            whole("lines that end in CR", &good.replace('\n', "\r")),
            whole("no space after the colon", &good.replace("data: ", "data:")),
            whole("a byte order mark at the start", &format!("\u{feff}{good}")),
            whole(
                "comments and other fields",
                &format!(": hello\n\nevent: x\nid: 7\nretry: 1\n{good}")
                    .replace("\n\ndata", "\n\n: ping\n\ndata"),
            ),
            whole("a field whose name only begins with data", &good.replace("data", "datum: x\ndata")),
            whole("blank lines", &good.replace("\n\n", "\n\n\n\n")),
            whole("line ends of all kinds", &good.replacen('\n', "\r", 2).replacen('\n', "\r\n", 2)),
            whole("anything after the end mark", &format!("{good}data: ?\n\n{good}")),
            bad("nothing", "", 0, Truncated),
            bad("no end mark", &data(&[&first, &second, &third]), 3, Truncated),
            bad(
                "an end mark without its last line",
                good.strip_suffix('\n').unwrap_or_default(),
                3,
                Truncated,
            ),
            bad("cut in the middle of a frame", &good[..good.len() - 20], 3, Truncated),
            bad("two chunks swapped", &data(&[&second, &first, &third, &end]), 0, NotOpened),
            bad("a chunk dropped", &data(&[&first, &third, &end]), 1, NotOpened),
            bad("a chunk twice", &data(&[&first, &first, &second]), 1, NotOpened),
            bad("the end mark too early", &data(&[&first, &end]), 1, NotOpened),
            bad("a bit of a chunk turned", &data(&[&first, &turned, &third, &end]), 1, NotOpened),
            bad("a frame that is no base64", &data(&[&first, "?", &third, &end]), 1, NotBase64),
            bad("a frame of two lines", &good.replacen("data: ", "data: AAAA\ndata: ", 1), 0, NotBase64),
            bad("a data line without a colon", &format!("data\n\n{good}"), 0, NotOpened),
            bad("two spaces after the colon", &good.replacen("data: ", "data:  ", 1), 0, NotBase64),
            bad("a name in upper case", &good.replacen("data", "DATA", 1), 0, NotOpened),
            bad(
                "a byte order mark before a later line",
                &good.replacen("\n\ndata", "\n\n\u{feff}data", 1),
                1,
                NotOpened,
            ),
            bad("a frame of another stream", &data(&[&first, &elsewhere.frames[1], &end]), 1, NotOpened),
            bad("plain text", "data: secure\n\n", 0, NotBase64),
            bad("a line that does not end", &format!("data: {}", "A".repeat(200)), 0, TooLong)
                .with("maxChunk", 10u64),
            bad(
                "lines of one frame that together are too long",
                &"data: AAAAAAAAAAAA\n".repeat(8),
                0,
                TooLong,
            )
            .with("maxChunk", 10u64),
            bad("a comment that is too long", &format!(": {}\n{good}", "x".repeat(100)), 0, TooLong)
                .with("maxChunk", 10u64),
            bad("a chunk that is too long by one byte", &good, 0, TooLong).with("maxChunk", 6u64),
            letters
                .read("an end mark that is longer than a chunk may be", &letters.body(), 2)
                .with("complete", true)
                .with("maxChunk", 1u64),
            bad("a chunk that is too long", &good, 1, TooLong).with("maxChunk", 8u64),
            words
                .read("chunks as long as they may be", &good, 3)
                .with("complete", true)
                .with("maxChunk", 10u64),
            header("no base nonce", ""),
            header("a base nonce of 11 bytes", &base64(&base[..11])),
            header("a base nonce in the URL alphabet", "____AAAAAAAAAAAA"),
        ],
    })
}
