//! Holds the core against every vector of `tests/vectors`, or of the folder that `NEN_VECTORS` names.
//!
//! Prints a line for each that fails, `not ok <file>/<name>: why`, and at the end how many passed and failed.
#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    clippy::format_collect,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::print_stdout,
    clippy::unwrap_used
)]

use std::{collections::BTreeMap, env, fmt::Debug, fs, panic, path::PathBuf, process::ExitCode, sync::Arc};

use nen::{
    Call, Claim, Client, ClientOptions, Code, Identity, IdentityKey, IdentityPolicy, LifecycleCall,
    LifecycleOutcome, MemoryLimits, MemoryStore, Nonce, NonceClaim, Outcome, RequestHeaders, Route, Server,
    ServerOptions, Session, SessionId, Store, StoreKey, StoreKeys, StreamOpener, derandomized,
    primitives::{base64_encode, hmac_sign},
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

type Vector = Map<String, Value>;
/// What a vector is held against: panics, or returns why it fails.
type Check = fn(&Vector, &Vector) -> Result<(), String>;

const CHECKS: [(&str, Check); 14] = [
    ("answer", answer),
    ("canonicalString", canonical_string),
    ("error", error),
    ("handshake", handshake),
    ("handshakeAnswer", handshake_answer),
    ("handshakeRequest", handshake_request),
    ("identityKey", identity_key),
    ("identitySignature", identity_signature),
    ("lifecycleAnswer", lifecycle_answer),
    ("record", record),
    ("sealed", sealed),
    ("server", server),
    ("sharedKey", shared_key),
    ("stream", stream),
];

fn main() -> ExitCode {
    let directory = env::var_os("NEN_VECTORS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.."), PathBuf::from);
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(&directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".json") && name != "schema.json" {
            found.insert(name.clone(), fs::read(directory.join(&name)).unwrap());
        }
    }
    panic::set_hook(Box::new(|_| {}));
    let mut tally = Tally::default();
    let digests: String =
        found.iter().map(|(name, text)| format!("{}  {name}\n", hex(Sha256::digest(text)))).collect();
    tally.count("SHA256SUMS", || {
        let listed = fs::read_to_string(directory.join("SHA256SUMS")).map_err(|error| error.to_string())?;
        equal(&listed, &digests)
    });
    for (name, text) in &found {
        let stem = name.trim_end_matches(".json");
        let Some((kind, file)) = kind_and_file(text) else {
            tally.count(stem, || Err("this is no file of vectors".to_owned()));
            continue;
        };
        let check = CHECKS.iter().find(|(known, _)| *known == kind).map(|(_, check)| check);
        let vectors = named_vectors(&file).unwrap_or_default();
        if vectors.is_empty() {
            tally.count(stem, || Err("no vectors".to_owned()));
        }
        for (name, vector) in vectors {
            let name = format!("{stem}/{name}");
            tally.count(&name, || check.ok_or(format!("no runner for {kind}"))?(&file, vector));
        }
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.passed > 0 && tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn kind_and_file(text: &[u8]) -> Option<(String, Vector)> {
    let file: Vector = serde_json::from_slice(text).ok()?;
    Some((file.get("kind")?.as_str()?.to_owned(), file))
}

fn named_vectors(file: &Vector) -> Option<Vec<(&str, &Vector)>> {
    let vectors = file.get("vectors")?.as_array()?.iter();
    vectors.map(|vector| Some((vector.get("name")?.as_str()?, vector.as_object()?))).collect()
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    fn count(&mut self, name: &str, check: impl FnOnce() -> Result<(), String>) {
        let outcome = panic::catch_unwind(panic::AssertUnwindSafe(check));
        match outcome.unwrap_or_else(|_| Err("a member is missing or has the wrong form".to_owned())) {
            Ok(()) => self.passed += 1,
            Err(why) => {
                self.failed += 1;
                println!("not ok {name}: {why}");
            }
        }
    }
}

// ── what a vector holds ─────────────────────────────────────────────────────────────────────────────────

trait Read {
    fn text(&self, name: &str) -> &str;
    fn number(&self, name: &str) -> u64;
    /// Bytes, as text or in hex.
    fn bytes(&self, name: &str) -> Vec<u8>;
    /// The same for a list.
    fn list(&self, name: &str) -> Vec<Vec<u8>>;
    fn array<const N: usize>(&self, name: &str) -> [u8; N];
    fn flag(&self, name: &str, default: bool) -> bool;
    fn status(&self) -> u16;
    /// Holds an outcome against the one that is expected: the code of an error, or what `good` says.
    fn expect<T>(
        &self,
        outcome: nen::Result<T>,
        good: impl FnOnce(T) -> Result<(), String>,
    ) -> Result<(), String>;
}

impl Read for Vector {
    fn text(&self, name: &str) -> &str {
        self[name].as_str().unwrap()
    }

    fn number(&self, name: &str) -> u64 {
        self[name].as_u64().unwrap()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        self.get(name)
            .map_or_else(|| unhex(self.text(&format!("{name}Hex"))), |text| text.as_str().unwrap().into())
    }

    fn list(&self, name: &str) -> Vec<Vec<u8>> {
        let texts = |name: &str| self[name].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
        if self.contains_key(name) {
            return texts(name).map(|text| text.as_bytes().to_vec()).collect();
        }
        texts(&format!("{name}Hex")).map(unhex).collect()
    }

    fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap()
    }

    fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |flag| flag.as_bool().unwrap())
    }

    fn status(&self) -> u16 {
        self.number("status").try_into().unwrap()
    }

    fn expect<T>(
        &self,
        outcome: nen::Result<T>,
        good: impl FnOnce(T) -> Result<(), String>,
    ) -> Result<(), String> {
        match (outcome, self.get("error")) {
            (Ok(value), None) => good(value),
            (Ok(_), Some(_)) => Err("no error came".to_owned()),
            (Err(error), None) => Err(error.to_string()),
            (Err(error), Some(code)) => equal(error.code().as_str(), code.as_str().unwrap()),
        }
    }
}

