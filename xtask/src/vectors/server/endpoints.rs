//! The session endpoints.

use nen::{Code, MAX_HANDSHAKE_BODY};

use super::{METHOD, Sent, TARGET, VALID, file, one, vector};
use crate::vectors::{
    Made,
    format::{File, Object},
    seeds::{NOW, Played, base64, nonce},
};

const NOT_VALID: &str = r#"{"valid":false}"#;
const SUCCESS: &str = r#"{"success":true}"#;

pub(crate) fn endpoints() -> Made<File> {
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
         status and body of the answer, or the code of the error. Of an answer that no two servers give alike, members \
         are the names of its members. A status of 404 has a body of the server's own.",
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
                "a rotation replaces the session",
                vec![
                    rotate.clone().body(Played::shared()?.body).established(),
                    get.answered(401, NOT_VALID),
                    signed("after it", METHOD, TARGET)?.refused(SessionInvalidOrExpired),
                    rotate.clone().body(Played::shared()?.body).refused(SessionInvalidOrExpired),
                ],
            ),
            require(vector(
                "a rotation, signed, where it must be",
                vec![
                    signed("rotate", "POST", "/api/nen/rotate")?.body(Played::shared()?.body).established(),
                    get.answered(401, NOT_VALID),
                ],
            )),
            vector(
                "a handshake leaves other sessions alone",
                vec![
                    bare("POST", "/api/nen/handshake")?
                        .without(sid)
                        .body(Played::shared()?.body)
                        .established(),
                    asks(),
                ],
            ),
            one(
                "status with an empty session header",
                get.clone().header(sid, "").refused(SessionHeaderMissing),
            ),
            require(one(
                "status, not signed, of a session that is not there, where it must be",
                get.clone().header(sid, unknown).answered(401, NOT_VALID),
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
