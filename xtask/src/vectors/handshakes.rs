//! Handshakes: whole ones, and each side's half that must be refused.

use nen::{Code, KEM_PUBLIC_KEY_SIZE, MAX_HANDSHAKE_BODY, Nonce};

use super::{
    Made,
    format::{File, Object},
    seeds::{DrawnIdentity, NOW, Played, base64, flipped, handshake_body},
};

pub(super) fn whole() -> Made<File> {
    let identity = DrawnIdentity::new("identity")?;
    let cases = [
        ("without an identity", "handshake", nen::DEFAULT_SESSION_TTL_MS, None),
        ("with an identity", "handshake with an identity", nen::DEFAULT_SESSION_TTL_MS, Some(&identity)),
        ("a session of one minute", "handshake of a minute", 60_000, None),
    ];
    let vectors = cases.map(|(name, label, ttl_ms, identity)| -> Made<Object> {
        let Played { client_draws, server_draws, body, answer, session } =
            Played::new(label, ttl_ms, identity)?;
        let zero = Nonce::from_bytes([0; 12]);
        Ok(Object::named(name)
            .hex("clientDraws", client_draws)
            .hex("serverDraws", server_draws)
            .with("nowMs", NOW)
            .with("sessionTtlMs", ttl_ms)
            .with("body", body)
            .with("answer", answer)
            .with("sid", session.id().to_text())
            .hex("identity", identity.map(DrawnIdentity::spki).unwrap_or_default())
            .with("record", session.to_record().as_str())
            .with("signature", base64(session.sign("GET", "/", NOW, &zero)?))
            .hex("sealed", session.seal(&zero, b"nen")?))
    });
    Ok(File {
        name: "handshakes",
        kind: "handshake",
        about: "A handshake from given randomness. clientDraws: d, z (FIPS 203 section 6.1). serverDraws: m (section \
                6.2), the HMAC key, 16 bytes of the session id (RFC 9562 section 5.4). Both sides then sign GET / at \
                nowMs and seal the text nen, under a nonce of zeros.",
        shared: Object::default(),
        vectors: vectors.into_iter().collect::<Made<_>>()?,
    })
}

