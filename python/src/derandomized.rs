//! The handshake from given randomness: for test vectors, and for nothing else.

use std::sync::Arc;

use nen::derandomized;
use pyo3::{exceptions::PyValueError, prelude::*, types::PyBytes};

use crate::client::ClientHandshake;
use crate::error::{HEAVY, run};
use crate::server::Server;
use crate::session::Session;

/// As :class:`nen.ClientHandshake`, from 64 given bytes. Raises ISO-1002.
#[pyfunction]
pub(crate) fn derandomized_handshake(py: Python<'_>, draws: &[u8]) -> PyResult<ClientHandshake> {
    let draws = exactly(draws)?;
    run(py, HEAVY, || derandomized::handshake(draws, None)).map(ClientHandshake::from_core)
}

/// The session that a server makes of a handshake, from 80 given bytes, and its answer. Raises ISO-1001, ISO-1002,
/// ISO-3004, ISO-6001, ISO-6002.
#[pyfunction]
pub(crate) fn derandomized_accept<'py>(
    py: Python<'py>,
    server: &Server,
    draws: &[u8],
    body: &[u8],
    now_ms: u64,
) -> PyResult<(Session, Bound<'py, PyBytes>)> {
    let draws = exactly(draws)?;
    let (session, answer) = run(py, HEAVY, || derandomized::accept(&server.core, draws, body, now_ms))?;
    Ok((Session(Arc::clone(&session)), PyBytes::new(py, &answer)))
}

fn exactly<const N: usize>(draws: &[u8]) -> PyResult<&[u8; N]> {
    draws.try_into().map_err(|_| PyValueError::new_err(format!("the draws are {N} bytes")))
}
