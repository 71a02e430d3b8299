//! One process has one copy of what this module keeps, the class of its errors for one. So it serves one interpreter:
//! in a second one, no `except` would catch what it raises.

use std::sync::atomic::{AtomicI64, Ordering};

use pyo3::{exceptions::PyImportError, ffi, prelude::*};

/// Takes the module for this interpreter. Raises `ImportError` if another one has it.
///
/// `CPython` 3.12 and later keep it out of interpreters with a lock of their own by themselves, but not out of those
/// that share the lock, which embedding servers such as `mod_wsgi` start.
pub(crate) fn claim(_attached: Python<'_>) -> PyResult<()> {
    const NOBODY: i64 = -1;
    static OWNER: AtomicI64 = AtomicI64::new(NOBODY);

    // SAFETY: the token shows that this thread is attached to an interpreter, which is all that both ask for.
    let this = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    match OWNER.compare_exchange(NOBODY, this, Ordering::Relaxed, Ordering::Relaxed) {
        Err(owner) if owner != this => Err(PyImportError::new_err(
            "nen serves one interpreter of a process, and another one has loaded it; give each a process of its own",
        )),
        _ => Ok(()),
    }
}
