//! Two endpoints over simulated time: what NEN-PROTOCOL-V2 asks of both sides, through the public API alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a test fails by panicking

use std::{collections::HashSet, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use nen::{
    Answer, Call, Claim, Client, ClientOptions, Code, Endpoint, EndpointCall, Exchange, Form, Identity,
    IdentityPolicy, LifecycleCall, LifecycleOutcome, MemoryLimits, MemoryStore, Nonce, NonceClaim, Outcome,
    Reply, RequestHead, RequestHeaders, Result, Route, SealedRequest, Server, ServerOptions, Session,
    SessionId, SignedHeaders, Step, Store,
};

const START: u64 = 1_763_750_000_000;
const PATH: &str = "/api/secure-data";
const HOUR: u64 = 3_600_000;

/// A server, its store, a client, and the clock of each.
struct World {
    server: Server,
    store: MemoryStore,
    client: Client,
    server_now: u64,
    client_now: u64,
}

impl World {
    fn new(server: ServerOptions, client: ClientOptions) -> Self {
        let mut world = Self {
            server: Server::new(server).unwrap(),
            store: MemoryStore::new(MemoryLimits::default()),
            client: Client::new(client),
            server_now: START,
            client_now: START,
        };
        world.shake_hands().unwrap();
        world
    }

    fn plain() -> Self {
        Self::new(ServerOptions::default(), ClientOptions::default())
    }

    fn shake_hands(&mut self) -> Result<Arc<Session>> {
        let handshake = self.client.handshake()?;
        let answer = self.endpoint("POST", "handshake", RequestHeaders::default(), handshake.body());
        self.client.establish(handshake, answer.status, &answer.body, self.client_now)
    }

    fn endpoint(&self, method: &str, action: &str, headers: RequestHeaders<'_>, body: &[u8]) -> Answer {
        let target = format!("/api/nen/{action}");
        let Route::Session(endpoint) = self.server.route(method, &target) else {
            panic!("{method} {action}")
        };
        self.server
            .respond(&self.store, endpoint, headers, method, &target, body, self.server_now)
            .unwrap_or_else(|error| Answer::error(&error))
    }

    fn sign(&self, method: &str, action: &str) -> SignedHeaders {
        let target = format!("/api/nen/{action}");
        Call::new(method, &target).seal(&self.client, None, self.client_now).unwrap().headers
    }

    fn seal(&self, body: Option<&[u8]>) -> SealedRequest {
        Call::new("POST", PATH).seal(&self.client, body, self.client_now).unwrap()
    }

    fn admit(&self, headers: RequestHeaders<'_>) -> Result<Exchange> {
        self.server.admit(&self.store, headers, "POST", PATH, self.server_now)
    }

    fn refusal(&self, headers: RequestHeaders<'_>) -> Code {
        self.admit(headers).err().expect("the request was admitted").code()
    }

    /// What the protected echo endpoint answers.
    fn echo(&self, method: &str, target: &str, request: &SealedRequest) -> Answer {
        let serve = || {
            let headers = request.headers.as_received();
            let exchange = self.server.admit(&self.store, headers, method, target, self.server_now)?;
            let body = exchange.open(request.body.as_deref().unwrap_or_default())?;
            exchange.seal(200, body.as_deref().map_or(b"null", Vec::as_slice))
        };
        serve().unwrap_or_else(|error| Answer::error(&error))
    }

    /// A lifecycle call, as a binding makes it.
    fn lifecycle(&mut self, mut call: LifecycleCall, action: &str) -> Result<bool> {
        loop {
            let request = call.seal(&self.client, self.client_now)?;
            let body = request.body.as_deref().unwrap_or_default();
            let answer = self.endpoint(call.method(), action, request.headers.as_received(), body);
            match call.open(&self.client, answer.status, Some(&self.date()), &answer.body, self.client_now)? {
                LifecycleOutcome::Done(yes) => return Ok(yes),
                LifecycleOutcome::Repeat => {}
                LifecycleOutcome::Reestablish => return self.shake_hands().map(|_| true),
            }
        }
    }

    fn date(&self) -> String {
        httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_millis(self.server_now))
    }

    /// A whole call, as a binding makes it.
    fn call(&mut self, method: &str, target: &str, body: Option<&[u8]>) -> Result<Outcome> {
        let mut call = Call::new(method, target);
        loop {
            let request = call.seal(&self.client, body, self.client_now)?;
            let answer = self.echo(method, target, &request);
            let date = self.date();
            let body = if method == "HEAD" { &b""[..] } else { &answer.body };
            match call.open(&self.client, answer.status, Some(&date), body, self.client_now)? {
                Outcome::Repeat => {}
                Outcome::Reestablish => drop(self.shake_hands()?),
                outcome => return Ok(outcome),
            }
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn answer(json: &[u8]) -> Outcome {
    Outcome::Answer(Some(json.to_vec().into()))
}

fn code_in(answer: &Answer) -> &str {
    let start = text(&answer.body).find("ISO-").expect("an error body");
    &text(&answer.body)[start..start + 8]
}

// ── the whole exchange ──────────────────────────────────────────────────────────────────────────────────

#[test]
fn every_method_is_authenticated_sealed_and_answered() {
    let mut world = World::plain();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(
            world.call(method, PATH, Some(br#"{"secret":"x"}"#)).unwrap(),
            answer(br#"{"secret":"x"}"#)
        );
    }
    for method in ["GET", "DELETE"] {
        assert_eq!(
            world.call(method, "/api/notes/caf%C3%A9%20au%20lait?q=1", None).unwrap(),
            answer(b"null")
        );
    }
    assert_eq!(world.call("HEAD", PATH, None).unwrap(), Outcome::Answer(None));
}

#[test]
fn nothing_of_the_plaintext_travels() {
    let world = World::plain();
    let secret = br#"{"secret":"Only the endpoint that needs this can read it"}"#;
    let request = world.seal(Some(secret));
    let answer = world.echo("POST", PATH, &request);
    for wire in [text(request.body.as_deref().unwrap()), text(&answer.body)] {
        assert!(!wire.contains("secret") && !wire.contains("Only"), "{wire}");
    }
    assert!(text(&answer.body).starts_with("{\"ct\":\"") && text(&answer.body).contains("\",\"n\":\""));
    assert_eq!(text(request.body.as_deref().unwrap()).matches(':').count(), 1);
}

#[test]
fn a_stream_arrives_chunk_by_chunk() {
    let world = World::plain();
    let mut call = Call::new("POST", PATH);
    let request = call.seal(&world.client, None, START).unwrap();
    let mut sealer = world.admit(request.headers.as_received()).unwrap().stream().unwrap();
    let mut opener = call.open_stream(&world.client, Some(sealer.nonce_header().as_bytes())).unwrap();
    for word in ["secure ", "streaming ", "works"] {
        let frame = sealer.seal(word.as_bytes()).unwrap();
        assert!(frame.starts_with(b"data: ") && frame.ends_with(b"\n\n"));
        opener.push(&frame);
        assert_eq!(opener.next_chunk().unwrap().unwrap().as_slice(), word.as_bytes());
        assert_eq!(opener.next_chunk().unwrap(), None);
    }
    opener.push(&sealer.finish().unwrap());
    assert_eq!((opener.next_chunk(), opener.end(), opener.is_finished()), (Ok(None), Ok(()), true));
}

#[test]
fn answers_keep_their_status_and_one_that_forbids_a_body_is_sealed_all_the_same() {
    let world = World::plain();
    for (given, sent) in [(200, 200), (201, 201), (404, 404), (422, 422), (204, 200), (205, 200)] {
        let mut call = Call::new("POST", PATH);
        let request = call.seal(&world.client, None, START).unwrap();
        let sealed = world.admit(request.headers.as_received()).unwrap().seal(given, b"{}").unwrap();
        let expected: &[u8] = if given == sent { b"{}" } else { b"null" };
        assert_eq!(sealed.status, sent);
        assert_eq!(call.open(&world.client, sent, None, &sealed.body, START).unwrap(), answer(expected));
    }
    let exchange = world.admit(world.seal(None).headers.as_received()).unwrap();
    for impossible in [0, 100, 199, 304, 600, u16::MAX] {
        assert_eq!(exchange.seal(impossible, b"{}").unwrap_err().code(), Code::Internal, "{impossible}");
    }
}

// ── the server's check ──────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_request_is_checked_in_the_specified_order() {
    // Each fault is added to those before it, so that every check is seen to come before the next.
    let mut world = World::plain();
    let good = world.seal(None).headers;
    world.admit(good.as_received()).unwrap();
    let spent = good.as_received();
    assert_eq!(world.refusal(spent), Code::ReplayNonceReused);
    world.server_now += 30_001;
    assert_eq!(world.refusal(spent), Code::AuthTimestampOutOfWindow);
    let forged = RequestHeaders { signature: Some(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), ..spent };
    assert_eq!(world.refusal(forged), Code::AuthSignatureInvalid);
    let unsigned = RequestHeaders { signature: None, ..forged };
    assert_eq!(world.refusal(unsigned), Code::AuthSignatureMissing);
    let no_nonce = RequestHeaders { nonce: None, ..unsigned };
    assert_eq!(world.refusal(no_nonce), Code::AuthNonceMissing);
    let unknown = RequestHeaders { session: Some(b"00000000-0000-4000-8000-000000000000"), ..no_nonce };
    assert_eq!(world.refusal(unknown), Code::SessionInvalidOrExpired);
    assert_eq!(world.refusal(RequestHeaders { session: None, ..unknown }), Code::SessionHeaderMissing);
}

#[test]
fn malformed_headers_have_their_codes() {
    type Change = fn(&mut RequestHeaders<'static>);
    let world = World::plain();
    let good = world.seal(None).headers;
    let good = good.as_received();
    let with = |change: fn(&mut RequestHeaders<'static>)| {
        let mut headers = RequestHeaders::default();
        change(&mut headers);
        RequestHeaders {
            session: headers.session.or(good.session),
            timestamp: headers.timestamp.or(good.timestamp),
            nonce: headers.nonce.or(good.nonce),
            signature: headers.signature.or(good.signature),
        }
    };
    let cases: [(Change, Code); 16] = [
        (|h| h.session = Some(b""), Code::SessionHeaderMissing),
        (|h| h.session = Some(b"\xff"), Code::SessionInvalidOrExpired),
        (|h| h.session = Some(b"../../etc/passwd"), Code::SessionInvalidOrExpired),
        (|h| h.nonce = Some(b""), Code::AuthNonceMissing),
        (|h| h.nonce = Some(b"AAAAAAAAAAAAAAA="), Code::AuthNonceMissing),
        (|h| h.nonce = Some(b"AAAAAAAAAAAAAAAAAAAA"), Code::AuthNonceMissing),
        (|h| h.nonce = Some(b"________________"), Code::AuthNonceMissing),
        (|h| h.nonce = Some(b" AAAAAAAAAAAAAAAA"), Code::AuthNonceMissing),
        (|h| h.nonce = Some(b"AAAAAAAAAAAAAAAA"), Code::AuthSignatureInvalid),
        (|h| h.signature = Some(b""), Code::AuthSignatureInvalid),
        (|h| h.signature = Some(b"AAAA"), Code::AuthSignatureInvalid),
        (|h| h.signature = Some(b"not base64 at all"), Code::AuthSignatureInvalid),
        (|h| h.timestamp = Some(b"1763750000001"), Code::AuthSignatureInvalid),
        (|h| h.timestamp = Some(b"1763750000000 "), Code::AuthSignatureInvalid),
        (|h| h.timestamp = Some(b""), Code::AuthSignatureInvalid),
        (|h| h.timestamp = Some(b"\xff"), Code::AuthSignatureInvalid),
    ];
    for (index, (change, code)) in cases.into_iter().enumerate() {
        assert_eq!(world.refusal(with(change)), code, "case {index}");
    }
    assert_eq!(world.refusal(RequestHeaders { timestamp: None, ..good }), Code::AuthTimestampOutOfWindow);
    assert!(world.admit(good).is_ok(), "none of these spent the nonce");
}

#[test]
fn an_authentic_timestamp_that_is_no_number_is_out_of_the_window() {
    let world = World::plain();
    let session = world.client.session().unwrap();
    let record = session.to_record();
    // Signed by hand, since our client cannot be made to write such a timestamp.
    for timestamp in ["", "now", "-1", "+1763750000000", "1763750000000.0", "99999999999999999999"] {
        let nonce = "AAAAAAAAAAAAAAAA";
        let signature = sign_by_hand(&record, &format!("POST\n{PATH}\n{timestamp}\n{nonce}"));
        let headers = RequestHeaders {
            session: Some(session.id().to_text().leak().as_bytes()),
            timestamp: Some(timestamp.as_bytes()),
            nonce: Some(nonce.as_bytes()),
            signature: Some(signature.as_bytes()),
        };
        assert_eq!(world.refusal(headers), Code::AuthTimestampOutOfWindow, "{timestamp:?}");
    }
}

/// HMAC-SHA256 with the key of a session record, independent of the crate under test.
fn sign_by_hand(record: &str, message: &str) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let record: serde_json::Value = serde_json::from_str(record).unwrap();
    let key = STANDARD.decode(record["hmacKey"].as_str().unwrap()).unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(message.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[test]
fn the_window_is_30_seconds_either_way_and_a_nonce_is_remembered_through_all_of_it() {
    for (server_now, admitted) in
        [(START + 30_000, true), (START - 30_000, true), (START + 30_001, false), (START - 30_001, false)]
    {
        let mut world = World::plain();
        let headers = world.seal(None).headers;
        world.server_now = server_now;
        assert_eq!(world.admit(headers.as_received()).is_ok(), admitted, "{server_now}");
    }
    let mut world = World::plain();
    world.client_now = START + 30_000;
    let headers = world.seal(None).headers;
    world.admit(headers.as_received()).unwrap();
    for now in (START..=START + 60_000).step_by(1000) {
        world.server_now = now;
        assert_eq!(world.refusal(headers.as_received()), Code::ReplayNonceReused, "{now}");
    }
    world.server_now = START + 60_001;
    assert_eq!(world.refusal(headers.as_received()), Code::AuthTimestampOutOfWindow);
}

#[test]
fn a_stranger_leaves_no_trace_and_burns_no_nonce() {
    let world = World::plain();
    let good = world.seal(None).headers;
    for _ in 0..100 {
        let forged = RequestHeaders { timestamp: Some(b"1763750000001"), ..good.as_received() };
        assert_eq!(world.refusal(forged), Code::AuthSignatureInvalid);
    }
    assert_eq!(world.store.nonces(), 0);
    assert!(world.admit(good.as_received()).is_ok());
}

#[test]
fn a_signature_holds_for_its_method_and_path_alone() {
    let world = World::plain();
    let headers = world.seal(None).headers;
    for (method, target) in
        [("GET", PATH), ("POST", "/api/secure-data/"), ("POST", "/api/secure%2Ddata"), ("POST", "")]
    {
        let refused = world.server.admit(&world.store, headers.as_received(), method, target, START);
        assert_eq!(refused.err().unwrap().code(), Code::AuthSignatureInvalid, "{method} {target}");
    }
    let with_query = format!("{PATH}?page=2");
    assert!(world.server.admit(&world.store, headers.as_received(), "POST", &with_query, START).is_ok());
}

#[test]
fn without_strict_mode_an_absent_signature_is_admitted_and_its_nonce_counts_for_the_whole_session() {
    let mut world =
        World::new(ServerOptions { strict: false, ..ServerOptions::default() }, ClientOptions::default());
    let request = world.seal(Some(b"{}"));
    let signed = request.headers.as_received();
    let unsigned = RequestHeaders { signature: None, ..signed };
    let exchange = world.admit(unsigned).unwrap();
    assert_eq!(exchange.open(request.body.as_deref().unwrap()).unwrap().unwrap().as_slice(), b"{}");
    world.server_now = START + HOUR - 1;
    assert_eq!(world.refusal(unsigned), Code::ReplayNonceReused);
    let forged = RequestHeaders { timestamp: Some(b"1"), ..signed };
    assert_eq!(world.refusal(forged), Code::AuthSignatureInvalid);
    // A signed request that is stripped of its signature is the same request, also when its window is long over.
    world.server_now = START;
    let request = world.seal(Some(b"{}"));
    world.admit(request.headers.as_received()).unwrap();
    let stripped = RequestHeaders { signature: None, timestamp: None, ..request.headers.as_received() };
    world.server_now = START + HOUR - 1;
    assert_eq!(world.refusal(stripped), Code::ReplayNonceReused);
    assert_eq!(world.refusal(RequestHeaders { nonce: None, ..unsigned }), Code::AuthNonceMissing);
}

#[test]
fn beside_a_lenient_server_a_strict_one_remembers_nonces_for_the_whole_session() {
    let nonces_for_session = ServerOptions { nonces_for_session: true, ..ServerOptions::default() };
    let world = World::new(nonces_for_session, ClientOptions::default());
    let request = world.seal(Some(b"{}"));
    let signed = request.headers.as_received();
    let unsigned = RequestHeaders { signature: None, timestamp: None, ..signed };
    assert_eq!(world.refusal(unsigned), Code::AuthSignatureMissing);
    world.admit(signed).unwrap();
    let lenient = Server::new(ServerOptions { strict: false, ..ServerOptions::default() }).unwrap();
    let replayed = lenient.admit(&world.store, unsigned, "POST", "/api/legacy", START + HOUR - 1);
    assert_eq!(replayed.err().unwrap().code(), Code::ReplayNonceReused);
}

#[test]
fn a_session_ends_with_its_lifetime() {
    let mut world = World::plain();
    let ours = world.client.session().unwrap();
    let theirs = world.store.get(ours.id(), START).unwrap().unwrap();
    assert_eq!((theirs.created_ms(), theirs.expires_ms()), (START, START + HOUR));
    assert_eq!((ours.created_ms(), ours.expires_ms()), (START, u64::MAX));
    (world.server_now, world.client_now) = (START + HOUR - 1, START + HOUR - 1);
    assert!(world.admit(world.seal(None).headers.as_received()).is_ok());
    (world.server_now, world.client_now) = (START + HOUR, START + HOUR);
    assert_eq!(world.refusal(world.seal(None).headers.as_received()), Code::SessionInvalidOrExpired);
}

#[test]
fn a_store_that_hands_out_another_session_is_caught() {
    struct Mixed(MemoryStore, SessionId);
    impl Store for Mixed {
        fn get(&self, _: SessionId, now_ms: u64) -> Result<Option<Arc<Session>>> {
            self.0.get(self.1, now_ms)
        }
        fn set(&self, session: Arc<Session>, now_ms: u64) -> Result<()> {
            self.0.set(session, now_ms)
        }
        fn delete(&self, id: SessionId) -> Result<()> {
            self.0.delete(id)
        }
        fn claim_nonce(&self, claim: &NonceClaim, now_ms: u64) -> Result<Claim> {
            self.0.claim_nonce(claim, now_ms)
        }
    }
    let mut world = World::plain();
    let other = world.client.session().unwrap().id();
    world.shake_hands().unwrap();
    let headers = world.seal(None).headers;
    let mixed = Mixed(std::mem::take(&mut world.store), other);
    let refused = world.server.admit(&mixed, headers.as_received(), "POST", PATH, START);
    assert_eq!(refused.err().unwrap().code(), Code::StoreUnavailable);
}

#[test]
fn malformed_bodies_have_their_codes() {
    let world =
        World::new(ServerOptions { max_body: 100, ..ServerOptions::default() }, ClientOptions::default());
    let refusal = |body: &[u8]| {
        let exchange = world.admit(world.seal(None).headers.as_received()).unwrap();
        exchange.open(body).unwrap_err().code()
    };
    for body in [
        &b" "[..],
        b"null",
        b"[]",
        b"\"ct\"",
        b"{}",
        b"{\"ct\":1}",
        b"{\"ct\":\"A\"",
        b"{\"ct\":\"\",\"ct\":\"\"}",
    ] {
        assert_eq!(refusal(body), Code::WireInvalidPayloadFormat, "{}", text(body));
    }
    assert_eq!(refusal(&[b' '; 101]), Code::WireInvalidPayloadFormat);
    for ct in ["A", "AAA", "AA=A", "AA-_", "AAAA\\n", " AAAA"] {
        assert_eq!(refusal(format!("{{\"ct\":\"{ct}\"}}").as_bytes()), Code::WireDecodeFailed, "{ct}");
    }
    for ct in ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(refusal(format!("{{\"ct\":\"{ct}\"}}").as_bytes()), Code::CryptoDecryptFailed, "{ct}");
    }
    for plaintext in [&b""[..], b"{", b"undefined", b"\xff", b"\"\xff\"", b"1 2"] {
        let refused = Call::new("POST", PATH).seal(&world.client, Some(plaintext), START).err().unwrap();
        assert_eq!(refused.code(), Code::CryptoPayloadNotJson, "{plaintext:?}");

        let headers = world.seal(None).headers;
        let exchange = world.admit(headers.as_received()).unwrap();
        let nonce = STANDARD.decode(&headers.nonce).unwrap().try_into().unwrap();
        let sealed = world.client.session().unwrap().seal(&Nonce::from_bytes(nonce), plaintext).unwrap();
        let body = format!("{{\"ct\":\"{}\"}}", STANDARD.encode(sealed));
        let refused = exchange.open(body.as_bytes()).unwrap_err();
        assert_eq!(refused.code(), Code::CryptoPayloadNotJson, "{plaintext:?}");
    }
    let exchange = world.admit(world.seal(None).headers.as_received()).unwrap();
    assert_eq!(exchange.open(b""), Ok(None));
}

#[test]
fn a_body_may_be_as_long_as_the_limit_and_no_longer() {
    let mut world = World::plain();
    let length = world.seal(Some(b"{}")).body.unwrap().len();
    for (max_body, fits) in [(length, true), (length - 1, false)] {
        world.server = Server::new(ServerOptions { max_body, ..ServerOptions::default() }).unwrap();
        let request = world.seal(Some(b"{}"));
        let exchange = world.admit(request.headers.as_received()).unwrap();
        assert_eq!(exchange.max_body(), max_body);
        let opened = exchange.open(request.body.as_deref().unwrap()).map_err(|error| error.code());
        assert_eq!(opened.is_ok(), fits);
        assert!(fits || opened == Err(exchange.too_long().code()));
    }
}

#[test]
fn a_body_opens_under_the_nonce_of_its_own_request_only() {
    let world = World::plain();
    let (a, b) = (world.seal(Some(b"1")), world.seal(Some(b"2")));
    let exchange = world.admit(a.headers.as_received()).unwrap();
    assert_eq!(exchange.open(b.body.as_deref().unwrap()).unwrap_err().code(), Code::CryptoDecryptFailed);
}

// ── the session endpoints ───────────────────────────────────────────────────────────────────────────────

#[test]
fn the_endpoints_are_told_from_the_application() {
    let server = Server::new(ServerOptions::default()).unwrap();
    for (method, target, route) in [
        ("POST", "/api/nen/handshake", Route::Session(Endpoint::Handshake)),
        ("POST", "/api/nen/rotate?x", Route::Session(Endpoint::Rotate)),
        ("POST", "/api/nen/terminate", Route::Session(Endpoint::Terminate)),
        ("GET", "/api/nen/status", Route::Session(Endpoint::Status)),
        ("GET", "/api/nen/handshake", Route::NotFound),
        ("POST", "/api/nen/status", Route::NotFound),
        ("POST", "/api/nen/", Route::NotFound),
        ("POST", "/api/nen/handshake/", Route::NotFound),
        ("POST", "/api/nen", Route::Application),
        ("POST", "/api/nenhandshake", Route::Application),
        ("POST", "/x/api/nen/handshake", Route::Application),
    ] {
        assert_eq!(server.route(method, target), route, "{method} {target}");
    }
    let mounted = ServerOptions { prefix: "/tenant/secure".into(), ..ServerOptions::default() };
    let mounted = Server::new(mounted).unwrap();
    assert_eq!(mounted.route("GET", "/tenant/secure/status"), Route::Session(Endpoint::Status));
}

#[test]
fn options_that_cannot_be_are_refused_when_the_server_is_made() {
    let refused = |change: fn(&mut ServerOptions)| {
        let mut options = ServerOptions::default();
        change(&mut options);
        Server::new(options).err().expect("the option was taken").to_string()
    };
    assert!(refused(|o| o.session_ttl_ms = 0).contains("session_ttl_ms"));
    assert!(refused(|o| o.session_ttl_ms = u64::MAX).contains("session_ttl_ms"));
    assert!(refused(|o| o.window_ms = 0).contains("window_ms"));
    assert!(refused(|o| o.max_body = 0).contains("max_body"));
    assert!(refused(|o| o.identities = IdentityPolicy::Only(HashSet::new())).contains("identities"));
    let century = 100 * 366 * 24 * HOUR;
    for (span, taken) in [(1, true), (century, true), (century + 1, false)] {
        let options = ServerOptions { session_ttl_ms: span, window_ms: span, ..ServerOptions::default() };
        assert_eq!(Server::new(options).is_ok(), taken, "{span}");
    }
    for prefix in ["", "/", "api", "/api/", "/api?x", "/caf\u{e9}"] {
        let options = ServerOptions { prefix: prefix.into(), ..ServerOptions::default() };
        assert!(Server::new(options).is_err(), "{prefix}");
    }
}

#[test]
fn malformed_handshakes_have_their_codes() {
    let world = World::plain();
    let handshake = |body: &str| {
        let answer = world.endpoint("POST", "handshake", RequestHeaders::default(), body.as_bytes());
        (answer.status, code_in(&answer).to_owned())
    };
    let good = Client::default().handshake().unwrap();
    let good = text(good.body());
    let identified = Client::new(ClientOptions {
        identity: Some(Arc::new(Identity::generate().unwrap())),
        ..Default::default()
    });
    let identified = identified.handshake().unwrap();
    let identified: serde_json::Value = serde_json::from_slice(identified.body()).unwrap();
    let identified_with = |name: &str, value: serde_json::Value| {
        let mut body = identified.clone();
        body[name] = value;
        body.to_string()
    };
    let not_a_key = good.replacen(&good[7..11], "////", 1);
    let cases = [
        ("", "ISO-1001"),
        ("null", "ISO-1001"),
        ("[]", "ISO-1001"),
        ("{}", "ISO-1001"),
        ("{\"pk\":1}", "ISO-1001"),
        ("{\"pk\":\"\"}", "ISO-1001"),
        ("{\"pk\":\"AAAA\"}", "ISO-1001"),
        ("{\"pk\":\"AAA\"}", "ISO-6002"),
        (not_a_key.as_str(), "ISO-1001"),
        (&good.replace('}', ",\"pk\":\"\"}"), "ISO-1001"),
        (&good.replace('}', ",\"sigPk\":null}"), "ISO-1001"),
        (&good.replace('}', ",\"sigPk\":\"AAAA\"}"), "ISO-3004"),
        (&good.replace('}', ",\"sigOfPk\":\"AAAA\"}"), "ISO-3004"),
        (&identified_with("sigPk", "AAA".into()), "ISO-6002"),
        (&identified_with("sigOfPk", "AAA".into()), "ISO-6002"),
        (&identified_with("sigPk", "AAAA".into()), "ISO-3004"),
        (&identified_with("sigOfPk", "AAAA".into()), "ISO-3004"),
        (&identified_with("pk", good[7..good.len() - 2].into()), "ISO-3004"),
        (&format!("{good:>16385}"), "ISO-6001"),
    ];
    for (body, code) in cases {
        let (status, got) = handshake(body);
        assert_eq!((got.as_str(), status), (code, if code == "ISO-3004" { 401 } else { 400 }), "{body:.60}");
    }
    assert_eq!(world.store.len(), 1, "no refused handshake made a session");
    let longest = format!("{good:>16384}");
    let accepted = world.endpoint("POST", "handshake", RequestHeaders::default(), longest.as_bytes());
    assert_eq!(accepted.status, 200);
}

#[test]
fn rotation_replaces_the_session_and_a_failed_one_loses_nothing() {
    for signed in [true, false] {
        let world = World::plain();
        let old = world.client.session().unwrap();
        let headers = world.sign("POST", "rotate");
        let mut received = headers.as_received();
        if !signed {
            received = RequestHeaders { session: received.session, ..RequestHeaders::default() };
        }
        let failed = world.endpoint("POST", "rotate", received, b"{}");
        assert_eq!(code_in(&failed), "ISO-1001");
        assert!(world.store.exists(old.id(), START).unwrap());

        let again = world.sign("POST", "rotate");
        let received = if signed { again.as_received() } else { received };
        let handshake = world.client.handshake().unwrap();
        let answer = world.endpoint("POST", "rotate", received, handshake.body());
        let new = world.client.establish(handshake, answer.status, &answer.body, START).unwrap();
        assert!(new.id() != old.id() && !world.store.exists(old.id(), START).unwrap());
        assert!(world.admit(world.seal(None).headers.as_received()).is_ok());
    }
}

#[test]
fn a_request_in_flight_is_opened_with_the_keys_it_was_sealed_with() {
    let mut world = World::plain();
    let mut call = Call::new("POST", PATH);
    let request = call.seal(&world.client, Some(b"1"), START).unwrap();
    let answered = world.echo("POST", PATH, &request);
    world.shake_hands().unwrap();
    assert_eq!(call.open(&world.client, 200, None, &answered.body, START).unwrap(), answer(b"1"));
}

#[test]
fn signed_lifecycle_requests_must_verify_and_cannot_be_replayed() {
    let world = World::plain();
    let headers = world.sign("GET", "status");
    let good = headers.as_received();
    let forged = RequestHeaders { timestamp: Some(b"1763750000001"), ..good };
    assert_eq!(code_in(&world.endpoint("GET", "status", forged, b"")), "ISO-3002");
    assert_eq!(text(&world.endpoint("GET", "status", good, b"").body), r#"{"valid":true}"#);
    assert_eq!(code_in(&world.endpoint("GET", "status", good, b"")), "ISO-5001");
    let for_status = world.sign("GET", "status");
    assert_eq!(code_in(&world.endpoint("POST", "terminate", for_status.as_received(), b"")), "ISO-3002");
}

#[test]
fn unsigned_lifecycle_requests_are_accepted_unless_the_server_requires_a_signature() {
    for require_signed_lifecycle in [false, true] {
        let options = ServerOptions { require_signed_lifecycle, ..ServerOptions::default() };
        let world = World::new(options, ClientOptions::default());
        let id = world.client.session().unwrap().id().to_text();
        let unsigned = RequestHeaders { session: Some(id.as_bytes()), ..RequestHeaders::default() };
        for (method, action) in [("GET", "status"), ("POST", "terminate")] {
            let answer = world.endpoint(method, action, unsigned, b"");
            if require_signed_lifecycle {
                assert_eq!(code_in(&answer), "ISO-3001");
            } else {
                assert_eq!(answer.status, 200, "{}", text(&answer.body));
            }
        }
        assert_eq!(world.store.is_empty(), !require_signed_lifecycle);
        let signed = world.sign("GET", "status");
        let status = world.endpoint("GET", "status", signed.as_received(), b"");
        assert_eq!(status.status, if require_signed_lifecycle { 200 } else { 401 });
    }
}

#[test]
fn endpoints_answer_for_sessions_that_do_not_live() {
    let world = World::plain();
    for id in [&b"00000000-0000-4000-8000-000000000000"[..], b"no id at all"] {
        let headers = RequestHeaders { session: Some(id), ..RequestHeaders::default() };
        let status = world.endpoint("GET", "status", headers, b"");
        assert_eq!((status.status, text(&status.body)), (401, r#"{"valid":false}"#));
        let terminate = world.endpoint("POST", "terminate", headers, b"");
        assert_eq!((terminate.status, text(&terminate.body)), (200, r#"{"success":true}"#));
        assert_eq!(code_in(&world.endpoint("POST", "rotate", headers, b"{}")), "ISO-2002");
    }
    // Also where a signature is required: there is nothing to sign for.
    let options = ServerOptions { require_signed_lifecycle: true, ..ServerOptions::default() };
    let strict = World::new(options, ClientOptions::default());
    let headers =
        RequestHeaders { session: Some(b"00000000-0000-4000-8000-000000000000"), ..Default::default() };
    assert_eq!(text(&strict.endpoint("GET", "status", headers, b"").body), r#"{"valid":false}"#);
    assert_eq!(code_in(&strict.endpoint("POST", "rotate", headers, b"{}")), "ISO-2002");
    for (method, action) in [("GET", "status"), ("POST", "terminate"), ("POST", "rotate")] {
        let answer = world.endpoint(method, action, RequestHeaders::default(), b"");
        assert_eq!((answer.status, code_in(&answer)), (401, "ISO-2003"));
    }
}

/// Begins a signed call to an endpoint, which the tests below take on step by step.
fn begin(world: &World, endpoint: Endpoint, method: &str, action: &str, body: &[u8]) -> EndpointCall {
    let signed = world.sign(method, action);
    let head = RequestHead::new(signed.as_received(), method, &format!("/api/nen/{action}"));
    EndpointCall::new(&world.server, endpoint, head, body, world.server_now).unwrap()
}

#[test]
fn an_endpoint_tells_a_remote_store_what_to_do_in_order() {
    let world = World::plain();
    let (id, handshake) = (world.client.session().unwrap().id(), world.client.handshake().unwrap());
    let mut call = begin(&world, Endpoint::Rotate, "POST", "rotate", handshake.body());
    assert!(matches!(call.step(), Ok(Step::Get(asked)) if asked == id));
    call.resume(&world.server, Reply::Session(world.store.get(id, START).unwrap())).unwrap();
    let Ok(Step::Claim(claim)) = call.step() else { panic!("no claim") };
    assert_eq!(claim.session, id);
    call.resume(&world.server, Reply::Claim(world.store.claim_nonce(&claim, START).unwrap())).unwrap();
    let Ok(Step::Replace(old, new)) = call.step() else { panic!("no session to keep") };
    assert!(old == id && new.id() != id);
    call.resume(&world.server, Reply::Stored).unwrap();
    assert!(matches!(call.step(), Ok(Step::Answer)));
    let answer = call.into_answer().unwrap();
    let session = world.client.establish(handshake, answer.status, &answer.body, START).unwrap();
    assert_eq!(session.id(), new.id());
}

#[test]
fn a_store_that_cannot_replace_is_asked_to_keep_the_new_session_before_it_deletes_the_old_one() {
    let world = World::plain();
    let (id, handshake) = (world.client.session().unwrap().id(), world.client.handshake().unwrap());
    let mut call = begin(&world, Endpoint::Rotate, "POST", "rotate", handshake.body()).without_replace();
    call.resume(&world.server, Reply::Session(world.store.get(id, START).unwrap())).unwrap();
    call.resume(&world.server, Reply::Claim(Claim::Fresh)).unwrap();
    let Ok(Step::Set(new)) = call.step() else { panic!("no session to keep") };
    call.resume(&world.server, Reply::Stored).unwrap();
    assert!(matches!(call.step(), Ok(Step::Delete(old)) if old == id));
    call.resume(&world.server, Reply::Stored).unwrap();
    let answer = call.into_answer().unwrap();
    assert_eq!(world.client.establish(handshake, 200, &answer.body, START).unwrap().id(), new.id());
}

#[test]
fn an_endpoint_takes_no_reply_to_another_step() {
    let world = World::plain();
    let session = || Some(Arc::clone(&world.client.session().unwrap()));
    let replies =
        || [Reply::Session(None), Reply::Session(session()), Reply::Claim(Claim::Fresh), Reply::Stored];
    let at_get = || begin(&world, Endpoint::Terminate, "POST", "terminate", b"");
    let at_claim = || {
        let mut call = at_get();
        let live = world.store.get(session().unwrap().id(), START).unwrap();
        call.resume(&world.server, Reply::Session(live)).unwrap();
        call
    };
    let at_delete = || {
        let mut call = at_claim();
        call.resume(&world.server, Reply::Claim(Claim::Fresh)).unwrap();
        call
    };
    let at_answer = || {
        let mut call = at_delete();
        call.resume(&world.server, Reply::Stored).unwrap();
        call
    };
    let steps: [(&dyn Fn() -> EndpointCall, &[usize]); 4] =
        [(&at_get, &[2, 3]), (&at_claim, &[0, 1, 3]), (&at_delete, &[0, 1, 2]), (&at_answer, &[0, 1, 2, 3])];
    for (at, wrong) in steps {
        for (_, reply) in replies().into_iter().enumerate().filter(|(index, _)| wrong.contains(index)) {
            let mut call = at();
            assert_eq!(call.resume(&world.server, reply).unwrap_err().code(), Code::Internal);
            assert_eq!(call.step().err().unwrap().code(), Code::Internal);
            assert_eq!(call.resume(&world.server, Reply::Stored).unwrap_err().code(), Code::Internal);
            assert_eq!(call.into_answer().unwrap_err().code(), Code::Internal);
        }
    }
    assert_eq!(at_get().into_answer().unwrap_err().code(), Code::Internal);
    let mut replayed = at_claim();
    let refused = replayed.resume(&world.server, Reply::Claim(Claim::Replay)).unwrap_err();
    assert_eq!(refused.code(), Code::ReplayNonceReused);
}

#[test]
fn an_applications_answer_is_sealed_in_its_form() {
    let world = World::plain();
    let sealed = |form, status, body: &[u8]| {
        let mut call = Call::new("POST", PATH);
        let request = call.seal(&world.client, None, START).unwrap();
        let answer = world.admit(request.headers.as_received()).unwrap().seal_as(form, status, body)?;
        let opened = call.open(&world.client, answer.status, None, &answer.body, START).unwrap();
        let Outcome::Answer(Some(json)) = opened else { panic!("{opened:?}") };
        assert_eq!(answer.body.len(), Answer::sealed_size(json.len()));
        Ok::<_, nen::Error>((answer.status, text(&json).to_owned()))
    };
    assert_eq!(sealed(Form::Json, 201, b"[1]"), Ok((201, "[1]".into())));
    assert_eq!(sealed(Form::Json, 200, b""), Ok((200, "null".into())));
    assert_eq!(sealed(Form::Text, 404, b""), Ok((404, "null".into())));
    assert_eq!(sealed(Form::Text, 404, b"say \"no\"\n"), Ok((404, r#""say \"no\"\n""#.into())));
    assert_eq!(sealed(Form::Stream, 200, b"[1]").unwrap_err().code(), Code::Internal);
}

#[test]
fn identities_are_verified_handed_over_and_can_be_pinned() {
    let identity = Identity::generate().unwrap();
    let key = identity.public_key().clone();
    let pkcs8 = identity.to_pkcs8().unwrap();
    assert_eq!((pkcs8.len(), key.as_spki().len()), (54, 1974));
    let client = |pkcs8: Option<&[u8]>| ClientOptions {
        identity: pkcs8.map(|der| Arc::new(Identity::from_pkcs8(der).unwrap())),
        ..ClientOptions::default()
    };
    let pinned = || ServerOptions {
        identities: IdentityPolicy::Only(HashSet::from([key.clone()])),
        ..ServerOptions::default()
    };
    let mut world = World::new(pinned(), client(Some(&pkcs8)));
    let exchange = world.admit(world.seal(None).headers.as_received()).unwrap();
    assert_eq!(exchange.session().identity(), Some(&key));

    let stranger = Identity::generate().unwrap().to_pkcs8().unwrap();
    for refused in [Some(&stranger[..]), None] {
        world.client = Client::new(client(refused));
        assert_eq!(world.shake_hands().err().unwrap().code(), Code::AuthIdentitySignatureInvalid);
    }
    world.server =
        Server::new(ServerOptions { identities: IdentityPolicy::Required, ..ServerOptions::default() })
            .unwrap();
    assert_eq!(world.shake_hands().err().unwrap().code(), Code::AuthIdentitySignatureInvalid);
    world.client = Client::new(client(Some(&stranger)));
    assert!(world.shake_hands().is_ok());
}

#[test]
fn identity_keys_are_read_strictly() {
    let identity = Identity::generate().unwrap();
    let pkcs8 = identity.to_pkcs8().unwrap();
    for cut in [&pkcs8[..53], &pkcs8[1..], b"", &[&pkcs8[..], b"\0"].concat()] {
        assert_eq!(Identity::from_pkcs8(cut).err().unwrap().code(), Code::AuthIdentitySignatureInvalid);
    }
    let spki = identity.public_key().as_spki();
    for byte in 0..22 {
        let mut changed = *spki;
        changed[byte] ^= 1;
        assert!(nen::IdentityKey::from_spki(&changed).is_err(), "byte {byte} of the DER header");
    }
}

// ── the client ──────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn malformed_handshake_answers_have_their_codes() {
    let world = World::plain();
    let refusal = |status, body: &str| {
        let handshake = world.client.handshake().unwrap();
        world.client.establish(handshake, status, body.as_bytes(), START).err().expect("it was taken").code()
    };
    let handshake = world.client.handshake().unwrap();
    let good = world.endpoint("POST", "handshake", RequestHeaders::default(), handshake.body());
    let good: serde_json::Value = serde_json::from_slice(&good.body).unwrap();
    let before = world.client.session().unwrap().id();
    for member in ["sid", "ct", "hmac"] {
        for value in [serde_json::Value::Null, 1.into(), "".into(), "AAAA".into(), "AAA".into()] {
            let mut body = good.clone();
            body[member] = value;
            assert_eq!(refusal(200, &body.to_string()), Code::HandshakeBadResponse, "{member}");
        }
    }
    assert_eq!(refusal(200, "<html>"), Code::HandshakeBadResponse);
    assert_eq!(refusal(302, &good.to_string()), Code::HandshakeBadResponse);
    assert_eq!(refusal(502, "<html>"), Code::HandshakeBadResponse);
    assert_eq!(refusal(503, r#"{"error":{"code":"ISO-9001","message":"x"}}"#), Code::StoreUnavailable);
    assert_eq!(world.client.session().unwrap().id(), before, "a failed handshake keeps the session");
}

#[test]
fn a_client_fails_closed() {
    let world = World::plain();
    let mut call = Call::new("POST", PATH);
    let request = call.seal(&world.client, Some(b"{}"), START).unwrap();
    let sealed = text(&world.echo("POST", PATH, &request).body).to_owned();
    let own_ct = text(request.body.as_deref().unwrap()).trim_end_matches('}').to_owned();
    let reflected = format!("{own_ct},\"n\":\"{}\"}}", request.headers.nonce);
    let mut tampered = sealed.clone();
    tampered.replace_range(7..8, if &sealed[7..8] == "A" { "B" } else { "A" });
    let cut = sealed.replace(",\"n\":\"", ",\"n\":\"A");
    let mut open = |status, body: &str| call.open(&world.client, status, None, body.as_bytes(), START);
    for (status, body, code) in [
        (200, r#"{"message":"in the clear"}"#, Code::WireInvalidPayloadFormat),
        (200, "", Code::WireInvalidPayloadFormat),
        (204, "", Code::WireInvalidPayloadFormat),
        (200, r#"{"error":{"code":"ISO-2002","message":"x"}}"#, Code::WireInvalidPayloadFormat),
        (200, &tampered, Code::CryptoDecryptFailed),
        (404, &tampered, Code::CryptoDecryptFailed),
        (200, &cut, Code::WireDecodeFailed),
        (200, &reflected, Code::ReplayNonceReused),
        (500, &reflected, Code::ReplayNonceReused),
        (500, r#"{"error":{"code":"ISO-9000","message":"x"}}"#, Code::Internal),
    ] {
        let error = open(status, body).unwrap_err();
        assert_eq!(error.code(), code, "{status} {body:.60}");
    }
    for (status, body) in
        [(502, "<html>"), (401, ""), (401, "{}"), (304, ""), (404, r#"{"error":{"code":"E","message":"x"}}"#)]
    {
        assert_eq!(open(status, body), Ok(Outcome::Foreign), "{status} {body}");
    }
    assert_eq!(open(200, &sealed), Ok(answer(b"{}")), "and the true answer is still opened");
}

#[test]
fn no_attempt_of_a_call_comes_back_as_its_answer() {
    let world = World::plain();
    let mut call = Call::new("POST", PATH);
    let own = |request: &SealedRequest| {
        let body = text(request.body.as_deref().unwrap()).to_owned();
        (body.trim_end_matches('}').to_owned(), request.headers.nonce.clone())
    };
    let first = own(&call.seal(&world.client, Some(b"{}"), START - 90_000).unwrap());
    let skewed = br#"{"error":{"code":"ISO-3003","message":"x"}}"#;
    let outcome = call.open(&world.client, 401, Some(&world.date()), skewed, START - 90_000);
    assert_eq!(outcome, Ok(Outcome::Repeat));
    let second = own(&call.seal(&world.client, Some(b"{}"), START - 90_000).unwrap());
    for (ct, nonce) in [first, second] {
        let reflected = format!("{ct},\"n\":\"{nonce}\"}}");
        let refused = call.open(&world.client, 200, None, reflected.as_bytes(), START).unwrap_err();
        assert_eq!(refused.code(), Code::ReplayNonceReused);
        let refused = call.open_stream(&world.client, Some(nonce.as_bytes())).err().unwrap();
        assert_eq!(refused.code(), Code::ReplayNonceReused, "a stream that begins with our own request");
    }
}

#[test]
fn a_lost_session_is_reestablished_once() {
    let mut world = World::plain();
    world.store.delete(world.client.session().unwrap().id()).unwrap();
    assert_eq!(world.call("POST", PATH, Some(b"1")).unwrap(), answer(b"1"));

    let error = br#"{"error":{"code":"ISO-2002","message":"x"}}"#;
    let mut calls: Vec<Call> = (0..16).map(|_| Call::new("POST", PATH)).collect();
    for call in &mut calls {
        call.seal(&world.client, None, START).unwrap();
    }
    assert_eq!(calls[0].open(&world.client, 401, None, error, START), Ok(Outcome::Reestablish));
    world.shake_hands().unwrap();
    for call in &mut calls[1..] {
        assert_eq!(call.open(&world.client, 401, None, error, START), Ok(Outcome::Repeat));
    }
    for call in &mut calls {
        call.seal(&world.client, None, START).unwrap();
        let again = call.open(&world.client, 401, None, error, START);
        assert_eq!(again.map_err(|error| error.code()), Err(Code::SessionInvalidOrExpired));
    }
}

#[test]
fn a_wrong_clock_is_corrected_once_from_the_servers_date() {
    for drift in [90_000, 3 * HOUR] {
        let mut world = World::plain();
        world.client_now = START - drift;
        assert_eq!(world.call("POST", PATH, Some(b"1")).unwrap(), answer(b"1"));
        assert_eq!(world.call("POST", PATH, Some(b"2")).unwrap(), answer(b"2"));
        let signed = world.sign("GET", "status");
        assert_eq!(world.endpoint("GET", "status", signed.as_received(), b"").status, 200);
    }
    let mut world = World::new(
        ServerOptions::default(),
        ClientOptions { correct_clock: false, ..ClientOptions::default() },
    );
    world.client_now = START - 90_000;
    let refused = world.call("POST", PATH, None).unwrap_err();
    assert_eq!(refused.code(), Code::AuthTimestampOutOfWindow);

    let world = World::plain();
    let error = br#"{"error":{"code":"ISO-3003","message":"x"}}"#;
    let unhelpful = [None, Some(""), Some("yesterday"), Some("Fri, 21 Nov 2025 18:33:20 GMT")];
    for date in unhelpful {
        let mut call = Call::new("POST", PATH);
        call.seal(&world.client, None, START).unwrap();
        let outcome = call.open(&world.client, 401, date, error, START);
        assert_eq!(outcome.unwrap_err().code(), Code::AuthTimestampOutOfWindow, "{date:?}");
    }
}

#[test]
fn a_client_asks_rotates_and_terminates() {
    for drift in [0, 90_000] {
        let mut world = World::plain();
        world.client_now = START - drift;
        let status = || LifecycleCall::status("/api/nen/status");
        assert_eq!(world.lifecycle(status(), "status"), Ok(true));
        let old = world.client.session().unwrap().id();
        world.client_now = START - 2 * drift;
        assert_eq!(world.lifecycle(LifecycleCall::rotate("/api/nen/rotate"), "rotate"), Ok(true));
        let new = world.client.session().unwrap().id();
        assert!(new != old && !world.store.exists(old, START).unwrap());

        world.store.delete(new).unwrap();
        assert_eq!(world.lifecycle(status(), "status"), Ok(false));
        assert_eq!(world.lifecycle(LifecycleCall::rotate("/api/nen/rotate"), "rotate"), Ok(true));
        assert!(world.store.exists(world.client.session().unwrap().id(), START).unwrap());

        assert_eq!(world.lifecycle(LifecycleCall::terminate("/api/nen/terminate"), "terminate"), Ok(true));
        assert!(world.client.session().is_none() && world.store.is_empty());
        let after = world.lifecycle(status(), "status");
        assert_eq!(after.unwrap_err().code(), Code::SessionNotInitialized);
    }
}

#[test]
fn lifecycle_answers_are_read_strictly() {
    let world = World::plain();
    let before = world.client.session().unwrap().id();
    let open = |mut call: LifecycleCall, status, body: &str| {
        call.seal(&world.client, START).unwrap();
        call.open(&world.client, status, None, body.as_bytes(), START).map_err(|error| error.code())
    };
    let away = r#"{"error":{"code":"ISO-9001","message":"x"}}"#;
    let skewed = r#"{"error":{"code":"ISO-3003","message":"x"}}"#;
    for (make, foreign) in [
        (LifecycleCall::rotate as fn(&str) -> _, Code::HandshakeBadResponse),
        (LifecycleCall::terminate, Code::WireInvalidPayloadFormat),
        (LifecycleCall::status, Code::WireInvalidPayloadFormat),
    ] {
        assert_eq!(open(make("/"), 503, away), Err(Code::StoreUnavailable));
        assert_eq!(open(make("/"), 401, skewed), Err(Code::AuthTimestampOutOfWindow));
        for body in ["", "<html>", "{}", r#"{"success":"true"}"#, r#"{"valid":1}"#] {
            assert_eq!(open(make("/"), 200, body), Err(foreign), "{body}");
        }
        let unsealed = make("/").open(&world.client, 200, None, b"{}", START);
        assert_eq!(unsealed.unwrap_err().code(), Code::SessionNotInitialized);
    }
    assert_eq!(
        open(LifecycleCall::terminate("/"), 502, r#"{"success":true}"#),
        Err(Code::WireInvalidPayloadFormat)
    );
    assert_eq!(
        open(LifecycleCall::status("/"), 401, r#"{"valid":false}"#),
        Ok(LifecycleOutcome::Done(false))
    );
    for (status, body) in
        [(502, r#"{"valid":true}"#), (200, r#"{"valid":false}"#), (401, r#"{"valid":true}"#)]
    {
        assert_eq!(
            open(LifecycleCall::status("/"), status, body),
            Err(Code::WireInvalidPayloadFormat),
            "{status}"
        );
    }
    let lost = r#"{"error":{"code":"ISO-2002","message":"x"}}"#;
    assert_eq!(open(LifecycleCall::rotate("/"), 401, lost), Ok(LifecycleOutcome::Reestablish));
    assert_eq!(open(LifecycleCall::status("/"), 401, lost), Err(Code::SessionInvalidOrExpired));
    assert_eq!(open(LifecycleCall::terminate("/"), 401, lost), Err(Code::SessionInvalidOrExpired));
    assert_eq!(world.client.session().unwrap().id(), before);
}

#[test]
fn a_refused_stream_has_the_servers_code_or_its_own() {
    let world = World::plain();
    let mut call = Call::new("GET", PATH);
    call.seal(&world.client, None, START).unwrap();
    let mut refuse = |body: &[u8]| call.refuse_stream(&world.client, 401, None, body, START);
    let lost = br#"{"error":{"code":"ISO-2002","message":"x"}}"#;
    assert_eq!(refuse(lost), Ok(Outcome::Reestablish));
    assert_eq!(refuse(lost).unwrap_err().code(), Code::SessionInvalidOrExpired);
    assert_eq!(refuse(b"").unwrap_err().code(), Code::StreamRequestFailed);
}

// ── secrets ─────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn what_can_be_printed_holds_no_secret() {
    let world = World::plain();
    let handshake = world.client.handshake().unwrap();
    let answer = world.endpoint("POST", "handshake", RequestHeaders::default(), handshake.body());
    assert_eq!(format!("{answer:?}"), format!("Answer(200, {} bytes)", answer.body.len()));
    let session = world.client.session().unwrap();
    let exchange = world.admit(world.seal(None).headers.as_received()).unwrap();
    let error = exchange.open(b"{\"ct\":\"c2VjcmV0\"}").unwrap_err();
    let printed =
        format!("{error} {error:?} {:?} {:?}", session.id(), Identity::generate().unwrap().public_key());
    assert!(!printed.contains("c2VjcmV0") && !printed.contains('['), "{printed}");
}
