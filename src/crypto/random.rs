//! The one source of randomness: the operating system's CSPRNG. Tests can replace it on their own thread.

use crate::error::{Code, Error, Result};

use super::Secret;

/// Fills `out`. Where the operating system gives nothing, the error carries `code`, the operation's own.
pub(crate) fn fill(out: &mut [u8], code: Code) -> Result<()> {
    #[cfg(test)]
    if let Some(answer) = test::replaced(out) {
        return answer.map_err(|()| Error::new(code, "the random source was made to fail"));
    }
    getrandom::fill(out).map_err(|_| Error::new(code, "the operating system's random source failed"))
}

/// `N` random bytes that are not secret: a nonce, an id.
pub(crate) fn array<const N: usize>(code: Code) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    fill(&mut bytes, code)?;
    Ok(bytes)
}

/// `N` random secret bytes, drawn in place.
pub(crate) fn secret<const N: usize>(code: Code) -> Result<Secret<N>> {
    let mut bytes = Secret::zeroed();
    fill(bytes.expose_mut(), code)?;
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod test {
    use std::cell::RefCell;

    /// What stands in for the operating system: fills the slice, or fails.
    pub(crate) type Source = Box<dyn FnMut(&mut [u8]) -> Result<(), ()>>;

    thread_local!(static SOURCE: RefCell<Option<Source>> = const { RefCell::new(None) });

    pub(super) fn replaced(out: &mut [u8]) -> Option<Result<(), ()>> {
        SOURCE.with_borrow_mut(|source| source.as_mut().map(|fill| fill(out)))
    }

    /// Runs `body` with `source` in place of the operating system, on this thread.
    pub(crate) fn with<T>(source: Source, body: impl FnOnce() -> T) -> T {
        struct Restore;
        impl Drop for Restore {
            fn drop(&mut self) {
                SOURCE.set(None);
            }
        }
        SOURCE.set(Some(source));
        let _restore = Restore;
        body()
    }

    /// A source that always fails.
    pub(crate) fn broken() -> Source {
        Box::new(|_| Err(()))
    }
}
