//! What servers share: records, keys, and the table of errors.

use nen::{Code, NonceClaim, SessionId, primitives};

use super::{
    Made,
    format::{File, Object},
    seeds::{Played, base64, draw, flipped, nonce},
};

pub(super) fn records() -> Made<File> {
    let identity = super::seeds::DrawnIdentity::new("identity")?;
    let session = Played::shared()?.session;
    let with_identity =
        Played::new("handshake with an identity", nen::DEFAULT_SESSION_TTL_MS, Some(&identity))?.session;
    let (plain, sid) = (session.to_record().to_string(), session.id().to_text());
    let (old, new): ([u8; 32], [u8; 32]) = (draw("old store key"), draw("new store key"));
    let (old_text, new_text) = (base64(old), base64(new));
    let sealed = |key: &[u8; 32], record: &str, id: &str| -> Made<String> {
        let nonce = nonce(&format!("record of {id}"));
        let key = primitives::hmac_sign(key, format!("nen:record:{id}").as_bytes());
        let ct = base64(primitives::aead_seal(&key, &nonce, record.as_bytes())?);
        Ok(format!(r#"{{"ct":"{ct}","n":"{}"}}"#, base64(nonce.as_bytes())))
    };
    let case = |name: &str, id: &str, keys: &[&str], record: &str| {
        let keys: Vec<&str> = keys.to_vec();
        Object::named(name)
            .with("sid", id)
            .with("storeKeys", keys)
            .with("ttlMs", 60_000u64)
            .with("record", record)
    };
    let read =
        |name, keys: &[&str], record: &str| case(name, &sid, keys, record).with("plain", plain.as_str());
    let refused =
        |name, keys: &[&str], record: &str| case(name, &sid, keys, record).error(Code::StoreUnavailable);
    let of_old = sealed(&old, &plain, &sid)?;
    let typescript =
        format!("{},\"future\":true}}", &plain[..plain.find(",\"expiresAt\"").unwrap_or_default()]);
    let created = session.created_ms();
    let until = plain.replace(&session.expires_ms().to_string(), &(created + 60_000).to_string());
    let id = with_identity.id().to_text();
    let known = with_identity.to_record().to_string();
    let other = SessionId::parse(id.as_bytes()).ok_or("an id")?.to_text();
    let secret = plain.split('"').nth(3).ok_or("a record begins with its secret")?;
    let no_keys = plain.replace("sharedSecret", "shared");
    let tampered = {
        let ct = primitives::base64_decode(&of_old[7..of_old.find("\",\"n\"").unwrap_or_default()])?;
        of_old.replace(&base64(&ct[..]), &base64(flipped(&ct[..], 20)))
    };
    Ok(File {
        name: "records",
        kind: "record",
        about: "A session's record as a shared store keeps it, and the same in the clear once it is read. storeKeys is \
                the server's list in order: base64 of 32 bytes, or the word plain. A sealed record is that in the \
                clear, sealed under HMAC-SHA256(store key, \"nen:record:\" and the session id).",
        shared: Object::default(),
        vectors: vec![
            read("in the clear", &["plain"], &plain),
            case("with an identity", &id, &["plain"], &known).with("plain", known.as_str()),
            case("of a TypeScript server, which does not say when it ends", &sid, &["plain"], &typescript)
                .with("plain", until.as_str()),
            read("sealed", &[&old_text], &of_old),
            case("sealed, with an identity", &id, &[&old_text], &sealed(&old, &known, &id)?)
                .with("plain", known.as_str()),
            read("sealed under the first of two keys", &[&old_text, &new_text], &of_old),
            read("sealed under the second of two keys", &[&new_text, &old_text], &of_old),
            read("sealed, where those in the clear are read too", &[&old_text, "plain"], &of_old),
            read("in the clear, where sealed ones are read too", &["plain", &old_text], &plain),
            read("in the clear, where new ones are sealed", &[&new_text, "plain"], &plain),
            refused("in the clear, where all must be sealed", &[&old_text], &plain),
            refused("sealed, where no key is known", &["plain"], &of_old),
            refused("sealed under another key", &[&new_text], &of_old),
            refused("sealed for another session", &[&old_text], &sealed(&old, &plain, &other)?),
            refused("sealed with a bit turned", &[&old_text], &tampered),
            refused("what is sealed is no record", &[&old_text], &sealed(&old, "{}", &sid)?),
            read("sealed, with unknown members", &[&old_text], &of_old.replace('}', r#","future":1}"#)),
            refused(
                "sealed, and its nonce is missing",
                &[&old_text],
                &format!("{}\"}}", &of_old[..of_old.find("\",\"n\"").unwrap_or_default()]),
            ),
            refused("sealed, and ct stands twice", &[&old_text], &of_old.replace('{', r#"{"ct":"","#)),
            refused("nothing", &["plain"], ""),
            refused("a secret of 31 bytes", &["plain"], &plain.replace(secret, &base64([1; 31]))),
            refused(
                "a secret twice",
                &["plain"],
                &plain.replace('{', &format!(r#"{{"sharedSecret":"{secret}","#)),
            ),
            refused(
                "a time with a sign",
                &["plain"],
                &plain.replace(&created.to_string(), &format!("-{created}")),
            ),
            refused("an identity that is no key", &["plain"], &plain.replace('}', r#","identity":"AAAA"}"#)),
            refused("no record", &["plain"], "{}"),
            refused("no JSON", &["plain"], "record"),
            refused("a member is missing", &["plain"], &no_keys),
            refused(
                "a time that is a string",
                &["plain"],
                &plain.replace(&created.to_string(), &format!("\"{created}\"")),
            ),
            refused(
                "a time with a fraction",
                &["plain"],
                &plain.replace(&created.to_string(), &format!("{created}.0")),
            ),
            refused(
                "a time with an exponent",
                &["plain"],
                &plain.replace(&created.to_string(), &format!("{}e3", created / 1000)),
            ),
            refused("a key that is no base64", &["plain"], &plain.replace("=\"", "\"")),
        ],
    })
}

pub(super) fn shared_keys() -> Made<File> {
    let session = Played::shared()?.session;
    let case = |name: &str, nonce: nen::Nonce| {
        let claim = NonceClaim { session: session.id(), nonce, until_ms: 0 };
        Object::named(name)
            .with("sid", session.id().to_text())
            .hex("nonce", nonce.as_bytes())
            .with("recordKey", session.id().record_key())
            .with("nonceKey", claim.key())
    };
    Ok(File {
        name: "shared-keys",
        kind: "sharedKey",
        about: "The keys under which a shared store keeps a session's record and a nonce that was used.",
        shared: Object::default(),
        vectors: vec![
            case("a nonce", nonce("shared key")),
            case(
                "a nonce whose base64 has both marks",
                nen::Nonce::from_bytes([
                    0xfb, 0xef, 0xff, 0xfb, 0xef, 0xff, 0xfb, 0xef, 0xff, 0xfb, 0xef, 0xff,
                ]),
            ),
        ],
    })
}

pub(super) fn errors() -> Made<File> {
    let vectors = Code::ALL.iter().map(|code| -> Made<Object> {
        Ok(Object::named(code.as_str())
            .with("status", code.http_status())
            .with("symbol", code.name())
            .bytes("body", nen::Answer::error(&nen::Error::new(*code, "")).into_body()))
    });
    Ok(File {
        name: "errors",
        kind: "error",
        about: "Every code, its HTTP status and name, and the body that travels. The message is for people: another \
                implementation may word it otherwise.",
        shared: Object::default(),
        vectors: vectors.collect::<Made<_>>()?,
    })
}
