//! The server: its options, the session endpoints, and the check of a request in one call.

use std::{collections::HashSet, ffi::c_char, sync::Arc};

use nen::{Endpoint, IdentityKey, IdentityPolicy, Route, Server, ServerOptions};

use crate::{
    argument::{Exclusive, Out, bytes, flag, lent, required, text, wire_text},
    buffer::nen_buffer,
    exchange::nen_exchange,
    failure::{Misuse, Result, guard, release},
    headers::{nen_request_headers, received},
    store::nen_store,
};

/// The request belongs to the application.
pub const NEN_ROUTE_APPLICATION: i32 = 0;
/// POST handshake: establish a session.
pub const NEN_ROUTE_HANDSHAKE: i32 = 1;
/// POST rotate: establish a new session and destroy the old one.
pub const NEN_ROUTE_ROTATE: i32 = 2;
/// POST terminate: destroy a session.
pub const NEN_ROUTE_TERMINATE: i32 = 3;
/// GET status: does a session live?
pub const NEN_ROUTE_STATUS: i32 = 4;
/// Under the prefix of the session endpoints, and none of them: to be answered with 404.
pub const NEN_ROUTE_NOT_FOUND: i32 = 5;

// ── options ─────────────────────────────────────────────────────────────────────────────────────────────

/// The settings of a server to come. They are checked together, by nen_server_new(). One thread at a time.
pub struct nen_server_options(Exclusive<ServerOptions>);

/// Options with their defaults, which the setters name.
///
/// Errors: NEN_ERR_NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_options_new(out: *mut Option<Box<nen_server_options>>) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let out = unsafe { Out::new(out) }?;
        out.give(nen_server_options(Exclusive::new(ServerOptions::default())));
        Ok(())
    })
}

/// The external path under which the session endpoints stand, without a slash at its end. Default: "/api/nen".
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY, NEN_ERR_UTF8.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_options_set_prefix(
    options: *mut nen_server_options,
    prefix: *const c_char,
    prefix_len: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (options, prefix) = unsafe { (lent(options)?, text(prefix, prefix_len)?) };
        prefix.clone_into(&mut options.0.lock()?.prefix);
        Ok(())
    })
}

/// How long a session lives, in milliseconds. Default: NEN_DEFAULT_SESSION_TTL_MS, an hour.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_options_set_session_ttl_ms(
    options: *mut nen_server_options,
    ttl_ms: u64,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        unsafe { lent(options) }?.0.lock()?.session_ttl_ms = ttl_ms;
        Ok(())
    })
}

/// How far a request's timestamp may be from this server's clock, either way, in milliseconds. Default: 30,000.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_options_set_window_ms(
    options: *mut nen_server_options,
    window_ms: u64,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        unsafe { lent(options) }?.0.lock()?.window_ms = window_ms;
        Ok(())
    })
}

/// Most bytes of a request's sealed body. Default: 8 MiB.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_options_set_max_body(
    options: *mut nen_server_options,
    bytes: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        unsafe { lent(options) }?.0.lock()?.max_body = bytes;
        Ok(())
    })
}

/// Whether requests without a signature are refused: 0 or 1. Default: 1. 0 only for legacy clients that cannot sign;
/// a signature that is present is still checked.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY, NEN_ERR_VALUE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_options_set_strict(options: *mut nen_server_options, on: i32) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        unsafe { lent(options) }?.0.lock()?.strict = flag(on)?;
        Ok(())
    })
}

/// Whether a nonce is remembered until its session ends, and not for the window alone: 0 or 1. Default: 0. 1 where a
/// server that is not strict takes the same sessions, and where whoever read a handshake shall not send a recorded body
/// again under a signature of his own. It costs memory for each request of a session's life.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY, NEN_ERR_VALUE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_options_set_nonces_for_session(
    options: *mut nen_server_options,
    on: i32,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        unsafe { lent(options) }?.0.lock()?.nonces_for_session = flag(on)?;
        Ok(())
    })
}

/// Whether rotate, terminate and status must be signed: 0 or 1. Default: 0, because the TypeScript client does not
/// sign them. Where they are signed, the signature is checked either way.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY, NEN_ERR_VALUE.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_options_set_require_signed_lifecycle(
    options: *mut nen_server_options,
    on: i32,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        unsafe { lent(options) }?.0.lock()?.require_signed_lifecycle = flag(on)?;
        Ok(())
    })
}

/// Lets only clients with an ML-DSA-65 identity shake hands. Default: with or without; one that is presented must
/// verify.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_options_require_identity(options: *mut nen_server_options) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let mut options = unsafe { lent(options) }?.0.lock()?;
        if options.identities == IdentityPolicy::Optional {
            options.identities = IdentityPolicy::Required;
        }
        Ok(())
    })
}

/// Adds a public key, DER SubjectPublicKeyInfo of NEN_IDENTITY_PUBLIC_KEY_SIZE bytes, to the list of those that may
/// shake hands. With the first one, nobody else may.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY; 3004 if it is no such key.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_options_allow_identity(
    options: *mut nen_server_options,
    public_key: *const u8,
    public_key_len: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (options, key) = unsafe { (lent(options)?, bytes(public_key, public_key_len)?) };
        let key = IdentityKey::from_spki(key)?;
        match &mut options.0.lock()?.identities {
            IdentityPolicy::Only(allowed) => _ = allowed.insert(key),
            policy => *policy = IdentityPolicy::Only(HashSet::from([key])),
        }
        Ok(())
    })
}

