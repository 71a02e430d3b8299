//! What `docs/THREAT_MODEL.md` says that an adversary can and cannot do, done by one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a test fails by panicking

use std::{sync::Arc, time};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, from_slice, json};

use nen::{
    Call, Client, ClientOptions, Code, Endpoint, Exchange, Identity, IdentityKey, IdentityPolicy,
    LifecycleCall, MemoryStore, Nonce, Outcome, RequestHeaders, Result, SealedRequest, Server, ServerOptions,
    Session, SessionId, SignedHeaders,
};

const NOW: u64 = 1_763_750_000_000;

/// A server and its store.
struct Service {
    server: Server,
    store: MemoryStore,
}

impl Service {
    fn new(options: ServerOptions) -> Self {
        Self { server: Server::new(options).unwrap(), store: MemoryStore::default() }
    }

    /// The body of the answer to a handshake.
    fn shake_hands(&self, body: &[u8]) -> Result<Vec<u8>> {
        let (handshake, target) = (Endpoint::Handshake, "/api/nen/handshake");
        let headers = RequestHeaders::default();
        let answer = self.server.respond(&self.store, handshake, headers, "POST", target, body, NOW)?;
        Ok(answer.into_body())
    }

    fn admit(&self, method: &str, target: &str, headers: &SignedHeaders, now_ms: u64) -> Result<Exchange> {
        self.server.admit(&self.store, headers.as_received(), method, target, now_ms)
    }
}

/// A client, its server, and who reads between them.
struct World {
    service: Service,
    client: Client,
    /// Has the HMAC key and no other.
    reader: Reader,
}

/// Who read the answer to the handshake.
struct Reader(Session);

impl Reader {
    fn of(handshake_answer: &[u8]) -> Self {
        let answer: Value = from_slice(handshake_answer).unwrap();
        let guess = STANDARD.encode([0; 32]);
        let record = json!({ "sharedSecret": guess, "hmacKey": answer["hmac"], "createdAt": NOW });
        let id = SessionId::parse(answer["sid"].as_str().unwrap().as_bytes()).unwrap();
        Self(Session::from_record(id, record.to_string().as_bytes(), u64::MAX / 2).unwrap())
    }

    fn sign(&self, method: &str, target: &str, nonce: &str, now_ms: u64) -> SignedHeaders {
        let bytes = Nonce::from_bytes(STANDARD.decode(nonce).unwrap().try_into().unwrap());
        let signature = self.0.sign(method, target, now_ms, &bytes).unwrap();
        SignedHeaders {
            session: self.0.id().to_text(),
            timestamp: now_ms.to_string(),
            nonce: nonce.to_owned(),
            signature: STANDARD.encode(signature),
        }
    }

    /// A signed request, and a body that is sealed under a guess.
    fn forge(&self, method: &str, target: &str) -> (SignedHeaders, String) {
        let nonce = Nonce::from_bytes([8; 12]);
        let headers = self.sign(method, target, &STANDARD.encode([8; 12]), NOW);
        let body = json!({ "ct": STANDARD.encode(self.0.seal(&nonce, b"{}").unwrap()) });
        (headers, body.to_string())
    }
}

impl World {
    fn new(server: ServerOptions) -> Self {
        let (service, client) = (Service::new(server), Client::default());
        let handshake = client.handshake().unwrap();
        let answer = service.shake_hands(handshake.body()).unwrap();
        client.establish(handshake, 200, &answer, NOW).unwrap();
        Self { service, client, reader: Reader::of(&answer) }
    }

    fn seal(&self, body: &[u8]) -> SealedRequest {
        Call::new("POST", "/api/pay").seal(&self.client, Some(body), NOW).unwrap()
    }

    /// The sealed answer to a request of the client's.
    fn answer(&self, json: &[u8]) -> Vec<u8> {
        let request = self.seal(b"{}");
        let exchange = self.service.admit("POST", "/api/pay", &request.headers, NOW).unwrap();
        exchange.seal(200, json).unwrap().into_body()
    }

    /// What a client that asked for something makes of this.
    fn told(&self, method: &str, status: u16, body: &[u8]) -> Result<Outcome> {
        let mut call = Call::new(method, "/api/balance");
        call.seal(&self.client, None, NOW).unwrap();
        call.open(&self.client, status, None, body, NOW)
    }
}