pub(super) fn requests() -> Made<File> {
    let (identity, other) = (DrawnIdentity::new("identity")?, DrawnIdentity::new("another identity")?);
    let key = *nen::derandomized::handshake(&Played::shared()?.client_draws, None)?.public_key();
    let pk = base64(key);
    let (sig_pk, sig) = (base64(identity.spki()), base64(identity.sign(&key, b"")?));
    let plain = format!(r#"{{"pk":"{pk}"}}"#);
    let signed = handshake_body(&key, Some(&identity))?;
    let of_key = |key: &[u8]| format!(r#"{{"pk":"{}"}}"#, base64(key));
    let with = |sig_pk: &str, sig: &str| format!(r#"{{"pk":"{pk}","sigPk":"{sig_pk}","sigOfPk":"{sig}"}}"#);
    // The key with another first coefficient, of 12 bits (FIPS 203 §4.2.1).
    let coefficient = |value: u16| {
        let [low, high] = value.to_le_bytes();
        [&[low, key[1] & 0xf0 | high], &key[2..]].concat()
    };
    let padded = |size: usize| {
        let around = format!(r#"{{"pk":"{pk}","x":""}}"#).len();
        format!(r#"{{"pk":"{pk}","x":"{}"}}"#, "x".repeat(size - around))
    };
    let accepted =
        |name, body: &str, identity: &[u8]| Object::named(name).bytes("body", body).hex("identity", identity);
    let refused = |name: &str, body: &[u8], code| Object::named(name).bytes("body", body).error(code);
    let (no_key, bad_text) = (Code::HandshakeMissingPublicKey, Code::WireDecodeFailed);
    let bad_identity = Code::AuthIdentitySignatureInvalid;
    let required = |object: Object| object.with("requireIdentity", true);
    let only = |object: Object| object.with("allowedHex", vec![super::format::hex(identity.spki())]);
    let by_other = handshake_body(&key, Some(&other))?;
    let mut vectors = vec![
        accepted("a public key alone", &plain, b""),
        accepted("a public key and an identity", &signed, &identity.spki()),
        accepted("unknown members are ignored", &plain.replace('}', r#","future":{"a":[1]}}"#), b""),
        accepted("white space between members", &plain.replace(':', " :\t").replace('{', "{\r\n "), b""),
        accepted("a coefficient of 3328, the last that there is", &of_key(&coefficient(3328)), b""),
        accepted(
            "an unknown member that is nested deeply",
            &plain.replace('}', &format!(r#","x":{}{}}}"#, "[".repeat(500), "]".repeat(500))),
            b"",
        ),
        accepted("a member whose name has an escape", &plain.replace("\"pk\"", "\"\\u0070k\""), b""),
        accepted(
            "a key whose text has an escape",
            &plain.replace(&pk, &format!("\\u00{:02x}{}", pk.as_bytes()[0], &pk[1..])),
            b"",
        ),
        accepted("as long as a handshake may be", &padded(MAX_HANDSHAKE_BODY), b""),
        required(accepted("a server that requires an identity, and one", &signed, &identity.spki())),
        only(accepted("a server that allows this identity", &signed, &identity.spki())),
        refused(
            "one byte longer than a handshake may be",
            padded(MAX_HANDSHAKE_BODY + 1).as_bytes(),
            Code::WireInvalidPayloadFormat,
        ),
        refused("no body", b"", no_key),
        refused("no JSON", b"pk", no_key),
        refused("an array", format!(r#"["{pk}"]"#).as_bytes(), no_key),
        refused("a string", b"\"pk\"", no_key),
        refused("no pk", b"{}", no_key),
        refused("pk is null", br#"{"pk":null}"#, no_key),
        refused("pk is a number", br#"{"pk":1}"#, no_key),
        refused("pk is an array", format!(r#"{{"pk":["{pk}"]}}"#).as_bytes(), no_key),
        refused("pk stands twice", format!(r#"{{"pk":"{pk}","pk":"{pk}"}}"#).as_bytes(), no_key),
        refused("text after the object", format!("{plain}{{}}").as_bytes(), no_key),
        refused("a byte order mark", format!("\u{feff}{plain}").as_bytes(), no_key),
        refused("no UTF-8", &[plain.as_bytes(), b"\xff"].concat(), no_key),
        refused("a name with another case", plain.replace("pk", "PK").as_bytes(), no_key),
        refused("pk is no base64", br#"{"pk":"?"}"#, bad_text),
        refused("pk without its padding", of_key(&key[..1183]).replace('=', "").as_bytes(), bad_text),
        refused(
            "pk in the URL alphabet",
            of_key(&[0xff; KEM_PUBLIC_KEY_SIZE]).replace('/', "_").as_bytes(),
            bad_text,
        ),
        refused(
            "pk with a line feed",
            plain.replace(&pk, &format!("{}\\n{}", &pk[..64], &pk[64..])).as_bytes(),
            bad_text,
        ),
        refused("pk with bits after its last byte", stray_bits(&of_key(&key[..1183])).as_bytes(), bad_text),
        refused("pk is empty", br#"{"pk":""}"#, no_key),
        refused("pk is one byte short", of_key(&key[..1183]).as_bytes(), no_key),
        refused("pk is one byte long", of_key(&[&key[..], &[0]].concat()).as_bytes(), no_key),
        refused(
            "pk does not pass the modulus check",
            of_key(&[0xff; KEM_PUBLIC_KEY_SIZE]).as_bytes(),
            no_key,
        ),
        refused(
            "sigPk without sigOfPk",
            format!(r#"{{"pk":"{pk}","sigPk":"{sig_pk}"}}"#).as_bytes(),
            bad_identity,
        ),
        refused(
            "sigOfPk without sigPk",
            format!(r#"{{"pk":"{pk}","sigOfPk":"{sig}"}}"#).as_bytes(),
            bad_identity,
        ),
        refused(
            "sigPk stands twice",
            signed.replace("\"sigPk\"", "\"sigPk\":\"\",\"sigPk\"").as_bytes(),
            no_key,
        ),
        refused(
            "sigPk is a number",
            with("", &sig).replace("\"sigPk\":\"\"", "\"sigPk\":1").as_bytes(),
            no_key,
        ),
        refused(
            "sigPk and sigOfPk are null",
            plain.replace('}', r#","sigPk":null,"sigOfPk":null}"#).as_bytes(),
            no_key,
        ),
        refused("sigPk and sigOfPk are empty", with("", "").as_bytes(), bad_identity),
        refused("a coefficient of 3329", of_key(&coefficient(3329)).as_bytes(), no_key),
        refused(
            "first: pk is base64",
            plain.replace(&pk, "?").replace('}', r#","sigPk":""}"#).as_bytes(),
            bad_text,
        ),
        refused(
            "second: pk has its size",
            of_key(&key[..1183]).replace('}', r#","sigPk":""}"#).as_bytes(),
            no_key,
        ),
        refused(
            "third: both of the identity's members are there",
            plain.replace('}', r#","sigPk":"?"}"#).as_bytes(),
            bad_identity,
        ),
        refused(
            "fourth: the identity, and only then the modulus check",
            with(&sig_pk, &sig).replace(&pk, &base64(coefficient(3329))).as_bytes(),
            bad_identity,
        ),
        refused("sigPk is no base64", with("?", &sig).as_bytes(), bad_text),
        refused("sigOfPk is no base64", with(&sig_pk, "?").as_bytes(), bad_text),
        refused("sigPk is no key", with(&base64([0; 1974]), &sig).as_bytes(), bad_identity),
        refused("sigPk is a raw key", with(&base64(&identity.spki()[22..]), &sig).as_bytes(), bad_identity),
        refused(
            "sigOfPk is one byte short",
            with(&sig_pk, &base64(&identity.sign(&key, b"")?[..3308])).as_bytes(),
            bad_identity,
        ),
        refused(
            "sigOfPk with one bit turned",
            with(&sig_pk, &base64(flipped(identity.sign(&key, b"")?, 100))).as_bytes(),
            bad_identity,
        ),
        refused(
            "sigOfPk of another key",
            with(&sig_pk, &base64(other.sign(&key, b"")?)).as_bytes(),
            bad_identity,
        ),
        refused(
            "sigOfPk over another public key",
            with(&sig_pk, &base64(identity.sign(&flipped(key, 0), b"")?)).as_bytes(),
            bad_identity,
        ),
        refused(
            "sigOfPk under a context",
            with(&sig_pk, &base64(identity.sign(&key, b"nen")?)).as_bytes(),
            bad_identity,
        ),
        required(refused("a server that requires an identity, and none", plain.as_bytes(), bad_identity)),
        only(refused("a server that allows another identity", by_other.as_bytes(), bad_identity)),
    ];
    vectors.push(only(refused("a server that allows an identity, and none", plain.as_bytes(), bad_identity)));
    Ok(File {
        name: "handshake-requests",
        kind: "handshakeRequest",
        about: "Bodies of POST handshake that a server takes, and which identity it sees (identityHex, DER, empty for \
                none), or refuses.",
        shared: Object::default().with("nowMs", NOW),
        vectors,
    })
}

/// The body with the last bit of its padded base64 set.
pub(super) fn stray_bits(body: &str) -> String {
    let at = body.find('=').unwrap_or_default() - 1;
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let index = alphabet.find(&body[at..=at]).unwrap_or_default() | 1;
    format!("{}{}{}", &body[..at], &alphabet[index..=index], &body[at + 1..])
}

pub(super) fn answers() -> Made<File> {
    let played = Played::shared()?;
    let (answer, sid) = (played.answer.as_str(), played.session.id().to_text());
    let of =
        |name: &str, status: u16, body: &[u8]| Object::named(name).with("status", status).bytes("body", body);
    let taken = |name, status, body: &str| -> Made<Object> {
        let handshake = nen::derandomized::handshake(&played.client_draws, None)?;
        let session = handshake.finish(status, body.as_bytes(), NOW)?;
        let sealed = session.seal(&Nonce::from_bytes([0; 12]), b"nen")?;
        Ok(of(name, status, body.as_bytes()).with("sid", sid.as_str()).hex("sealed", sealed))
    };
    let bad = |name, body: &str| of(name, 200, body.as_bytes()).error(Code::HandshakeBadResponse);
    let member = |name: &str| {
        let start = answer.find(&format!("\"{name}\":\"")).unwrap_or_default() + name.len() + 4;
        &answer[start..start + answer[start..].find('"').unwrap_or_default()]
    };
    let (ct, hmac) = (member("ct"), member("hmac"));
    let turned = base64(flipped(nen::primitives::base64_decode(ct)?, 7));
    let error = |code: Code| String::from_utf8(nen::Answer::error(&nen::Error::new(code, "")).into_body());
    let vectors = vec![
        taken("200", 200, answer)?,
        taken("201", 201, answer)?,
        taken("a ciphertext with a bit turned, which shows later", 200, &answer.replace(ct, &turned))?,
        taken("unknown members are ignored", 200, &answer.replace('}', r#","future":1}"#))?,
        bad("no body", ""),
        bad("no JSON", "<html>"),
        bad("no sid", &answer.replace("\"sid\"", "\"id\"")),
        bad("no ct", &answer.replace("\"ct\"", "\"c\"")),
        bad("no hmac", &answer.replace("\"hmac\"", "\"mac\"")),
        bad("sid stands twice", &answer.replace("{\"sid\"", &format!("{{\"sid\":\"{sid}\",\"sid\""))),
        bad("sid in upper case", &answer.replace(&sid, &sid.to_uppercase())),
        bad("sid without hyphens", &answer.replace(&sid, &sid.replace('-', ""))),
        bad("sid is no UUIDv4", &answer.replace(&sid, &format!("{}1{}", &sid[..14], &sid[15..]))),
        bad("sid is a number", &answer.replace(&format!("\"{sid}\""), "1")),
        bad("sid in braces", &answer.replace(&sid, &format!("{{{sid}}}"))),
        bad("sid with a space", &answer.replace(&sid, &format!("{sid} "))),
        bad("text after the object", &format!("{answer},")),
        bad("a byte order mark", &format!("\u{feff}{answer}")),
        bad("ct is null", &answer.replace(&format!("\"{ct}\""), "null")),
        bad("ct is one byte long", &answer.replace(ct, &base64([0; 1089]))),
        bad("hmac is one byte long", &answer.replace(hmac, &base64([0; 33]))),
        bad("hmac without its padding", &answer.replace(hmac, hmac.trim_end_matches('='))),
        bad("hmac with bits after its last byte", &answer.replace(hmac, &stray_bits(hmac))),
        bad("ct is one byte short", &answer.replace(ct, &base64([0; 1087]))),
        bad("ct is no base64", &answer.replace(ct, &format!("?{}", &ct[1..]))),
        bad("hmac is one byte short", &answer.replace(hmac, &base64([0; 31]))),
        bad("hmac is empty", &answer.replace(hmac, "")),
        bad("an error of the protocol under 200", &error(Code::HandshakeMissingPublicKey)?),
        of("a page under 404", 404, b"<html>").error(Code::HandshakeBadResponse),
        of("a handshake under 500", 500, answer.as_bytes()).error(Code::HandshakeBadResponse),
        of("a redirect", 302, b"").error(Code::HandshakeBadResponse),
        of("an error of the protocol", 400, error(Code::HandshakeMissingPublicKey)?.as_bytes())
            .error(Code::HandshakeMissingPublicKey),
        of("a store that is away", 503, error(Code::StoreUnavailable)?.as_bytes())
            .error(Code::StoreUnavailable),
        of("an error of no known code", 400, br#"{"error":{"code":"ISO-0000","message":"x"}}"#)
            .error(Code::HandshakeBadResponse),
    ];
    Ok(File {
        name: "handshake-answers",
        kind: "handshakeAnswer",
        about: "Answers to a handshake of the given randomness that a client takes, and the id of its session then, or \
                refuses.",
        shared: Object::default().hex("clientDraws", played.client_draws).with("nowMs", NOW),
        vectors,
    })
}
