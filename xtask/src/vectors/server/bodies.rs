//! Bodies of requests that are let in.

use nen::Code;

use super::{METHOD, Sent, TARGET, file, one, other_session, sealed_body};
use crate::vectors::{
    Made,
    format::{File, Object},
    handshakes::stray_bits,
    seeds::{self, NOW, Played, base64, flipped, nonce},
};

pub(crate) fn bodies() -> Made<File> {
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
            refused("a form feed after the object", format!("{good}\u{c}").as_bytes(), BadFormat)?,
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
            refused("ct with bits after its last byte", stray_bits(&of_ct(&ct[..16])).as_bytes(), NotBase64)?,
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
                of_ct(&session.seal(&seeds::nonce("not the header's"), plaintext)?).as_bytes(),
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