fn member(body: &[u8], name: &str) -> String {
    from_slice::<Value>(body).unwrap()[name].as_str().unwrap().to_owned()
}

fn is(outcome: &Outcome, json: &[u8]) -> bool {
    matches!(outcome, Outcome::Answer(Some(plaintext)) if plaintext.as_slice() == json)
}

// ── the HMAC key travels ────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_reader_of_the_handshake_signs_and_neither_opens_nor_seals() {
    let World { service, reader, .. } = &World::new(ServerOptions::default());
    let nonce = STANDARD.encode([7; 12]);
    let exchange =
        service.admit("DELETE", "/api/account", &reader.sign("DELETE", "/api/account", &nonce, NOW), NOW);
    let answer = exchange.unwrap().seal(200, br#"{"deleted":true}"#).unwrap().into_body();
    let sealed = STANDARD.decode(member(&answer, "ct")).unwrap();
    let nonce = STANDARD.decode(member(&answer, "n")).unwrap().try_into().unwrap();
    assert!(reader.0.open(&Nonce::from_bytes(nonce), &sealed).is_err());

    let (headers, body) = reader.forge("POST", "/api/pay");
    let exchange = service.admit("POST", "/api/pay", &headers, NOW).unwrap();
    assert_eq!(exchange.open(body.as_bytes()).unwrap_err().code(), Code::CryptoDecryptFailed);
}

