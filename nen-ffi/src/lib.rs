//! libnen: the C ABI of nen, from which `include/nen.h` is generated.
//!
//! - Doc comments of exports are written for C: they are the documentation in the header. What holds for all functions
//!   (argument order, ownership, threads, errors) stands once, in the header's opening comment in `cbindgen.toml`.
//! - A handle lent to a function is an `Option<&T>` (shared) or a `*mut T` (one thread at a time); a handle that
//!   changes owner is an `Option<Box<T>>`, out of a constructor and into its `_free`. No handle is ever cast.
//! - Every export runs in [`guard`](failure::guard), except those that only return a constant.

#![allow(non_camel_case_types)] // types carry the names that C sees
#![allow(clippy::missing_safety_doc)] // the header's opening comment says it once for every function
#![allow(clippy::doc_markdown)] // the docs are for C, where names need no backticks
#![allow(clippy::too_many_arguments)] // a slice is two arguments in C

mod argument;

// In the order of the header, which rustfmt leaves alone if each is a group of its own.

pub mod abi_version;

pub mod failure;

pub mod version;

pub mod errors;

pub mod buffer;

pub mod headers;

pub mod identity;

pub mod session;

pub mod store_keys;

pub mod client;

pub mod call;

pub mod custom_store;

pub mod store;

pub mod server;

pub mod steps;

pub mod exchange;

pub mod stream;

pub mod derandomized;

/// Every handle may be used and freed on any thread, and what two threads do with one at once is defined.
const _: () = {
    const fn any_thread<T: Send + Sync>() {}
    any_thread::<identity::nen_identity>();
    any_thread::<session::nen_session>();
    any_thread::<store_keys::nen_store_keys>();
    any_thread::<client::nen_client_options>();
    any_thread::<client::nen_client>();
    any_thread::<client::nen_handshake>();
    any_thread::<call::nen_call>();
    any_thread::<call::nen_lifecycle_call>();
    any_thread::<store::nen_store>();
    any_thread::<server::nen_server_options>();
    any_thread::<server::nen_server>();
    any_thread::<steps::nen_request>();
    any_thread::<steps::nen_verified>();
    any_thread::<steps::nen_endpoint_call>();
    any_thread::<exchange::nen_exchange>();
    any_thread::<stream::nen_stream_sealer>();
    any_thread::<stream::nen_stream_opener>();
};
