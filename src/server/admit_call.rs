//! The check of a request in steps, for a caller whose store is remote.

use std::mem;

use super::steps::OUT_OF_STEP;
use super::{Exchange, Reply, RequestHead, Server, Step, Verified};
use crate::error::Result;

/// A request to a protected path: does what [`Step`] says, is told by [`Reply`], and ends in an [`Exchange`].
///
/// [`Server::admit`] is the whole of it with a synchronous store.
pub struct AdmitCall {
    now_ms: u64,
    state: State,
}

enum State {
    Get(RequestHead),
    Claim(Verified),
    Admitted(Exchange),
    Failed,
}

impl AdmitCall {
    /// Begins. Errors: ISO-2003, ISO-2002.
    pub fn new(head: RequestHead, now_ms: u64) -> Result<Self> {
        head.read()?;
        Ok(Self { now_ms, state: State::Get(head) })
    }

    /// What the store is to do next. Errors: ISO-9000 after a failure.
    pub fn step(&self) -> Result<Step> {
        Ok(match &self.state {
            State::Get(head) => Step::Get(head.read()?.session_id()),
            State::Claim(verified) => Step::Claim(verified.claim()),
            State::Admitted(_) => Step::Answer,
            State::Failed => return Err(OUT_OF_STEP),
        })
    }

    /// Takes the store's reply to the current step.
    ///
    /// Errors: those of [`Server::verify`] and [`Verified::admit`]; ISO-9000 for a reply to another step. After an error
    /// the call is over.
    pub fn resume(&mut self, server: &Server, reply: Reply) -> Result<()> {
        self.state = match (mem::replace(&mut self.state, State::Failed), reply) {
            (State::Get(head), Reply::Session(session)) => {
                State::Claim(server.verify(&head.read()?, session, self.now_ms)?)
            }
            (State::Claim(verified), Reply::Claim(claim)) => State::Admitted(verified.admit(claim)?),
            _ => return Err(OUT_OF_STEP),
        };
        Ok(())
    }

    /// The request, let in, at [`Step::Answer`]. Errors: ISO-9000 at any other step.
    pub fn into_exchange(self) -> Result<Exchange> {
        match self.state {
            State::Admitted(exchange) => Ok(exchange),
            _ => Err(OUT_OF_STEP),
        }
    }
}
