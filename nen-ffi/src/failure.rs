//! How a call fails: the numbers that C sees, and the guard that no panic passes.

use std::{
    borrow::Cow,
    cell::RefCell,
    ffi::{CString, c_char},
    panic::{AssertUnwindSafe, catch_unwind},
};

use nen::InvalidOption;

/// The call succeeded.
pub const NEN_OK: i32 = 0;
/// A pointer that is required is NULL, or NULL came with a length other than 0.
pub const NEN_ERR_NULL: i32 = -1;
/// A text that the caller chose is not UTF-8.
pub const NEN_ERR_UTF8: i32 = -2;
/// An input does not have the length it must have, or the room for an output is too small.
pub const NEN_ERR_LENGTH: i32 = -3;
/// The handle was used up by an earlier call: all that can be done with it is to free it.
pub const NEN_ERR_USED_UP: i32 = -4;
/// The handle is in use on another thread at this moment.
pub const NEN_ERR_BUSY: i32 = -5;
/// An option has a value that cannot be. nen_last_detail() says which.
pub const NEN_ERR_OPTION: i32 = -6;
/// An integer or an id is not one of the values that the function takes.
pub const NEN_ERR_VALUE: i32 = -7;
/// A defect of the library was caught, in this call or in an earlier one on the same handle. Please report it.
pub const NEN_ERR_PANIC: i32 = -8;
/// The call is not at the step that the function belongs to. Nothing was done.
pub const NEN_ERR_STEP: i32 = -9;

/// A mistake of the caller's, or a panic of ours: what is no failure of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misuse {
    Null,
    Utf8,
    Length,
    UsedUp,
    Busy,
    Option,
    Value,
    Panic,
    Step,
}

impl Misuse {
    pub(crate) const ALL: [Self; 9] = [
        Self::Null,
        Self::Utf8,
        Self::Length,
        Self::UsedUp,
        Self::Busy,
        Self::Option,
        Self::Value,
        Self::Panic,
        Self::Step,
    ];

    /// Number, symbolic name, and what was wrong.
    pub(crate) const fn describe(self) -> (i32, &'static str, &'static str) {
        match self {
            Self::Null => (NEN_ERR_NULL, "NEN_ERR_NULL", "A required pointer is NULL."),
            Self::Utf8 => (NEN_ERR_UTF8, "NEN_ERR_UTF8", "A text is not UTF-8."),
            Self::Length => (NEN_ERR_LENGTH, "NEN_ERR_LENGTH", "An input or an output has the wrong size."),
            Self::UsedUp => {
                (NEN_ERR_USED_UP, "NEN_ERR_USED_UP", "The handle was used up by an earlier call.")
            }
            Self::Busy => (NEN_ERR_BUSY, "NEN_ERR_BUSY", "The handle is in use on another thread."),
            Self::Option => (NEN_ERR_OPTION, "NEN_ERR_OPTION", "An option has a value that cannot be."),
            Self::Value => (NEN_ERR_VALUE, "NEN_ERR_VALUE", "A value is not one that the function takes."),
            Self::Panic => (NEN_ERR_PANIC, "NEN_ERR_PANIC", "A defect of the library was caught."),
            Self::Step => (NEN_ERR_STEP, "NEN_ERR_STEP", "The call is not at the step of this function."),
        }
    }
}

/// Why a call did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    number: i32,
    detail: Cow<'static, str>,
}

impl From<nen::Error> for Failure {
    fn from(error: nen::Error) -> Self {
        Self { number: error.code().number().into(), detail: error.detail().into() }
    }
}

impl From<InvalidOption> for Failure {
    fn from(error: InvalidOption) -> Self {
        Self { number: NEN_ERR_OPTION, detail: error.to_string().into() }
    }
}

impl From<Misuse> for Failure {
    fn from(misuse: Misuse) -> Self {
        let (number, _, detail) = misuse.describe();
        Self { number, detail: detail.into() }
    }
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Runs the body of an export. Its outputs are written by the body, as the last thing it does.
pub(crate) fn guard(body: impl FnOnce() -> Result<()>) -> i32 {
    let failure = match caught(body) {
        Some(Ok(())) => return NEN_OK,
        Some(Err(failure)) => failure,
        None => Misuse::Panic.into(),
    };
    let detail = CString::new(failure.detail.as_bytes()).unwrap_or_default();
    // A thread that is about to end may have no room for it any more.
    let _kept = LAST_DETAIL.try_with(|last| last.replace(detail));
    failure.number
}

/// Runs the body of an export that returns its value; `None` if it panicked.
pub(crate) fn caught<T>(body: impl FnOnce() -> T) -> Option<T> {
    // A panic can leave behind nothing that later calls would trust: what is shared is changed in single steps, and a
    // handle of one thread is poisoned by its lock.
    catch_unwind(AssertUnwindSafe(|| {
        #[cfg(debug_assertions)]
        inject::panic_if_asked();
        body()
    }))
    .ok()
}

/// Frees a handle or drops a value of C's.
pub(crate) fn release<T>(value: T) {
    let _freed = caught(move || drop(value));
}

thread_local!(static LAST_DETAIL: RefCell<CString> = RefCell::default());

/// One sentence on what exactly was found by the last call on this thread that failed, for the log; empty if none
/// did. It holds nothing secret and nothing that a peer sent, and must still not be sent to one. Valid until the next
/// call on this thread fails.
#[unsafe(no_mangle)]
pub extern "C" fn nen_last_detail() -> *const c_char {
    caught(|| LAST_DETAIL.with_borrow(|last| last.as_ptr())).unwrap_or(c"".as_ptr())
}

/// In a debug build, `NEN_INJECT_PANIC=1` makes every export panic, so that tests can see what becomes of it.
#[cfg(debug_assertions)]
mod inject {
    use std::sync::LazyLock;

    static ASKED: LazyLock<bool> = LazyLock::new(|| std::env::var_os("NEN_INJECT_PANIC").is_some());

    #[allow(clippy::panic)] // its purpose
    pub(super) fn panic_if_asked() {
        assert!(!*ASKED, "injected by NEN_INJECT_PANIC");
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn a_panic_becomes_its_code() {
        assert_eq!(guard(|| panic!("caught")), NEN_ERR_PANIC);
        assert_eq!(caught(|| -> u8 { panic!("caught") }), None);
    }

    #[test]
    fn the_detail_of_the_last_failure_is_kept_for_its_thread() {
        let detail = || {
            // SAFETY: the pointer is valid until the next failure on this thread.
            unsafe { CStr::from_ptr(nen_last_detail()) }.to_str().unwrap().to_owned()
        };
        assert_eq!(detail(), "");
        assert_eq!(guard(|| Err(nen::Error::handshake_too_long().into())), 6001);
        assert_eq!(guard(|| Ok(())), NEN_OK);
        assert_eq!(detail(), nen::Error::handshake_too_long().detail());
        std::thread::scope(|scope| scope.spawn(|| assert_eq!(detail(), "")).join().unwrap());
    }

    #[test]
    fn misuse_is_negative_and_told_apart() {
        let mut numbers: Vec<i32> = Misuse::ALL.iter().map(|misuse| misuse.describe().0).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), Misuse::ALL.len());
        assert!(numbers.iter().all(|&number| number < 0));
    }
}
