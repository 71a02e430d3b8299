//! Requests on a clock, as a server with its sessions in memory takes or refuses them.

mod bodies;
mod endpoints;
mod replay;
mod requests;

pub(super) use self::{bodies::bodies, endpoints::endpoints, replay::replay, requests::requests};

use std::sync::Arc;

use nen::{Code, Nonce, Session};

use super::{
    Made,
    format::{File, Object},
    keys::hmac_key,
    seeds::{NOW, Played, base64, record_of},
};

const METHOD: &str = "POST";
const TARGET: &str = "/api/secure-data";
/// What status answers of a session that lives.
const VALID: &str = r#"{"valid":true}"#;

/// A request that is about to be changed.
#[derive(Clone)]
struct Sent {
    at: u64,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sent {
    /// A request of `session`, signed at `timestamp` and sent at once.
    fn new(session: &Session, method: &str, target: &str, timestamp: u64, nonce: &Nonce) -> Made<Self> {
        Self::with_text(session, method, target, &timestamp.to_string(), &base64(nonce.as_bytes()))
            .map(|sent| sent.at(timestamp))
    }

    /// The same with a timestamp and a nonce that may be no such thing.
    fn with_text(session: &Session, method: &str, target: &str, timestamp: &str, nonce: &str) -> Made<Self> {
        let path = target.split('?').next().unwrap_or_default();
        let canonical = format!("{method}\n{path}\n{timestamp}\n{nonce}");
        let signature = base64(nen::primitives::hmac_sign(&hmac_key(session)?, canonical.as_bytes()));
        let headers = [
            (nen::SESSION_HEADER, session.id().to_text()),
            (nen::TIMESTAMP_HEADER, timestamp.to_owned()),
            (nen::NONCE_HEADER, nonce.to_owned()),
            (nen::SIGNATURE_HEADER, signature),
        ];
        Ok(Self {
            at: NOW,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            body: Vec::new(),
        })
    }

    fn at(mut self, now_ms: u64) -> Self {
        self.at = now_ms;
        self
    }

    fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        self.headers
            .iter_mut()
            .filter(|(other, _)| other == name)
            .for_each(|(_, old)| old.clone_from(&value));
        self
    }

    fn twice(mut self, name: &str) -> Self {
        let again = self.headers.iter().find(|(other, _)| other == name).cloned();
        self.headers.extend(again);
        self
    }

    fn lower(mut self) -> Self {
        self.headers.iter_mut().for_each(|(name, _)| *name = name.to_lowercase());
        self
    }

    fn step(&self) -> Object {
        let headers: Vec<String> =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let step = Object::default()
            .with("nowMs", self.at)
            .with("method", self.method.as_str())
            .with("target", self.target.as_str())
            .with("headers", headers);
        if self.body.is_empty() { step } else { step.bytes("body", &self.body) }
    }

    /// It is let in, and this is its body.
    fn opens(&self, plaintext: &[u8]) -> Object {
        self.step().bytes("plaintext", plaintext)
    }

    /// It is let in, and has no body.
    fn admitted(&self) -> Object {
        self.step().with("plaintext", false)
    }

    fn refused(&self, code: Code) -> Object {
        self.step().error(code)
    }

    /// A session endpoint's answer.
    fn answered(&self, status: u16, body: &str) -> Object {
        self.step().with("status", status).with("answer", body)
    }

    /// A handshake's or a rotation's answer, of which only the members are the same each time.
    fn established(&self) -> Object {
        self.step().with("status", 200u16).with("members", vec!["sid", "ct", "hmac"])
    }

    /// Under the prefix, and no endpoint.
    fn not_found(&self) -> Object {
        self.step().with("status", 404u16)
    }
}

fn vector(name: &str, steps: Vec<Object>) -> Object {
    Object::named(name).with("steps", steps)
}

fn one(name: &str, step: Object) -> Object {
    vector(name, vec![step])
}

fn file(name: &'static str, about: &'static str, vectors: Vec<Object>) -> Made<File> {
    let (a, b) = (Played::shared()?.session, other_session()?);
    let shared = Object::default().with("sessions", vec![record_of(&a), record_of(&b)]);
    Ok(File { name, kind: "server", about, shared, vectors })
}

fn other_session() -> Made<Arc<Session>> {
    Ok(Played::new("another handshake", nen::DEFAULT_SESSION_TTL_MS, None)?.session)
}

fn sealed_body(session: &Session, nonce: &Nonce, plaintext: &[u8]) -> Made<String> {
    Ok(format!(r#"{{"ct":"{}"}}"#, base64(session.seal(nonce, plaintext)?)))
}