#[test]
fn a_reader_of_the_handshake_replays_a_recorded_body_anywhere_once_its_nonce_is_forgotten() {
    let resent = |nonces_for_session| {
        let world = World::new(ServerOptions { nonces_for_session, ..ServerOptions::default() });
        let request = world.seal(br#"{"amount":1840}"#);
        world.service.admit("POST", "/api/pay", &request.headers, NOW).unwrap();
        let at = |later: u64| {
            let headers = world.reader.sign("PUT", "/api/limit", &request.headers.nonce, NOW + later);
            let exchange = world.service.admit("PUT", "/api/limit", &headers, NOW + later)?;
            exchange.open(request.body.as_deref().unwrap()).map(|body| body.unwrap().to_vec())
        };
        (at(30_000), at(60_000))
    };
    let (within, after) = resent(false);
    assert_eq!(within.unwrap_err().code(), Code::ReplayNonceReused);
    assert_eq!(after.unwrap(), br#"{"amount":1840}"#);
    // A server that remembers nonces for the whole session does not take it.
    assert_eq!(resent(true).1.unwrap_err().code(), Code::ReplayNonceReused);
}

#[test]
fn a_reader_of_the_handshake_sends_an_answer_back_to_the_server_as_a_body() {
    let world = World::new(ServerOptions::default());
    let answer = world.answer(br#"{"role":"admin"}"#);
    let headers = world.reader.sign("POST", "/api/pay", &member(&answer, "n"), NOW);
    let exchange = world.service.admit("POST", "/api/pay", &headers, NOW).unwrap();
    assert_eq!(*exchange.open(&answer).unwrap().unwrap(), br#"{"role":"admin"}"#);
}

// ── nothing identifies the server but TLS ───────────────────────────────────────────────────────────────

#[test]
fn an_active_man_at_the_handshake_is_the_server_to_the_client() {
    let (forged, client) = (Service::new(ServerOptions::default()), Client::default());
    let handshake = client.handshake().unwrap();
    let answer = forged.shake_hands(handshake.body()).unwrap();
    client.establish(handshake, 200, &answer, NOW).unwrap();
    let request = Call::new("POST", "/api/pay").seal(&client, Some(b"\"secret\""), NOW).unwrap();
    let exchange = forged.admit("POST", "/api/pay", &request.headers, NOW).unwrap();
    assert_eq!(*exchange.open(&request.body.unwrap()).unwrap().unwrap(), b"\"secret\"");
}

#[test]
fn an_identity_keeps_him_from_being_the_client_to_the_server() {
    let identity = Arc::new(Identity::generate().unwrap());
    let allowed = [identity.public_key().clone()].into();
    let service =
        Service::new(ServerOptions { identities: IdentityPolicy::Only(allowed), ..ServerOptions::default() });
    let client = Client::new(ClientOptions { identity: Some(identity), ..ClientOptions::default() });
    let handshake = client.handshake().unwrap();

    let mut forged: Value = from_slice(handshake.body()).unwrap();
    forged["pk"] = from_slice::<Value>(Client::default().handshake().unwrap().body()).unwrap()["pk"].take();
    let refused = service.shake_hands(forged.to_string().as_bytes()).unwrap_err();
    assert_eq!(refused.code(), Code::AuthIdentitySignatureInvalid);

    // What he recorded he can send again: that session bears the identity, and takes no body of his.
    let reader = Reader::of(&service.shake_hands(handshake.body()).unwrap());
    let (headers, body) = reader.forge("POST", "/api/pay");
    let exchange = service.admit("POST", "/api/pay", &headers, NOW).unwrap();
    assert!(exchange.session().identity().is_some());
    assert_eq!(exchange.open(body.as_bytes()).unwrap_err().code(), Code::CryptoDecryptFailed);
}

#[test]
fn an_optional_identity_can_be_stripped_and_the_key_of_a_rotation_exchanged() {
    let client = Client::new(ClientOptions {
        identity: Some(Arc::new(Identity::generate().unwrap())),
        ..ClientOptions::default()
    });
    let service = Service::new(ServerOptions::default());
    let handshake = client.handshake().unwrap();
    let stripped = json!({ "pk": member(handshake.body(), "pk") }).to_string();
    let answer = service.shake_hands(stripped.as_bytes()).unwrap();
    client.establish(handshake, 200, &answer, NOW).unwrap();
    let request = Call::new("GET", "/api/balance").seal(&client, None, NOW).unwrap();
    let exchange = service.admit("GET", "/api/balance", &request.headers, NOW).unwrap();
    assert!(exchange.session().identity().is_none());

    let target = "/api/nen/rotate";
    let headers = LifecycleCall::rotate(target).seal(&client, NOW).unwrap().headers;
    let mine = Client::default();
    let handshake = mine.handshake().unwrap();
    let (server, store, body) = (&service.server, &service.store, handshake.body());
    let answer =
        server.respond(store, Endpoint::Rotate, headers.as_received(), "POST", target, body, NOW).unwrap();
    assert!(mine.establish(handshake, answer.status, &answer.body, NOW).is_ok());
}

#[test]
fn a_session_without_the_identity_that_a_server_asks_for_is_none_to_it_whoever_made_it() {
    let world = World::new(ServerOptions::default());
    let request = Call::new("GET", "/admin").seal(&world.client, None, NOW).unwrap();
    let strict =
        Server::new(ServerOptions { identities: IdentityPolicy::Required, ..ServerOptions::default() })
            .unwrap();
    let service = Service { server: strict, store: world.service.store };
    assert!(service.shake_hands(Client::default().handshake().unwrap().body()).is_err());
    let refused = service.admit("GET", "/admin", &request.headers, NOW).map(|_| ()).unwrap_err();
    assert_eq!(refused.code(), Code::SessionInvalidOrExpired);
    let none = RequestHeaders { session: request.headers.as_received().session, ..RequestHeaders::default() };
    let target = "/api/nen/status";
    let status =
        service.server.respond(&service.store, Endpoint::Status, none, "GET", target, b"", NOW).unwrap();
    assert_eq!((status.status, &status.body[..]), (401, &br#"{"valid":false}"#[..]));
}

#[test]
fn an_identity_that_is_taken_off_the_list_is_refused_at_once() {
    let (identity, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let only = |key: &IdentityKey| IdentityPolicy::Only([key.clone()].into());
    let options = |key| ServerOptions { identities: only(key), ..ServerOptions::default() };
    let (key, others) = (identity.public_key().clone(), other.public_key().clone());
    let service = Service::new(options(&key));
    let client = Client::new(ClientOptions { identity: Some(identity.into()), ..ClientOptions::default() });
    let handshake = client.handshake().unwrap();
    let answer = service.shake_hands(handshake.body()).unwrap();
    client.establish(handshake, 200, &answer, NOW).unwrap();
    let sent = |service: &Service| {
        let request = Call::new("GET", "/admin").seal(&client, None, NOW).unwrap();
        service.admit("GET", "/admin", &request.headers, NOW).map(|_| ()).map_err(|error| error.code())
    };
    assert_eq!(sent(&service), Ok(()));
    let service = Service { server: Server::new(options(&others)).unwrap(), store: service.store };
    assert_eq!(sent(&service), Err(Code::SessionInvalidOrExpired));
}

// ── what the signature and the seal do not bind ─────────────────────────────────────────────────────────

#[test]
fn a_body_can_be_taken_away_and_a_query_changed_but_no_other_body_put_in_place() {
    let world = World::new(ServerOptions::default());
    let (request, other) = (world.seal(b"1"), world.seal(b"2"));
    let exchange = world.service.admit("POST", "/api/pay?to=eve", &request.headers, NOW).unwrap();
    assert_eq!(exchange.open(b"").unwrap(), None);
    assert_eq!(exchange.open(&other.body.unwrap()).unwrap_err().code(), Code::CryptoDecryptFailed);
}

#[test]
fn whatever_was_sealed_in_a_session_opens_as_the_answer_to_any_of_its_calls() {
    let world = World::new(ServerOptions::default());
    assert!(is(&world.told("GET", 402, &world.answer(b"\"earlier\"")).unwrap(), b"\"earlier\""));

    let request = world.seal(b"\"mine\"");
    let ct = member(&request.body.unwrap(), "ct");
    let reflected = json!({ "ct": ct, "n": request.headers.nonce }).to_string();
    assert!(is(&world.told("GET", 200, reflected.as_bytes()).unwrap(), b"\"mine\""));

    let exchange = world.service.admit("POST", "/api/pay", &world.seal(b"{}").headers, NOW).unwrap();
    let mut stream = exchange.stream().unwrap();
    let frame = stream.seal(b"\"chunk\"").unwrap();
    let ct = std::str::from_utf8(&frame[6..frame.len() - 2]).unwrap();
    let chunk = json!({ "ct": ct, "n": stream.nonce_header() }).to_string();
    assert!(is(&world.told("GET", 200, chunk.as_bytes()).unwrap(), b"\"chunk\""));
}

#[test]
fn what_was_sealed_in_another_session_does_not_open() {
    let (world, other) = (World::new(ServerOptions::default()), World::new(ServerOptions::default()));
    assert_eq!(world.told("GET", 200, &other.answer(b"1")).unwrap_err().code(), Code::CryptoDecryptFailed);
}

#[test]
fn the_success_of_head_and_errors_can_be_made_up_and_a_success_with_content_cannot() {
    let world = World::new(ServerOptions::default());
    assert_eq!(world.told("HEAD", 200, b""), Ok(Outcome::Answer(None)));
    assert_eq!(world.told("HEAD", 401, b""), Ok(Outcome::Foreign));
    let lost = br#"{"error":{"code":"ISO-2002","message":""}}"#;
    assert_eq!(world.told("GET", 401, lost), Ok(Outcome::Reestablish));
    for body in [&b""[..], b"{}", lost] {
        assert_eq!(world.told("GET", 200, body).unwrap_err().code(), Code::WireInvalidPayloadFormat);
    }
}

#[test]
fn a_forged_clock_delays_a_request_within_its_session_unless_the_client_is_told_not_to_correct_it() {
    let half_an_hour = 1_800_000;
    let date = httpdate::fmt_http_date(time::UNIX_EPOCH + time::Duration::from_millis(NOW + half_an_hour));
    let refusal = br#"{"error":{"code":"ISO-3003","message":""}}"#;
    let delayed = |correct_clock| {
        let service = Service::new(ServerOptions::default());
        let client = Client::new(ClientOptions { correct_clock, ..ClientOptions::default() });
        let handshake = client.handshake().unwrap();
        let answer = service.shake_hands(handshake.body()).unwrap();
        client.establish(handshake, 200, &answer, NOW).unwrap();
        let mut call = Call::new("POST", "/api/pay");
        call.seal(&client, Some(b"1"), NOW).unwrap();
        let outcome = call.open(&client, 401, Some(&date), refusal, NOW)?;
        assert_eq!(outcome, Outcome::Repeat);
        let request = call.seal(&client, Some(b"1"), NOW).unwrap();
        service.admit("POST", "/api/pay", &request.headers, NOW + half_an_hour).map(drop)
    };
    assert_eq!(delayed(true), Ok(()));
    assert_eq!(delayed(false).unwrap_err().code(), Code::AuthTimestampOutOfWindow);
}
