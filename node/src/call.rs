//! One logical request to a protected endpoint.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::{Env, Result, bindgen_prelude::AsyncTask};
use napi_derive::napi;
use nen::Outcome;

use crate::background::Background;
use crate::convert::{Bytes, SecretText, moment};
use crate::error::thrown;
use crate::stream::StreamOpener;

/// A call, over as many attempts as the protocol allows. What is sealed or opened in the background takes a copy of its
/// input, since JavaScript could change the original meanwhile.
#[napi]
pub struct Call {
    client: Arc<nen::Client>,
    inner: Arc<Mutex<nen::Call>>,
}

/// A request that is ready to send.
#[napi(object, object_from_js = false)]
pub struct SealedRequest {
    /// The id of the session it was sealed with.
    pub session_id: String,
    /// Header names and values, as `new Headers(…)` takes them.
    pub headers: Vec<Vec<String>>,
    /// The body, `application/json`, if there is one.
    pub body: Option<Bytes>,
}

impl From<nen::SealedRequest> for SealedRequest {
    fn from(request: nen::SealedRequest) -> Self {
        let pair = |(name, value): &(&str, &str)| vec![(*name).to_owned(), (*value).to_owned()];
        Self {
            headers: request.headers.pairs().iter().map(pair).collect(),
            session_id: request.headers.session,
            body: request.body.map(Bytes),
        }
    }
}

/// What an answer means.
#[napi(object, object_from_js = false)]
pub struct CallOutcome {
    /// `answer`, `foreign`, `repeat` or `reestablish`.
    pub kind: &'static str,
    /// The opened JSON of an answer; null where there is none.
    pub json: Option<SecretText>,
}

#[napi]
impl Call {
    /// Seals and signs the next attempt. Errors: ISO-2001, ISO-3002, ISO-4002.
    #[napi(catch_unwind)]
    pub fn seal(&self, env: Env, body: Option<&[u8]>, now_ms: f64) -> Result<SealedRequest> {
        seal(&self.client, &self.inner, body, moment(now_ms)?).map_err(|error| thrown(env, error))
    }

    /// `seal`, off the event loop.
    #[napi(catch_unwind)]
    pub fn seal_in_background(
        &self,
        body: &[u8],
        now_ms: f64,
    ) -> Result<AsyncTask<Background<SealedRequest>>> {
        let (client, call) = (Arc::clone(&self.client), Arc::clone(&self.inner));
        let (body, now_ms) = (nen::Plaintext::new(body.to_vec()), moment(now_ms)?);
        Ok(Background::start(move || seal(&client, &call, Some(&body), now_ms)))
    }

    /// Reads the answer to the last attempt. `date` is its `Date` header. Errors: the server's own code, ISO-6001,
    /// ISO-6002, ISO-4001, ISO-4003, ISO-5001.
    #[napi(catch_unwind)]
    pub fn open(
        &self,
        env: Env,
        status: u16,
        date: Option<String>,
        body: &[u8],
        now_ms: f64,
    ) -> Result<CallOutcome> {
        lock(&self.inner)
            .open(&self.client, status, date.as_deref(), body, moment(now_ms)?)
            .map(CallOutcome::from)
            .map_err(|error| thrown(env, error))
    }

    /// `open`, off the event loop.
    #[napi(catch_unwind)]
    pub fn open_in_background(
        &self,
        status: u16,
        date: Option<String>,
        body: &[u8],
        now_ms: f64,
    ) -> Result<AsyncTask<Background<CallOutcome>>> {
        let (client, call) = (Arc::clone(&self.client), Arc::clone(&self.inner));
        let (body, now_ms) = (body.to_vec(), moment(now_ms)?);
        Ok(Background::start(move || {
            lock(&call).open(&client, status, date.as_deref(), &body, now_ms).map(CallOutcome::from)
        }))
    }

    /// Opens the stream that a 2xx answer carries. Errors: ISO-7001.
    #[napi(catch_unwind)]
    pub fn open_stream(&self, env: Env, nonce_header: Option<String>) -> Result<StreamOpener> {
        lock(&self.inner)
            .open_stream(&self.client, nonce_header.as_deref().map(str::as_bytes))
            .map(StreamOpener::new)
            .map_err(|error| thrown(env, error))
    }
}

impl Call {
    pub(crate) fn new(client: Arc<nen::Client>, call: nen::Call) -> Self {
        Self { client, inner: Arc::new(Mutex::new(call)) }
    }
}

impl From<Outcome> for CallOutcome {
    fn from(outcome: Outcome) -> Self {
        let (kind, json) = match outcome {
            Outcome::Answer(json) => ("answer", json.map(SecretText)),
            Outcome::Foreign => ("foreign", None),
            Outcome::Repeat => ("repeat", None),
            Outcome::Reestablish => ("reestablish", None),
        };
        Self { kind, json }
    }
}

fn seal(
    client: &nen::Client,
    call: &Mutex<nen::Call>,
    body: Option<&[u8]>,
    now_ms: u64,
) -> nen::Result<SealedRequest> {
    lock(call).seal(client, body, now_ms).map(SealedRequest::from)
}

/// A call that panicked half-way has its last attempt or none; both are safe to go on with.
pub(crate) fn lock<T>(call: &Mutex<T>) -> MutexGuard<'_, T> {
    call.lock().unwrap_or_else(PoisonError::into_inner)
}
