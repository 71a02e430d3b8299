//! Every code of the table is raised by a case here; a code without one fails the test.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    Call, Claim, Client, Code, Endpoint, Error, Identity, MemoryLimits, MemoryStore, NonceClaim,
    RequestHeaders, Result, Server, ServerOptions, Session, SessionId, SignedHeaders, Store, StreamSealer,
    crypto::random::test::{broken, with},
    wire::base64,
};

const NOW: u64 = 1_763_750_000_000;
const PATH: &str = "/api/secure-data";

/// A client and a server that have shaken hands.
struct World {
    server: Server,
    store: MemoryStore,
    client: Client,
}

impl World {
    fn new() -> Self {
        Self::with_limits(MemoryLimits::default())
    }

    fn with_limits(limits: MemoryLimits) -> Self {
        let server = Server::new(ServerOptions::default()).unwrap();
        let world = Self { server, store: MemoryStore::new(limits), client: Client::default() };
        let handshake = world.client.handshake().unwrap();
        let answer = world.post("handshake", RequestHeaders::default(), handshake.body()).unwrap();
        world.client.establish(handshake, answer.status, &answer.body, NOW).unwrap();
        world
    }

    fn post(&self, action: &str, headers: RequestHeaders<'_>, body: &[u8]) -> Result<crate::Answer> {
        let target = format!("/api/nen/{action}");
        let crate::Route::Session(endpoint) = self.server.route("POST", &target) else { unreachable!() };
        self.server.respond(&self.store, endpoint, headers, "POST", &target, body, NOW)
    }

    fn admit(&self, headers: RequestHeaders<'_>) -> Result<crate::Exchange> {
        self.server.admit(&self.store, headers, "POST", PATH, NOW)
    }

    fn sealed(&self, body: &[u8]) -> (SignedHeaders, Vec<u8>) {
        let request = Call::new("POST", PATH).seal(&self.client, Some(body), NOW).unwrap();
        (request.headers, request.body.unwrap())
    }

    /// Opens `body` on the server under a fresh, authentic request.
    fn open(&self, body: &[u8]) -> Result<()> {
        let (headers, _) = self.sealed(b"{}");
        self.admit(headers.as_received())?.open(body).map(drop)
    }

    /// Reads `body` as the client that has just sent a request.
    fn read(&self, status: u16, body: &[u8]) -> Result<()> {
        let mut call = Call::new("POST", PATH);
        call.seal(&self.client, None, NOW).unwrap();
        call.open(&self.client, status, None, body, NOW).map(drop)
    }
}

/// A store that is out of reach.
struct Away;

const AWAY: Error = Error::new(Code::StoreUnavailable, "the store did not answer");

impl Store for Away {
    fn get(&self, _: SessionId, _: u64) -> Result<Option<Arc<Session>>> {
        Err(AWAY)
    }
    fn set(&self, _: Arc<Session>, _: u64) -> Result<()> {
        Err(AWAY)
    }
    fn delete(&self, _: SessionId) -> Result<()> {
        Err(AWAY)
    }
    fn claim_nonce(&self, _: &NonceClaim, _: u64) -> Result<Claim> {
        Err(AWAY)
    }
}

type Raise = fn(&World) -> Result<()>;

