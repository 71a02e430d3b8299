//! Requests about the session itself.

use std::sync::{Arc, Mutex};

use napi::{Env, Result, bindgen_prelude::AsyncTask};
use napi_derive::napi;
use nen::LifecycleOutcome;

use crate::background::Background;
use crate::call::{SealedRequest, lock};
use crate::convert::moment;
use crate::error::thrown;

/// A signed call to rotate, terminate or ask after the session, over as many attempts as the protocol allows.
#[napi]
pub struct LifecycleCall {
    client: Arc<nen::Client>,
    inner: Arc<Mutex<nen::LifecycleCall>>,
}

/// What an answer means.
#[napi(object, object_from_js = false)]
pub struct LifecycleAnswer {
    /// `done`, `repeat` or `reestablish`.
    pub kind: &'static str,
    /// Where it is done: for status, whether the session lives.
    pub result: Option<bool>,
}

#[napi]
impl LifecycleCall {
    /// The HTTP method.
    #[napi(getter, catch_unwind)]
    pub fn method(&self) -> &'static str {
        lock(&self.inner).method()
    }

    /// Signs the next attempt, off the event loop, since a rotation draws keys. Errors: ISO-1002, ISO-2001, ISO-3002,
    /// ISO-4002.
    #[napi(catch_unwind)]
    pub fn seal(&self, now_ms: f64) -> Result<AsyncTask<Background<SealedRequest>>> {
        let (client, call, now_ms) = (Arc::clone(&self.client), Arc::clone(&self.inner), moment(now_ms)?);
        Ok(Background::start(move || lock(&call).seal(&client, now_ms).map(SealedRequest::from)))
    }

    /// Reads the answer to the last attempt. `date` is its `Date` header. Errors: the server's own code, ISO-1004,
    /// ISO-6001.
    #[napi(catch_unwind)]
    pub fn open(
        &self,
        env: Env,
        status: u16,
        date: Option<String>,
        body: &[u8],
        now_ms: f64,
    ) -> Result<LifecycleAnswer> {
        lock(&self.inner)
            .open(&self.client, status, date.as_deref(), body, moment(now_ms)?)
            .map(LifecycleAnswer::from)
            .map_err(|error| thrown(env, error))
    }
}

impl LifecycleCall {
    pub(crate) fn new(client: Arc<nen::Client>, call: nen::LifecycleCall) -> Self {
        Self { client, inner: Arc::new(Mutex::new(call)) }
    }
}

impl From<LifecycleOutcome> for LifecycleAnswer {
    fn from(outcome: LifecycleOutcome) -> Self {
        let (kind, result) = match outcome {
            LifecycleOutcome::Done(result) => ("done", Some(result)),
            LifecycleOutcome::Repeat => ("repeat", None),
            LifecycleOutcome::Reestablish => ("reestablish", None),
        };
        Self { kind, result }
    }
}
