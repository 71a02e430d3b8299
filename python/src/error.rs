//! Failures on their way to Python: the core's errors, and panics, which become ISO-9000.

use std::panic::{AssertUnwindSafe, catch_unwind};

use nen::{Code, Error};
use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    sync::PyOnceLock,
    types::{PyBytes, PyType},
};

/// From this many bytes on, work is worth detaching from the interpreter for.
const DETACH_FROM: usize = 2048;

/// The size of work that is always worth it: key encapsulation, signatures.
pub(crate) const HEAVY: usize = usize::MAX;

/// Runs the core's work on `size` bytes, detached from the interpreter where that pays. A panic is a bug of ours and
/// becomes ISO-9000: it reaches Python as an ordinary `Exception`, and without the text of the panic.
pub(crate) fn run<T: Send>(
    py: Python<'_>,
    size: usize,
    work: impl FnOnce() -> nen::Result<T> + Send,
) -> PyResult<T> {
    const PANICKED: Error = Error::new(Code::Internal, "nen itself failed; please report this bug");

    let guarded = || catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(PANICKED));
    let outcome = if size >= DETACH_FROM { py.detach(guarded) } else { guarded() };
    outcome.map_err(|error| raise(py, error))
}

/// The `NenError` for an error of the core.
pub(crate) fn raise(py: Python<'_>, error: Error) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();

    CLASS
        .import(py, "nen._errors", "NenError")
        .and_then(|class| class.call1((error.code().as_str(), error.detail())))
        .map_or_else(|failed| failed, PyErr::from_value)
}

/// The table of codes, ascending: code, name, category, HTTP status, message, hint.
#[pyfunction]
pub(crate) fn error_codes() -> Vec<(&'static str, &'static str, &'static str, u16, &'static str, &'static str)>
{
    let row = |code: &Code| {
        (code.as_str(), code.name(), code.category().name(), code.http_status(), code.message(), code.hint())
    };
    Code::ALL.iter().map(row).collect()
}

/// The JSON body of an answer to this failure, `{"error":{"code","message"}}`. Raises `ValueError` for an unknown code.
#[pyfunction]
#[pyo3(signature = (code, /))]
pub(crate) fn error_body<'py>(py: Python<'py>, code: &str) -> PyResult<Bound<'py, PyBytes>> {
    let code = Code::parse(code).ok_or_else(|| PyValueError::new_err("no such error code"))?;
    Ok(PyBytes::new(py, &nen::Answer::error(&Error::new(code, "")).body))
}