/// One way to raise each code.
fn cases() -> Vec<(Code, Raise)> {
    vec![
        (Code::HandshakeMissingPublicKey, |w| {
            w.post("handshake", RequestHeaders::default(), b"{}").map(drop)
        }),
        (Code::HandshakeFailed, |w| with(broken(), || w.client.handshake().map(drop))),
        (Code::HandshakeBadResponse, |w| {
            w.client.establish(w.client.handshake()?, 200, b"{}", NOW).map(drop)
        }),
        (Code::SessionNotInitialized, |_| {
            Call::new("GET", PATH).seal(&Client::default(), None, NOW).map(drop)
        }),
        (Code::SessionInvalidOrExpired, |w| {
            let (headers, _) = w.sealed(b"{}");
            w.store.delete(w.client.session().unwrap().id())?;
            w.admit(headers.as_received()).map(drop)
        }),
        (Code::SessionHeaderMissing, |w| w.admit(RequestHeaders::default()).map(drop)),
        (Code::AuthSignatureMissing, |w| {
            let (headers, _) = w.sealed(b"{}");
            w.admit(RequestHeaders { signature: None, ..headers.as_received() }).map(drop)
        }),
        (Code::AuthSignatureInvalid, |w| {
            let (mut headers, _) = w.sealed(b"{}");
            headers.signature = base64::encode(&[0; 32]);
            w.admit(headers.as_received()).map(drop)
        }),
        (Code::AuthTimestampOutOfWindow, |w| {
            let (headers, _) = w.sealed(b"{}");
            w.server.admit(&w.store, headers.as_received(), "POST", PATH, NOW + 30_001).map(drop)
        }),
        (Code::AuthIdentitySignatureInvalid, |_| Identity::from_pkcs8(b"no key").map(drop)),
        (Code::AuthNonceMissing, |w| {
            let (headers, _) = w.sealed(b"{}");
            w.admit(RequestHeaders { nonce: None, ..headers.as_received() }).map(drop)
        }),
        (Code::CryptoDecryptFailed, |w| w.open(br#"{"ct":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#)),
        (Code::CryptoEncryptFailed, |w| {
            with(broken(), || StreamSealer::new(w.client.session().unwrap())).map(drop)
        }),
        (Code::CryptoPayloadNotJson, |w| {
            Call::new("POST", PATH).seal(&w.client, Some(b"not JSON"), NOW).map(drop)
        }),
        (Code::ReplayNonceReused, |w| {
            let (headers, _) = w.sealed(b"{}");
            w.admit(headers.as_received())?;
            w.admit(headers.as_received()).map(drop)
        }),
        (Code::ReplayCacheFull, |_| {
            World::with_limits(MemoryLimits { max_nonces: 0, ..MemoryLimits::default() }).open(b"")
        }),
        (Code::WireInvalidPayloadFormat, |w| w.read(200, br#"{"in":"the clear"}"#)),
        (Code::WireDecodeFailed, |w| w.open(br#"{"ct":"-"}"#)),
        (Code::StreamMissingNonceHeader, |w| {
            let mut call = Call::new("GET", PATH);
            call.seal(&w.client, None, NOW)?;
            call.open_stream(&w.client, None).map(drop)
        }),
        (Code::StreamRequestFailed, |w| {
            let mut call = Call::new("GET", PATH);
            call.seal(&w.client, None, NOW)?;
            call.refuse_stream(&w.client, 502, None, b"<html>", NOW).map(drop)
        }),
        (Code::StreamTruncated, |w| {
            let mut call = Call::new("GET", PATH);
            call.seal(&w.client, None, NOW)?;
            let sealer = StreamSealer::new(w.client.session().unwrap())?;
            call.open_stream(&w.client, Some(sealer.nonce_header().as_bytes()))?.end()
        }),
        (Code::Internal, |w| {
            let (headers, _) = w.sealed(b"{}");
            w.admit(headers.as_received())?.seal(304, b"").map(drop)
        }),
        (Code::StoreUnavailable, |w| {
            let (headers, _) = w.sealed(b"{}");
            w.server.admit(&Away, headers.as_received(), "POST", PATH, NOW).map(drop)
        }),
    ]
}

#[test]
fn every_code_of_the_table_is_raised() {
    for (code, raise) in cases() {
        let error = raise(&World::new()).expect_err(code.name());
        assert_eq!(error.code(), code, "{error}");
    }
    let raised: BTreeSet<Code> = cases().into_iter().map(|(code, _)| code).collect();
    let missing: Vec<Code> = Code::ALL.iter().copied().filter(|code| !raised.contains(code)).collect();
    // Only who does I/O can fail to reach a server; the tests of the Node package close its port.
    assert_eq!(missing, [Code::HandshakeNetwork]);
}

#[test]
fn a_server_without_randomness_gives_the_error_of_the_operation() {
    let world = World::new();
    let handshake = world.client.handshake().unwrap();
    let headers = RequestHeaders::default();
    let refused = with(broken(), || world.post("handshake", headers, handshake.body())).unwrap_err();
    assert_eq!(refused.code(), Code::HandshakeFailed);

    let (headers, _) = world.sealed(b"{}");
    let exchange = world.admit(headers.as_received()).unwrap();
    let refused = with(broken(), || exchange.seal(200, b"{}")).unwrap_err();
    assert_eq!(refused.code(), Code::CryptoEncryptFailed);
}

#[test]
fn a_store_that_is_away_is_never_reported_as_a_lost_session() {
    let world = World::new();
    let (headers, _) = world.sealed(b"{}");
    for endpoint in [Endpoint::Rotate, Endpoint::Terminate, Endpoint::Status] {
        let outcome = world.server.respond(&Away, endpoint, headers.as_received(), "POST", PATH, b"", NOW);
        assert_eq!(outcome.unwrap_err().code(), Code::StoreUnavailable, "{endpoint:?}");
    }
}
