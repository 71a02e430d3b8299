//! What Python hands over, in the shapes the core asks for.

use std::time::{SystemTime, UNIX_EPOCH};

use nen::{AnswerHead, NONCE_SIZE, Nonce, RequestHeaders};
use pyo3::{
    exceptions::{PyOverflowError, PyTypeError, PyValueError},
    prelude::*,
    types::PyString,
};

/// Text of a request line or header, as `bytes` (ASGI) or `str`.
#[derive(Clone, Copy)]
pub(crate) struct Octets<'a>(pub(crate) &'a [u8]);

impl<'a> Octets<'a> {
    fn read(value: Borrowed<'a, '_, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = value.extract::<&'a [u8]>() {
            return Ok(Self(bytes));
        }
        match value.extract::<&'a str>() {
            Ok(text) => Ok(Self(text.as_bytes())),
            Err(_) if value.is_instance_of::<PyString>() => Ok(Self(b"")),
            Err(_) => Err(PyTypeError::new_err("expected bytes or str")),
        }
    }

    /// As text. What is not UTF-8 cannot stand in a request line and becomes the empty text, which the core refuses in
    /// its turn: the order of its checks is kept.
    pub(crate) fn text(self) -> &'a str {
        std::str::from_utf8(self.0).unwrap_or_default()
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Octets<'a> {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Self::read(value)
    }
}

/// The headers of a request or an answer: an iterable of name and value pairs, as ASGI has them, `bytes` or `str`.
pub(crate) struct Headers<'py>(Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>);

impl Headers<'_> {
    /// Picks the protocol's headers and hands them to `then`.
    pub(crate) fn pick<T>(self, then: impl FnOnce(RequestHeaders<'_>) -> PyResult<T>) -> PyResult<T> {
        then(RequestHeaders::pick(self.pairs()?))
    }

    /// Picks what tells how an answer is sealed and hands it to `then`.
    pub(crate) fn answer_head<T>(self, status: u16, then: impl FnOnce(AnswerHead<'_>) -> T) -> PyResult<T> {
        Ok(then(AnswerHead::pick(status, self.pairs()?)))
    }

    fn pairs(&self) -> PyResult<Vec<(&[u8], &[u8])>> {
        let mut pairs = Vec::with_capacity(self.0.len());
        for (name, value) in &self.0 {
            pairs.push((Octets::read(name.as_borrowed())?.0, Octets::read(value.as_borrowed())?.0));
        }
        Ok(pairs)
    }
}

impl<'py> FromPyObject<'_, 'py> for Headers<'py> {
    type Error = PyErr;

    fn extract(pairs: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let pair = |pair: PyResult<Bound<'py, PyAny>>| {
            let pair = pair?;
            Ok((pair.get_item(0)?, pair.get_item(1)?))
        };
        Ok(Self(pairs.try_iter()?.map(pair).collect::<PyResult<_>>()?))
    }
}

/// A whole number that an option takes. One that is out of range is a `ValueError`, as any other bad option.
#[derive(Clone, Copy)]
pub(crate) struct Count<T>(pub(crate) T);

impl<'a, 'py, T: FromPyObject<'a, 'py>> FromPyObject<'a, 'py> for Count<T> {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        value.extract().map(Self).map_err(|error| {
            let error = error.into();
            if error.is_instance_of::<PyOverflowError>(value.py()) {
                PyValueError::new_err("the number is negative or too large")
            } else {
                error
            }
        })
    }
}

/// A nonce. Raises `ValueError` if it is not 12 bytes.
pub(crate) fn nonce(bytes: &[u8]) -> PyResult<Nonce> {
    <[u8; NONCE_SIZE]>::try_from(bytes)
        .map(Nonce::from_bytes)
        .map_err(|_| PyValueError::new_err(format!("a nonce is {NONCE_SIZE} bytes")))
}

/// The time to work with, in Unix milliseconds: the caller's, or else the system clock's.
pub(crate) fn now(now_ms: Option<u64>) -> u64 {
    now_ms.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
