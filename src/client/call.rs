//! A request to a protected endpoint and its answer.

use std::sync::Arc;

use super::{Attempt, Client, NOT_SEALED, is_success, refusal};
use crate::crypto::aead::Nonce;
use crate::error::{Code, Error, Result};
use crate::stream::StreamOpener;
use crate::wire::{
    body::{self, Plaintext, SealedAnswer},
    canonical::Resource,
    headers::SignedHeaders,
    json,
};

/// One logical request to a protected endpoint, over as many attempts as the protocol allows.
///
/// ```text
/// loop { request = call.seal(…)?;  send it;  match call.open(…)? { Answer → done, Repeat → continue,
///        Reestablish → handshake once for all concurrent calls, continue } }
/// ```
pub struct Call {
    method: String,
    target: String,
    attempt: Option<Attempt>,
    /// The nonces of all attempts, at most three: what comes back under one of them is our own ciphertext.
    sent: Vec<Nonce>,
    reestablished: bool,
    clock_corrected: bool,
}

/// A request that is ready to send.
pub struct SealedRequest {
    /// The four headers of the protocol.
    pub headers: SignedHeaders,
    /// The body, `application/json`; `None` if the request has none.
    pub body: Option<Vec<u8>>,
}

/// What an answer means for a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The opened answer, UTF-8 JSON; `None` for the answer to HEAD, which has no body.
    Answer(Option<Plaintext>),
    /// Not 2xx and not of the protocol (a proxy's 502, a redirect): to be handed over the way the HTTP client does it.
    Foreign,
    /// Seal and send once more: the session or the clock has changed since.
    Repeat,
    /// The session is gone: shake hands once for all concurrent calls, then seal and send once more.
    Reestablish,
}

impl Call {
    /// A call to `target`, the path as it travels: percent-encoded; a query is not signed.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_ascii_uppercase(),
            target: target.to_owned(),
            attempt: None,
            sent: Vec::new(),
            reestablished: false,
            clock_corrected: false,
        }
    }

    /// Seals and signs the next attempt, under the client's current session and a fresh nonce.
    ///
    /// Errors: ISO-2001 without a session, ISO-3002 if the method or target cannot be signed, ISO-4002, ISO-4003 if the
    /// body is not JSON, which the server would refuse.
    pub fn seal(&mut self, client: &Client, body: Option<&[u8]>, now_ms: u64) -> Result<SealedRequest> {
        if body.is_some_and(|body| !json::is_json(body)) {
            return Err(Error::new(Code::CryptoPayloadNotJson, "the request's body is not UTF-8 JSON"));
        }
        let resource = Resource { method: &self.method, target: &self.target };
        let (attempt, headers) = client.start(resource, now_ms)?;
        let seal = |body| body::seal_request(&attempt.session.encryption, &attempt.nonce, body);
        let body = body.map(seal).transpose()?;
        self.sent.push(attempt.nonce);
        self.attempt = Some(attempt);
        Ok(SealedRequest { headers, body })
    }

    /// Reads the answer to the last attempt. `date` is its `Date` header.
    ///
    /// Errors: the server's own code; ISO-6001 for a 2xx answer that is not sealed, ISO-6002, ISO-4001, ISO-4003;
    /// ISO-5001 for our own ciphertext sent back; ISO-2001 if nothing was sealed.
    pub fn open(
        &mut self,
        client: &Client,
        status: u16,
        date: Option<&str>,
        body: &[u8],
        now_ms: u64,
    ) -> Result<Outcome> {
        let attempt = self.attempt.as_ref().ok_or(NOT_SEALED)?;
        if let Some(error) = refusal(status, body) {
            return self.on_error(client, error, date, now_ms);
        }
        if self.method == "HEAD" && body.is_empty() {
            return Ok(if is_success(status) { Outcome::Answer(None) } else { Outcome::Foreign });
        }
        let Some(answer) = SealedAnswer::read(body)? else {
            return match status {
                200..300 => Err(Error::new(
                    Code::WireInvalidPayloadFormat,
                    "the answer is not sealed, it has no `ct` and `n`: does the server protect this path?",
                )),
                _ => Ok(Outcome::Foreign),
            };
        };
        self.refuse_reflection(&answer.nonce)?;
        let plaintext = answer.open(&attempt.session.encryption)?;
        if !json::is_json(&plaintext) {
            return Err(Error::new(Code::CryptoPayloadNotJson, "the answer's plaintext is not UTF-8 JSON"));
        }
        Ok(Outcome::Answer(Some(plaintext)))
    }

    /// Opens the stream that a 2xx answer carries. `nonce_header` is its `X-Nen-Stream-Nonce`.
    ///
    /// Errors: ISO-7001; ISO-5001 for a stream that would begin with our own ciphertext; ISO-2001 if nothing was
    /// sealed.
    pub fn open_stream(&self, client: &Client, nonce_header: Option<&[u8]>) -> Result<StreamOpener> {
        let attempt = self.attempt.as_ref().ok_or(NOT_SEALED)?;
        let opener = StreamOpener::new(Arc::clone(&attempt.session), nonce_header, client.options.max_chunk)?;
        self.refuse_reflection(opener.base_nonce())?;
        Ok(opener)
    }

    /// Reads the answer to a stream request that is not 2xx. Errors: the server's own code, else ISO-7002; never an
    /// [`Outcome::Answer`] or [`Outcome::Foreign`].
    pub fn refuse_stream(
        &mut self,
        client: &Client,
        status: u16,
        date: Option<&str>,
        body: &[u8],
        now_ms: u64,
    ) -> Result<Outcome> {
        match refusal(status, body) {
            Some(error) => self.on_error(client, error, date, now_ms),
            None => Err(Error::new(
                Code::StreamRequestFailed,
                "the stream request was not answered with a stream",
            )),
        }
    }

    /// Both directions share a key, so that our own request would open as an answer. Errors: ISO-5001.
    fn refuse_reflection(&self, nonce: &Nonce) -> Result<()> {
        if self.sent.contains(nonce) {
            return Err(Error::new(
                Code::ReplayNonceReused,
                "the answer carries the nonce of the request: a reflection",
            ));
        }
        Ok(())
    }

    /// Whether an error of the server's is worth another attempt; once for each reason.
    fn on_error(
        &mut self,
        client: &Client,
        error: Error,
        date: Option<&str>,
        now_ms: u64,
    ) -> Result<Outcome> {
        let attempt = self.attempt.as_ref().ok_or(NOT_SEALED)?;
        match error.code() {
            Code::SessionInvalidOrExpired if !std::mem::replace(&mut self.reestablished, true) => {
                // Another call may have been faster: then its session is there to be used.
                let replaced =
                    client.session().is_some_and(|current| !Arc::ptr_eq(&current, &attempt.session));
                Ok(if replaced { Outcome::Repeat } else { Outcome::Reestablish })
            }
            Code::AuthTimestampOutOfWindow
                if client.corrects_clock(&mut self.clock_corrected, attempt, date, now_ms) =>
            {
                Ok(Outcome::Repeat)
            }
            _ => Err(error),
        }
    }
}
