//! Requests about the session itself: rotate, terminate, status.

use super::{Attempt, Client, Handshake, NOT_SEALED, SealedRequest, is_success, refusal};
use crate::error::{Code, Error, Result};
use crate::wire::{body, canonical::Resource};

/// A signed call to rotate, terminate or ask after the session, over as many attempts as the protocol allows.
///
/// ```text
/// loop { request = call.seal(…)?;  send it;  match call.open(…)? { Done → done, Repeat → continue,
///        Reestablish → handshake, done } }
/// ```
pub struct LifecycleCall {
    action: Action,
    target: String,
    attempt: Option<(Attempt, Option<Handshake>)>,
    clock_corrected: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Rotate,
    Terminate,
    Status,
}

/// What an answer means for a [`LifecycleCall`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifecycleOutcome {
    /// It was done. For status: whether the session lives.
    Done(bool),
    /// Seal and send once more: the clock was corrected.
    Repeat,
    /// There was no session left to rotate: shake hands instead.
    Reestablish,
}

impl LifecycleCall {
    /// `POST …/rotate`: new keys for the session. On success the client uses them; on failure the old session stays.
    pub fn rotate(target: &str) -> Self {
        Self::new(Action::Rotate, target)
    }

    /// `POST …/terminate`: ends the session on the server, then here.
    pub fn terminate(target: &str) -> Self {
        Self::new(Action::Terminate, target)
    }

    /// `GET …/status`: does the session live?
    pub fn status(target: &str) -> Self {
        Self::new(Action::Status, target)
    }

    fn new(action: Action, target: &str) -> Self {
        Self { action, target: target.to_owned(), attempt: None, clock_corrected: false }
    }

    /// The HTTP method.
    pub const fn method(&self) -> &'static str {
        match self.action {
            Action::Rotate | Action::Terminate => "POST",
            Action::Status => "GET",
        }
    }

    /// Signs the next attempt. Errors: ISO-1002, ISO-2001 without a session, ISO-3002, ISO-4002.
    pub fn seal(&mut self, client: &Client, now_ms: u64) -> Result<SealedRequest> {
        let (attempt, headers) =
            client.start(Resource { method: self.method(), target: &self.target }, now_ms)?;
        let handshake = (self.action == Action::Rotate).then(|| client.handshake()).transpose()?;
        let body = handshake.as_ref().map(|handshake| handshake.body().to_vec());
        self.attempt = Some((attempt, handshake));
        Ok(SealedRequest { headers, body })
    }

    /// Reads the answer to the last attempt. `date` is its `Date` header.
    ///
    /// Errors: the server's own code; ISO-1004 for a rotation and ISO-6001 for the others if the answer is none of the
    /// protocol; ISO-2001 if nothing was sealed.
    pub fn open(
        &mut self,
        client: &Client,
        status: u16,
        date: Option<&str>,
        body: &[u8],
        now_ms: u64,
    ) -> Result<LifecycleOutcome> {
        let (attempt, handshake) = self.attempt.take().ok_or(NOT_SEALED)?;
        if let Some(error) = refusal(status, body) {
            return match error.code() {
                Code::SessionInvalidOrExpired if self.action == Action::Rotate => {
                    Ok(LifecycleOutcome::Reestablish)
                }
                Code::AuthTimestampOutOfWindow
                    if client.corrects_clock(&mut self.clock_corrected, &attempt, date, now_ms) =>
                {
                    Ok(LifecycleOutcome::Repeat)
                }
                _ => Err(error),
            };
        }
        let foreign =
            Error::new(Code::WireInvalidPayloadFormat, "the session endpoint answered something else");
        match (self.action, handshake) {
            (Action::Rotate, Some(handshake)) => {
                client.establish(handshake, status, body, now_ms)?;
                Ok(LifecycleOutcome::Done(true))
            }
            (Action::Terminate, _) if is_success(status) && body::read_success(body) == Some(true) => {
                client.forget(&attempt.session);
                Ok(LifecycleOutcome::Done(true))
            }
            (Action::Status, _) => match (status, body::read_valid(body)) {
                (200, Some(true)) => Ok(LifecycleOutcome::Done(true)),
                (401, Some(false)) => Ok(LifecycleOutcome::Done(false)),
                _ => Err(foreign),
            },
            _ => Err(foreign),
        }
    }
}
