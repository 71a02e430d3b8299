//! The server's side of the protocol, in steps that a caller may interleave with its own I/O.
//!
//! ```text
//! Request::read → (load the session) → Server::verify → (claim the nonce) → Verified::admit
//!               → Exchange::open → handler → Exchange::seal or Exchange::stream
//! ```
//!
//! Each step consumes the proof of the one before it, so that a body cannot be opened for a request that was not
//! verified. With a synchronous [`Store`](crate::Store), [`Server::admit`] is all steps up to the body in one call,
//! and [`Server::respond`] is a whole session endpoint; [`AdmitCall`] and [`EndpointCall`] are the same in steps. PROTOCOL.md, "Protected
//! requests" and "Endpoints".

mod admit_call;
mod check;
mod endpoint_call;
mod endpoints;
mod exchange;
mod form;
mod options;
mod steps;

pub use admit_call::AdmitCall;
pub use check::{Request, Verified};
pub use endpoint_call::EndpointCall;
pub(crate) use endpoints::Draws;
pub use endpoints::{Endpoint, Route};
pub use exchange::{Answer, Exchange};
pub use form::{AnswerHead, Form};
pub use options::{IdentityPolicy, InvalidOption, ServerOptions};
pub use steps::{Reply, RequestHead, Step};

/// A server's policy and what it does with requests. It holds no session: those are in a [`Store`](crate::Store).
pub struct Server {
    options: ServerOptions,
}

impl Server {
    /// A server with these options, which are checked here and not at the first request.
    pub fn new(options: ServerOptions) -> Result<Self, InvalidOption> {
        options.validate()?;
        Ok(Self { options })
    }

    /// The options in force.
    pub const fn options(&self) -> &ServerOptions {
        &self.options
    }
}
