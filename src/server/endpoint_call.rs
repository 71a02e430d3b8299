//! A session endpoint in steps, for a caller whose store is remote.

use std::{mem, sync::Arc};

use super::steps::OUT_OF_STEP;
use super::{Answer, Endpoint, Reply, RequestHead, Server, Step, Verified};
use crate::error::{Code, Error, Result};
use crate::session::Session;
use crate::wire::{body, headers::SessionId};

/// A request to a session endpoint: does what [`Step`] says, is told by [`Reply`], and ends in an [`Answer`].
///
/// [`Server::respond`] is the whole of it with a synchronous store.
pub struct EndpointCall {
    endpoint: Endpoint,
    head: RequestHead,
    body: Vec<u8>,
    now_ms: u64,
    can_replace: bool,
    state: State,
}

enum State {
    Get(SessionId),
    Claim(Verified),
    /// And then this session deleted, if there is one.
    Set(Arc<Session>, Option<SessionId>, Answer),
    Replace(SessionId, Arc<Session>, Answer),
    Delete(SessionId, Answer),
    Answer(Answer),
    Failed,
}

impl EndpointCall {
    /// Begins. Errors: those of [`Server::accept`] for a handshake; ISO-2002 and ISO-2003 for the others.
    pub fn new(
        server: &Server,
        endpoint: Endpoint,
        head: RequestHead,
        body: &[u8],
        now_ms: u64,
    ) -> Result<Self> {
        let state = if endpoint == Endpoint::Handshake {
            let (session, answer) = server.accept(body, now_ms)?;
            State::Set(session, None, Answer::of_handshake(&answer))
        } else {
            match head.read() {
                Ok(request) => State::Get(request.session_id()),
                Err(error) => State::Answer(endpoint.to_a_dead_session(error)?),
            }
        };
        // Only a rotation needs its body later; what is too long is refused there, and need not be kept for it.
        let kept = body.len().min(crate::MAX_HANDSHAKE_BODY + 1);
        let body =
            if endpoint == Endpoint::Rotate { body.get(..kept).unwrap_or(body).to_vec() } else { Vec::new() };
        Ok(Self { endpoint, head, body, now_ms, can_replace: true, state })
    }

    /// The same for a store that cannot replace a session: it is asked to store the new one, and then to delete the old
    /// one, which lives until then.
    #[must_use]
    pub fn without_replace(self) -> Self {
        Self { can_replace: false, ..self }
    }

    /// What the store is to do next. Errors: ISO-9000 after a failure.
    pub fn step(&self) -> Result<Step> {
        Ok(match &self.state {
            State::Get(id) => Step::Get(*id),
            State::Claim(verified) => Step::Claim(verified.claim()),
            State::Set(session, ..) => Step::Set(Arc::clone(session)),
            State::Replace(old, new, _) => Step::Replace(*old, Arc::clone(new)),
            State::Delete(id, _) => Step::Delete(*id),
            State::Answer(_) => Step::Answer,
            State::Failed => return Err(OUT_OF_STEP),
        })
    }

    /// Takes the store's reply to the current step. `server` is the one the call began with.
    ///
    /// Errors: those of [`Server::verify_lifecycle`], [`Verified::admit`] and [`Server::accept`]; ISO-9000 for a reply
    /// to another step. After an error the call is over.
    pub fn resume(&mut self, server: &Server, reply: Reply) -> Result<()> {
        self.state = match (mem::replace(&mut self.state, State::Failed), reply) {
            (State::Get(id), Reply::Session(session)) => {
                match server.verify_lifecycle(&self.head.read()?, session, self.now_ms) {
                    Ok(Some(verified)) => State::Claim(verified),
                    Ok(None) => self.act(server, id)?,
                    Err(error) => State::Answer(self.endpoint.to_a_dead_session(error)?),
                }
            }
            (State::Claim(verified), Reply::Claim(claim)) => {
                let id = verified.admit(claim)?.session().id();
                self.act(server, id)?
            }
            (State::Set(_, Some(old), answer), Reply::Stored) => State::Delete(old, answer),
            (
                State::Set(_, None, answer) | State::Replace(_, _, answer) | State::Delete(_, answer),
                Reply::Stored,
            ) => State::Answer(answer),
            _ => return Err(OUT_OF_STEP),
        };
        Ok(())
    }

    /// What to send, at [`Step::Answer`]. Errors: ISO-9000 at any other step.
    pub fn into_answer(self) -> Result<Answer> {
        match self.state {
            State::Answer(answer) => Ok(answer),
            _ => Err(OUT_OF_STEP),
        }
    }

    /// What the endpoint is for, once the request was let in.
    fn act(&self, server: &Server, id: SessionId) -> Result<State> {
        Ok(match self.endpoint {
            Endpoint::Status => State::Answer(Answer::plain(200, body::VALID)),
            Endpoint::Terminate => State::Delete(id, Answer::plain(200, body::SUCCESS)),
            // The old session lives until the new one is stored: a rotation that fails loses nothing.
            Endpoint::Rotate | Endpoint::Handshake => {
                let (session, answer) = server.accept(&self.body, self.now_ms)?;
                let answer = Answer::of_handshake(&answer);
                if self.can_replace {
                    State::Replace(id, session, answer)
                } else {
                    State::Set(session, Some(id), answer)
                }
            }
        })
    }
}

impl Endpoint {
    /// The answer to a failed check: a session that does not live is none where the endpoint says so.
    fn to_a_dead_session(self, error: Error) -> Result<Answer> {
        match (error.code(), self) {
            (Code::SessionInvalidOrExpired, Self::Status) => Ok(Answer::plain(401, body::NOT_VALID)),
            (Code::SessionInvalidOrExpired, Self::Terminate) => Ok(Answer::plain(200, body::SUCCESS)),
            _ => Err(error),
        }
    }
}
