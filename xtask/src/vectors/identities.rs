//! ML-DSA-65 identities: their documents, and what they signed.

use nen::{Code, IDENTITY_SIGNATURE_SIZE};

use super::{
    Made,
    format::{File, Object},
    seeds::{DrawnIdentity, draw, flipped},
};

pub(super) fn keys() -> Made<File> {
    let (a, b) = (DrawnIdentity::new("identity")?, DrawnIdentity::new("another identity")?);
    let pair =
        |name: &str, of: &DrawnIdentity| Object::named(name).hex("pkcs8", &of.pkcs8).hex("spki", of.spki());
    let no_secret = |name: &str, der: &[u8]| {
        Object::named(name).hex("pkcs8", der).error(Code::AuthIdentitySignatureInvalid)
    };
    let no_public = |name: &str, der: &[u8]| {
        Object::named(name).hex("spki", der).error(Code::AuthIdentitySignatureInvalid)
    };
    let (pkcs8, spki) = (a.pkcs8.as_slice(), a.spki());
    // The last byte of the object identifier, 2.16.840.1.101.3.4.3.18 for ML-DSA-65, stands here in both documents.
    let (oid_in_pkcs8, oid_in_spki) = (17, 16);
    let other_oid = |der: &[u8], at: usize| {
        let mut der = der.to_vec();
        der[at] = 17;
        der
    };
    Ok(File {
        name: "identity-keys",
        kind: "identityKey",
        about: "ML-DSA-65 keys: the secret key as DER PKCS#8 in its seed form (54 bytes) and its public key as DER \
                SubjectPublicKeyInfo (1974 bytes); documents that are neither.",
        shared: Object::default(),
        vectors: vec![
            pair("an identity", &a),
            pair("another identity", &b),
            no_secret("no secret key", b""),
            no_secret("a secret key without its last byte", &pkcs8[..53]),
            no_secret("a byte after a secret key", &[pkcs8, &[0]].concat()),
            no_secret("a seed alone", &pkcs8[22..]),
            no_secret("a secret key of ML-DSA-44", &other_oid(pkcs8, oid_in_pkcs8)),
            no_public("no public key", b""),
            no_public("a public key without its last byte", &spki[..1973]),
            no_public("a byte after a public key", &[&spki[..], &[0]].concat()),
            no_public("a raw public key", &spki[22..]),
            no_public("a public key of ML-DSA-44", &other_oid(&spki, oid_in_spki)),
        ],
    })
}

pub(super) fn signatures() -> Made<File> {
    let (a, b) = (DrawnIdentity::new("identity")?, DrawnIdentity::new("another identity")?);
    let message: [u8; nen::KEM_PUBLIC_KEY_SIZE] = draw("signed message");
    let of = |name: &str, by: &DrawnIdentity, message: &[u8], signature: &[u8]| {
        Object::named(name).hex("spki", by.spki()).hex("message", message).hex("signature", signature)
    };
    let bad = |object: Object| object.error(Code::AuthIdentitySignatureInvalid);
    let signature = a.sign(&message, b"")?;
    Ok(File {
        name: "identity-signatures",
        kind: "identitySignature",
        about: "Raw ML-DSA-65 signatures with an empty context (FIPS 204 section 5.3) that verify, or do not.",
        shared: Object::default(),
        vectors: vec![
            of("1184 bytes", &a, &message, &signature),
            of("an empty message", &b, b"", &b.sign(b"", b"")?),
            bad(of("a bit of the message turned", &a, &flipped(message, 5), &signature)),
            bad(of(
                "a bit of the signature turned",
                &a,
                &message,
                &flipped(signature, IDENTITY_SIGNATURE_SIZE - 100),
            )),
            bad(of("of another key", &b, &message, &signature)),
            bad(of("under a context", &a, &message, &a.sign(&message, b"nen")?)),
            bad(of("without its last byte", &a, &message, &signature[..IDENTITY_SIGNATURE_SIZE - 1])),
            bad(of("with a byte more", &a, &message, &[&signature[..], &[0]].concat())),
            bad(of("no signature", &a, &message, b"")),
        ],
    })
}
