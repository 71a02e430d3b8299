//! Requests that come again, or late.

use nen::{Code, Nonce};

use super::{METHOD, Sent, TARGET, VALID, file, other_session, sealed_body, vector};
use crate::vectors::{
    Made,
    format::File,
    seeds::{NOW, Played, base64, nonce},
};

pub(crate) fn replay() -> Made<File> {
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
