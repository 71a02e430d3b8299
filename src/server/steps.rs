//! What a request waits for, for a caller whose store is remote: what the store is to do, and what it said.

use std::sync::Arc;

use super::Request;
use crate::error::{Code, Error, Result};
use crate::replay::{Claim, NonceClaim};
use crate::session::Session;
use crate::wire::headers::{RequestHeaders, SessionId};

/// A request's headers, method and target, kept while a caller waits for its store.
pub struct RequestHead {
    session: Option<Vec<u8>>,
    timestamp: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
    method: String,
    target: String,
}

impl RequestHead {
    /// Copies what [`Request::read`] reads.
    pub fn new(headers: RequestHeaders<'_>, method: &str, target: &str) -> Self {
        Self {
            session: headers.session.map(Vec::from),
            timestamp: headers.timestamp.map(Vec::from),
            nonce: headers.nonce.map(Vec::from),
            signature: headers.signature.map(Vec::from),
            method: method.to_owned(),
            target: target.to_owned(),
        }
    }

    /// As [`Request::read`].
    pub fn read(&self) -> Result<Request<'_>> {
        let headers = RequestHeaders {
            session: self.session.as_deref(),
            timestamp: self.timestamp.as_deref(),
            nonce: self.nonce.as_deref(),
            signature: self.signature.as_deref(),
        };
        Request::read(headers, &self.method, &self.target)
    }
}

/// What a call waits for.
#[derive(Clone)]
pub enum Step {
    /// The live session with this id: [`Reply::Session`].
    Get(SessionId),
    /// This nonce, taken in one atomic step: [`Reply::Claim`].
    Claim(NonceClaim),
    /// This session kept until its end: [`Reply::Stored`].
    Set(Arc<Session>),
    /// The second session kept in place of the first, which stays if that fails: [`Reply::Stored`]. Never asked after
    /// [`EndpointCall::without_replace`](super::EndpointCall::without_replace).
    Replace(SessionId, Arc<Session>),
    /// This session removed: [`Reply::Stored`].
    Delete(SessionId),
    /// Nothing: [`AdmitCall::into_exchange`](super::AdmitCall::into_exchange),
    /// [`EndpointCall::into_answer`](super::EndpointCall::into_answer).
    Answer,
}

/// What the store said to a [`Step`]. A store that failed has no reply: the request is answered with ISO-9001.
pub enum Reply {
    /// To [`Step::Get`].
    Session(Option<Arc<Session>>),
    /// To [`Step::Claim`].
    Claim(Claim),
    /// To [`Step::Set`], [`Step::Replace`] and [`Step::Delete`].
    Stored,
}

pub(super) const OUT_OF_STEP: Error = Error::new(Code::Internal, "the call is not at this step");
