//! The native module of the Python package `nen`: the core's classes with Python's manners, and no protocol of its own.
//!
//! Every class is frozen and may be used from several threads at once; what changes stands behind a lock that is never
//! held while Python code runs.

mod arguments;
mod client;
mod derandomized;
mod error;
mod identity;
mod interpreter;
mod server;
mod session;
mod steps;
mod store_keys;
mod stream;

use pyo3::prelude::*;

/// The protocol of nen, in Rust. Import these names from `nen`.
#[pymodule(gil_used = false)]
mod _native {
    use super::{Bound, PyModule, PyResult, interpreter};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        interpreter::claim(module.py())
    }

    #[pymodule_export]
    use crate::client::{
        Call, Client, ClientHandshake, LifecycleCall, LifecycleOutcome, Outcome, SealedRequest,
    };
    #[pymodule_export]
    use crate::derandomized::{derandomized_accept, derandomized_handshake};
    #[pymodule_export]
    use crate::error::{error_body, error_codes};
    #[pymodule_export]
    use crate::identity::{Identity, IdentityKey, verify_identity_signature};
    #[pymodule_export]
    use crate::server::{Answer, Exchange, MemorySessionStore, Server};
    #[pymodule_export]
    use crate::session::{Session, nonce_key, record_key};
    #[pymodule_export]
    use crate::steps::{AdmitCall, EndpointCall};
    #[pymodule_export]
    use crate::store_keys::{read_record, write_record};
    #[pymodule_export]
    use crate::stream::{StreamOpener, StreamSealer};

    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    const PROTOCOL: &str = nen::PROTOCOL;

    #[pymodule_export]
    const SESSION_HEADER: &str = nen::SESSION_HEADER;
    #[pymodule_export]
    const TIMESTAMP_HEADER: &str = nen::TIMESTAMP_HEADER;
    #[pymodule_export]
    const NONCE_HEADER: &str = nen::NONCE_HEADER;
    #[pymodule_export]
    const SIGNATURE_HEADER: &str = nen::SIGNATURE_HEADER;
    #[pymodule_export]
    const STREAM_NONCE_HEADER: &str = nen::STREAM_NONCE_HEADER;
    #[pymodule_export]
    const JSON_CONTENT_TYPE: &str = nen::JSON_CONTENT_TYPE;
    #[pymodule_export]
    const STREAM_CONTENT_TYPE: &str = nen::STREAM_CONTENT_TYPE;
    #[pymodule_export]
    const STREAM_HEADERS: [(&str, &str); 3] = nen::STREAM_HEADERS;
    #[pymodule_export]
    const HIDDEN_REQUEST_HEADERS: [&str; 19] = nen::HIDDEN_REQUEST_HEADERS;
    #[pymodule_export]
    const HIDDEN_ANSWER_HEADERS: [&str; 22] = nen::HIDDEN_ANSWER_HEADERS;
    #[pymodule_export]
    const ENDPOINT_PREFIX: &str = nen::ENDPOINT_PREFIX;

    #[pymodule_export]
    const REMOTE_CLOCK_SLACK_MS: u64 = nen::REMOTE_CLOCK_SLACK_MS;
    #[pymodule_export]
    const DEFAULT_MAX_CHUNK: usize = nen::DEFAULT_MAX_CHUNK;
    #[pymodule_export]
    const MAX_HANDSHAKE_BODY: usize = nen::MAX_HANDSHAKE_BODY;
    #[pymodule_export]
    const KEM_PUBLIC_KEY_SIZE: usize = nen::KEM_PUBLIC_KEY_SIZE;
    #[pymodule_export]
    const KEM_CIPHERTEXT_SIZE: usize = nen::KEM_CIPHERTEXT_SIZE;
    #[pymodule_export]
    const SHARED_SECRET_SIZE: usize = nen::SHARED_SECRET_SIZE;
    #[pymodule_export]
    const HMAC_KEY_SIZE: usize = nen::HMAC_KEY_SIZE;
    #[pymodule_export]
    const SIGNATURE_SIZE: usize = nen::SIGNATURE_SIZE;
    #[pymodule_export]
    const NONCE_SIZE: usize = nen::NONCE_SIZE;
    #[pymodule_export]
    const TAG_SIZE: usize = nen::TAG_SIZE;
    #[pymodule_export]
    const IDENTITY_PUBLIC_KEY_SIZE: usize = nen::IDENTITY_PUBLIC_KEY_SIZE;
    #[pymodule_export]
    const IDENTITY_PKCS8_SIZE: usize = nen::IDENTITY_PKCS8_SIZE;
    #[pymodule_export]
    const IDENTITY_SIGNATURE_SIZE: usize = nen::IDENTITY_SIGNATURE_SIZE;
}