/// Frees options. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_server_options_free(options: Option<Box<nen_server_options>>) {
    release(options);
}

// ── server ──────────────────────────────────────────────────────────────────────────────────────────────

/// A server's policy and what it does with requests. It holds no session: those are in a nen_store. Any number of
/// threads may use it at once.
pub struct nen_server(pub(crate) Arc<Server>);

/// A server. `options` NULL takes the defaults; they are copied.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_BUSY; NEN_ERR_OPTION for options that cannot be.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_new(
    options: Option<&nen_server_options>,
    out: *mut Option<Box<nen_server>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let out = unsafe { Out::new(out) }?;
        let options = match options {
            Some(options) => options.0.lock()?.clone(),
            None => ServerOptions::default(),
        };
        out.give(nen_server(Arc::new(Server::new(options)?)));
        Ok(())
    })
}

/// Most bytes of a request's sealed body that the server takes: the option, or its default.
///
/// Errors: NEN_ERR_NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_max_body(server: Option<&nen_server>, out: *mut usize) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (server, out) = unsafe { (required(server)?, Out::new(out)?) };
        out.write(server.0.options().max_body);
        Ok(())
    })
}

/// Where a request belongs: `out_route` becomes one of NEN_ROUTE_*. `target` is the request target as it travelled,
/// percent-encoded and not the path that a framework decoded; a query is ignored. Behind a mount point or a proxy
/// that rewrites paths it is the external one, which the client signed.
///
/// Errors: NEN_ERR_NULL.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_route(
    server: Option<&nen_server>,
    method: *const c_char,
    method_len: usize,
    target: *const c_char,
    target_len: usize,
    out_route: *mut i32,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (method, target, out_route) =
            unsafe { (wire_text(method, method_len)?, wire_text(target, target_len)?, Out::new(out_route)?) };
        out_route.write(match required(server)?.0.route(&method, &target) {
            Route::Application => NEN_ROUTE_APPLICATION,
            Route::Session(Endpoint::Handshake) => NEN_ROUTE_HANDSHAKE,
            Route::Session(Endpoint::Rotate) => NEN_ROUTE_ROTATE,
            Route::Session(Endpoint::Terminate) => NEN_ROUTE_TERMINATE,
            Route::Session(Endpoint::Status) => NEN_ROUTE_STATUS,
            Route::NotFound => NEN_ROUTE_NOT_FOUND,
        });
        Ok(())
    })
}

/// Answers a session endpoint, which is one of NEN_ROUTE_HANDSHAKE, _ROTATE, _TERMINATE and _STATUS. The other inputs
/// are the request: headers (NULL if it has none of the protocol's), method, target as for nen_server_route(), body.
/// The outputs are what to send: HTTP status and a body, application/json. The answer to a handshake holds a key.
///
/// Errors, to be answered by nen_error_answer(): NEN_ERR_NULL, NEN_ERR_VALUE; 1001, 1002, 2002, 2003, 3001, 3002,
/// 3003, 3004, 3005, 5001, 5002, 6001, 6002, 9001.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_respond(
    server: Option<&nen_server>,
    store: Option<&nen_store>,
    route: i32,
    headers: *const nen_request_headers,
    method: *const c_char,
    method_len: usize,
    target: *const c_char,
    target_len: usize,
    body: *const u8,
    body_len: usize,
    now_ms: u64,
    out_status: *mut u16,
    out_body: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (headers, method, target, body, out_status, out_body) = unsafe {
            (
                received(headers)?,
                wire_text(method, method_len)?,
                wire_text(target, target_len)?,
                bytes(body, body_len)?,
                Out::new(out_status)?,
                Out::new(out_body)?,
            )
        };
        let (server, store, endpoint) = (required(server)?, required(store)?, endpoint(route)?);
        let answer = server.0.respond(store.get(), endpoint, headers, &method, &target, body, now_ms)?;
        out_status.write(answer.status);
        out_body.write(answer.into());
        Ok(())
    })
}

/// Checks a request to a protected endpoint, in the order of the specification, and claims its nonce. The request is
/// lent as for nen_server_respond(). Only what was admitted can be opened.
///
/// Errors, to be answered by nen_error_answer(): NEN_ERR_NULL; 2003, 2002, 3005, 3001, 3002, 3003, 5001, 5002; 9001.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_server_admit(
    server: Option<&nen_server>,
    store: Option<&nen_store>,
    headers: *const nen_request_headers,
    method: *const c_char,
    method_len: usize,
    target: *const c_char,
    target_len: usize,
    now_ms: u64,
    out: *mut Option<Box<nen_exchange>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (headers, method, target, out) = unsafe {
            (
                received(headers)?,
                wire_text(method, method_len)?,
                wire_text(target, target_len)?,
                Out::new(out)?,
            )
        };
        let (server, store) = (required(server)?, required(store)?);
        out.give(nen_exchange(server.0.admit(store.get(), headers, &method, &target, now_ms)?));
        Ok(())
    })
}

/// Frees a server. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_server_free(server: Option<Box<nen_server>>) {
    release(server);
}

pub(crate) fn endpoint(route: i32) -> Result<Endpoint> {
    match route {
        NEN_ROUTE_HANDSHAKE => Ok(Endpoint::Handshake),
        NEN_ROUTE_ROTATE => Ok(Endpoint::Rotate),
        NEN_ROUTE_TERMINATE => Ok(Endpoint::Terminate),
        NEN_ROUTE_STATUS => Ok(Endpoint::Status),
        _ => Err(Misuse::Value.into()),
    }
}
