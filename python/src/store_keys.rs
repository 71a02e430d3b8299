//! Under which keys a store keeps the records of sessions.

use std::sync::Arc;

use nen::{InvalidOption, StoreKey};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyBytes, PySequence, PyString},
};

use crate::error::run;
use crate::session::{Session, session_id};

/// The option `store_keys`.
pub(crate) struct StoreKeys(pub(crate) nen::StoreKeys);

impl<'py> FromPyObject<'_, 'py> for StoreKeys {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        // The items of one key would be characters or numbers. A set has no first key: which one seals would be chance.
        let is_one_key = value.is_instance_of::<PyString>() || value.is_instance_of::<PyBytes>();
        if is_one_key || value.cast::<PySequence>().is_err() {
            let given = if is_one_key { "one key" } else { &*value.get_type().name()?.to_string() };
            let why = format!(
                "store_keys must be a list of keys, as [key], and is {given}; without the option, or with [\"plain\"], \
                 records are in the clear"
            );
            return Err(PyTypeError::new_err(why));
        }
        let keys = value.try_iter()?.map(|key| store_key(&key?)).collect::<PyResult<_>>()?;
        nen::StoreKeys::new(keys).map(Self).map_err(invalid)
    }
}

fn store_key(key: &Bound<'_, PyAny>) -> PyResult<StoreKey> {
    if key.is_instance_of::<PyString>() {
        return StoreKey::parse(key.extract().unwrap_or_default()).map_err(invalid);
    }
    if let Ok(bytes) = key.extract::<&[u8]>() {
        return StoreKey::from_bytes(bytes).map_err(invalid);
    }
    // Of the key's own type only: its value may be a secret.
    let kind = key.get_type().name()?;
    Err(PyTypeError::new_err(format!(
        "an item of store_keys is of type {kind}, and must be 32 bytes, their base64, or \"plain\": is a variable unset?"
    )))
}

fn invalid(error: InvalidOption) -> PyErr {
    PyValueError::new_err(format!("store_keys: {error} (openssl rand -base64 32 makes a key)"))
}

/// The record that a server with the option ``store_keys`` hands to its store: for the test vectors. Raises ISO-4002.
#[pyfunction]
pub(crate) fn write_record<'py>(
    py: Python<'py>,
    store_keys: StoreKeys,
    session: &Session,
) -> PyResult<Bound<'py, PyBytes>> {
    let StoreKeys(keys) = store_keys;
    let record = run(py, 0, || keys.write(&session.0))?;
    Ok(PyBytes::new(py, &record))
}

/// The session that such a server makes of a record that stood under ``sid``, in the way of
/// :meth:`nen.Session.from_record`: for the test vectors. Raises ISO-9001.
#[pyfunction]
#[pyo3(signature = (store_keys, sid, record, *, ttl_ms))]
pub(crate) fn read_record(
    py: Python<'_>,
    store_keys: StoreKeys,
    sid: &str,
    record: &[u8],
    ttl_ms: u64,
) -> PyResult<Session> {
    let (id, StoreKeys(keys)) = (session_id(sid)?, store_keys);
    let session = run(py, record.len(), || keys.read(id, record, ttl_ms))?;
    Ok(Session(Arc::new(session)))
}