fn equal<T: PartialEq + Debug>(got: T, expected: T) -> Result<(), String> {
    if got == expected { Ok(()) } else { Err(format!("got {got:?}, expected {expected:?}")) }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn nonce(vector: &Vector) -> Nonce {
    Nonce::from_bytes(vector.array("nonce"))
}

fn id(vector: &Vector) -> SessionId {
    SessionId::parse(vector.text("sid").as_bytes()).unwrap()
}

fn session(of: &Vector) -> Session {
    Session::from_record(id(of), of.text("record").as_bytes(), 0).unwrap()
}

/// A client that shook hands.
fn client(file: &Vector, options: ClientOptions) -> Client {
    let client = Client::new(options);
    let handshake = derandomized::handshake(&file.array("clientDraws"), None).unwrap();
    client.establish(handshake, 200, file.text("answer").as_bytes(), file.number("nowMs")).unwrap();
    client
}

// ── the two keys of a session ───────────────────────────────────────────────────────────────────────────

fn canonical_string(file: &Vector, vector: &Vector) -> Result<(), String> {
    let signature = session(file).sign(
        vector.text("method"),
        vector.text("target"),
        vector.number("timestampMs"),
        &nonce(vector),
    );
    vector.expect(signature, |signature| {
        let record: Vector = serde_json::from_str(file.text("record")).unwrap();
        let key = nen::primitives::base64_decode(record.text("hmacKey")).unwrap();
        let tag = hmac_sign(key[..].try_into().unwrap(), vector.text("canonical").as_bytes());
        equal(base64_encode(&tag).as_str(), vector.text("signature"))?;
        equal(base64_encode(&signature).as_str(), vector.text("signature"))
    })
}

fn sealed(file: &Vector, vector: &Vector) -> Result<(), String> {
    let (session, nonce) = (session(file), nonce(vector));
    vector.expect(session.open(&nonce, &vector.bytes("sealed")), |plaintext| {
        equal(&*plaintext, &vector.bytes("plaintext"))?;
        equal(session.seal(&nonce, &plaintext).unwrap(), vector.bytes("sealed"))
    })
}

// ── handshakes and identities ───────────────────────────────────────────────────────────────────────────

fn handshake(_: &Vector, vector: &Vector) -> Result<(), String> {
    let (now, body) = (vector.number("nowMs"), vector.text("body"));
    let options = ServerOptions { session_ttl_ms: vector.number("sessionTtlMs"), ..ServerOptions::default() };
    let server = Server::new(options).unwrap();
    let (theirs, answer) =
        derandomized::accept(&server, &vector.array("serverDraws"), body.as_bytes(), now).unwrap();
    equal(std::str::from_utf8(&answer).unwrap(), vector.text("answer"))?;
    equal(theirs.to_record().as_str(), vector.text("record"))?;
    let identity = theirs.identity().map_or_else(Vec::new, |key| key.as_spki().to_vec());
    equal(identity, vector.bytes("identity"))?;

    let handshake = derandomized::handshake(&vector.array("clientDraws"), None).unwrap();
    let members: Vector = serde_json::from_str(body).unwrap();
    equal(base64_encode(handshake.public_key()).as_str(), members.text("pk"))?;
    let ours = handshake.finish(200, vector.text("answer").as_bytes(), now).unwrap();
    let zero = Nonce::from_bytes([0; 12]);
    for session in [&ours, &*theirs] {
        equal(session.id().to_text().as_str(), vector.text("sid"))?;
        equal(
            base64_encode(&session.sign("GET", "/", now, &zero).unwrap()).as_str(),
            vector.text("signature"),
        )?;
        equal(session.seal(&zero, b"nen").unwrap(), vector.bytes("sealed"))?;
    }
    Ok(())
}

fn handshake_request(file: &Vector, vector: &Vector) -> Result<(), String> {
    let identities = if vector.contains_key("allowedHex") {
        let keys = vector.list("allowed");
        IdentityPolicy::Only(keys.iter().map(|key| IdentityKey::from_spki(key).unwrap()).collect())
    } else if vector.flag("requireIdentity", false) {
        IdentityPolicy::Required
    } else {
        IdentityPolicy::Optional
    };
    let server = Server::new(ServerOptions { identities, ..ServerOptions::default() }).unwrap();
    vector.expect(server.accept(&vector.bytes("body"), file.number("nowMs")), |(session, _)| {
        let identity = session.identity().map_or_else(Vec::new, |key| key.as_spki().to_vec());
        equal(identity, vector.bytes("identity"))
    })
}

fn handshake_answer(file: &Vector, vector: &Vector) -> Result<(), String> {
    let handshake = derandomized::handshake(&file.array("clientDraws"), None).unwrap();
    let session = handshake.finish(vector.status(), &vector.bytes("body"), file.number("nowMs"));
    vector.expect(session, |session| {
        equal(session.id().to_text().as_str(), vector.text("sid"))?;
        equal(session.seal(&Nonce::from_bytes([0; 12]), b"nen").unwrap(), vector.bytes("sealed"))
    })
}

fn identity_key(_: &Vector, vector: &Vector) -> Result<(), String> {
    if vector.contains_key("pkcs8Hex") {
        let identity = Identity::from_pkcs8(&vector.bytes("pkcs8"));
        vector.expect(identity, |identity| {
            equal(identity.to_pkcs8().unwrap().to_vec(), vector.bytes("pkcs8"))?;
            equal(identity.public_key().as_spki().to_vec(), vector.bytes("spki"))
        })
    } else {
        vector.expect(IdentityKey::from_spki(&vector.bytes("spki")), |_| Err("no error came".to_owned()))
    }
}

fn identity_signature(_: &Vector, vector: &Vector) -> Result<(), String> {
    let key = IdentityKey::from_spki(&vector.bytes("spki")).unwrap();
    vector.expect(key.verify(&vector.bytes("message"), &vector.bytes("signature")), Ok)
}

// ── servers ─────────────────────────────────────────────────────────────────────────────────────────────

fn server(file: &Vector, vector: &Vector) -> Result<(), String> {
    let default = ServerOptions::default();
    let max_body =
        vector.get("maxBody").map_or(default.max_body, |_| vector.number("maxBody").try_into().unwrap());
    let server = Server::new(ServerOptions {
        strict: vector.flag("strict", default.strict),
        nonces_for_session: vector.flag("noncesForSession", default.nonces_for_session),
        require_signed_lifecycle: vector.flag("requireSignedLifecycle", default.require_signed_lifecycle),
        max_body,
        ..default
    });
    let default = MemoryLimits::default();
    let per_session = vector.get("maxNoncesPerSession").map(|_| vector.number("maxNoncesPerSession"));
    let store = MemoryStore::new(MemoryLimits {
        max_nonces_per_session: per_session
            .map_or(default.max_nonces_per_session, |count| count.try_into().unwrap()),
        ..default
    });
    for of in file["sessions"].as_array().unwrap() {
        store.set(Arc::new(session(of.as_object().unwrap())), 0).unwrap();
    }
    let server = server.unwrap();
    for (number, request) in vector["steps"].as_array().unwrap().iter().enumerate() {
        step(&server, &store, request.as_object().unwrap())
            .map_err(|why| format!("step {}: {why}", number + 1))?;
    }
    Ok(())
}

fn step(server: &Server, store: &MemoryStore, request: &Vector) -> Result<(), String> {
    let (now, method, target) = (request.number("nowMs"), request.text("method"), request.text("target"));
    let has_body = request.contains_key("body") || request.contains_key("bodyHex");
    let body = if has_body { request.bytes("body") } else { Vec::new() };
    let headers = request.list("headers");
    let headers = RequestHeaders::pick(headers.iter().map(|line| {
        let colon = line.windows(2).position(|pair| pair == b": ").unwrap();
        (&line[..colon], &line[colon + 2..])
    }));
    match server.route(method, target) {
        Route::NotFound => equal(404, request.status()),
        Route::Session(endpoint) => {
            let answer = server.respond(store, endpoint, headers, method, target, &body, now);
            request.expect(answer, |answer| {
                equal(answer.status, request.status())?;
                if request.contains_key("members") {
                    let answer: Vector = serde_json::from_slice(&answer.body).unwrap();
                    let mut names = request.list("members");
                    names.sort();
                    return equal(answer.keys().map(|name| name.as_bytes().to_vec()).collect(), names);
                }
                equal(std::str::from_utf8(&answer.body).unwrap(), request.text("answer"))
            })
        }
        Route::Application => {
            let opened =
                server.admit(store, headers, method, target, now).and_then(|exchange| exchange.open(&body));
            request.expect(opened, |plaintext| match plaintext {
                None => equal(Some(&Value::Bool(false)), request.get("plaintext")),
                Some(plaintext) => equal(&*plaintext, &request.bytes("plaintext")),
            })
        }
    }
}

// ── clients ─────────────────────────────────────────────────────────────────────────────────────────────

fn answer(file: &Vector, vector: &Vector) -> Result<(), String> {
    let (client, now) = (client(file, ClientOptions::default()), file.number("nowMs"));
    let mut call = Call::new(vector.text("method"), "/");
    call.seal(&client, None, now).unwrap();
    let outcome = call.open(&client, vector.status(), None, &vector.bytes("body"), now);
    vector.expect(outcome, |outcome| match outcome {
        Outcome::Answer(None) => equal(Some(&Value::Bool(false)), vector.get("plaintext")),
        Outcome::Answer(Some(plaintext)) => equal(&*plaintext, &vector.bytes("plaintext")),
        Outcome::Foreign => equal("foreign", vector.text("outcome")),
        Outcome::Reestablish => equal("reestablish", vector.text("outcome")),
        Outcome::Repeat => Err("to be repeated".to_owned()),
    })
}

fn lifecycle_answer(file: &Vector, vector: &Vector) -> Result<(), String> {
    let (client, now) = (client(file, ClientOptions::default()), file.number("nowMs"));
    let mut call = match vector.text("action") {
        "status" => LifecycleCall::status("/api/nen/status"),
        "terminate" => LifecycleCall::terminate("/api/nen/terminate"),
        "rotate" => LifecycleCall::rotate("/api/nen/rotate"),
        other => return Err(format!("no action {other}")),
    };
    call.seal(&client, now).unwrap();
    let outcome = call.open(&client, vector.status(), None, &vector.bytes("body"), now);
    vector.expect(outcome, |outcome| match outcome {
        LifecycleOutcome::Done(done) => equal(Some(&Value::Bool(done)), vector.get("done")),
        LifecycleOutcome::Reestablish => equal("reestablish", vector.text("outcome")),
        LifecycleOutcome::Repeat => Err("to be repeated".to_owned()),
    })
}

fn stream(file: &Vector, vector: &Vector) -> Result<(), String> {
    let (client, header) = (client(file, ClientOptions::default()), vector.text("nonceHeader"));
    let session = client.session().unwrap();
    let default = nen::DEFAULT_MAX_CHUNK;
    let max_chunk = vector.get("maxChunk").map_or(default, |_| vector.number("maxChunk").try_into().unwrap());
    let frames = vector.contains_key("frames");
    let mut body = if frames { Vec::new() } else { vector.bytes("body") };
    if frames {
        let (frames, nonces, mut chunks) =
            (vector.list("frames"), vector.list("nonces"), vector.list("chunks"));
        chunks.push(b"__FIN__".to_vec());
        equal((frames.len(), nonces.len()), (chunks.len(), chunks.len()))?;
        for ((frame, nonce), chunk) in frames.iter().zip(nonces).zip(chunks) {
            let sealed = session.seal(&Nonce::from_bytes(nonce.try_into().unwrap()), &chunk).unwrap();
            equal(base64_encode(&sealed).as_bytes(), frame)?;
            body.extend([b"data: ", &frame[..], b"\n\n"].concat());
        }
    }
    // In one piece, and byte by byte.
    for size in [body.len().max(1), 1] {
        let mut chunks = Vec::new();
        let mut read = || -> nen::Result<()> {
            let mut opener = StreamOpener::new(Arc::clone(&session), Some(header.as_bytes()), max_chunk)?;
            for piece in body.chunks(size) {
                opener.push(piece);
                while let Some(chunk) = opener.next_chunk()? {
                    chunks.push(chunk.to_vec());
                }
            }
            opener.end()
        };
        let outcome = read();
        equal(&chunks, &vector.list("chunks"))?;
        vector.expect(outcome, |()| equal(true, frames || vector.flag("complete", false)))?;
    }
    Ok(())
}

// ── stores ──────────────────────────────────────────────────────────────────────────────────────────────

fn record(_: &Vector, vector: &Vector) -> Result<(), String> {
    let keys = |list: &[Vec<u8>]| {
        let key = |text: &Vec<u8>| StoreKey::parse(std::str::from_utf8(text).unwrap()).unwrap();
        StoreKeys::new(list.iter().map(key).collect()).unwrap()
    };
    let list = vector.list("storeKeys");
    let read = keys(&list).read(id(vector), &vector.bytes("record"), vector.number("ttlMs"));
    vector.expect(read, |session| {
        equal(session.to_record().as_str(), vector.text("plain"))?;
        let written = keys(&list).write(&session).unwrap();
        let again = keys(&list[..1]).read(id(vector), &written, 0).unwrap();
        equal(again.to_record().as_str(), vector.text("plain"))
    })
}

fn shared_key(_: &Vector, vector: &Vector) -> Result<(), String> {
    let claim = NonceClaim { session: id(vector), nonce: nonce(vector), until_ms: 0 };
    equal(id(vector).record_key().as_str(), vector.text("recordKey"))?;
    equal(claim.key().as_str(), vector.text("nonceKey"))?;
    // What the keys are for: a claim of one is one of the other.
    let store = MemoryStore::default();
    equal(store.claim_nonce(&claim, 0), Ok(Claim::Fresh))?;
    equal(store.claim_nonce(&claim, 0), Ok(Claim::Replay))
}

fn error(_: &Vector, vector: &Vector) -> Result<(), String> {
    let code = Code::ALL.iter().find(|code| code.as_str() == vector.text("name"));
    let code = *code.ok_or("no such code")?;
    equal((code.http_status(), code.name()), (vector.status(), vector.text("symbol")))?;
    let answer = nen::Answer::error(&nen::Error::new(code, ""));
    equal(answer.status, vector.status())?;
    equal(std::str::from_utf8(&answer.body).unwrap(), vector.text("body"))
}
