//! Arguments: pointers from C made into values that Rust can check, all of them before a call does anything.

use std::{
    borrow::Cow,
    ffi::c_char,
    ptr::NonNull,
    slice,
    sync::{Mutex, MutexGuard, TryLockError},
};

use nen::{NONCE_SIZE, Nonce};

use crate::failure::{Misuse, Result};

// ── in ──────────────────────────────────────────────────────────────────────────────────────────────────

/// A handle that may be shared, or an input that is read in place.
pub(crate) fn required<T>(handle: Option<&T>) -> Result<&T> {
    Ok(handle.ok_or(Misuse::Null)?)
}

/// Bytes; NULL with length 0 is no bytes.
///
/// # Safety
/// `data` is NULL or points to `len` bytes that nobody changes during `'a`.
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize) -> Result<&'a [u8]> {
    if isize::try_from(len).is_err() {
        return Err(Misuse::Length.into());
    }
    match (data.is_null(), len) {
        (true, 0) => Ok(&[]),
        (true, _) => Err(Misuse::Null.into()),
        // SAFETY: the caller's promise, and a length that a slice may have.
        (false, _) => Ok(unsafe { slice::from_raw_parts(data, len) }),
    }
}

/// Bytes that may be absent: NULL is not the same as no bytes.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn optional<'a>(data: *const c_char, len: usize) -> Result<Option<&'a [u8]>> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { bytes(data.cast(), len) }?;
    Ok((!data.is_null()).then_some(bytes))
}

/// Text that the caller chose.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn text<'a>(data: *const c_char, len: usize) -> Result<&'a str> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { bytes(data.cast(), len) }?;
    Ok(str::from_utf8(bytes).map_err(|_| Misuse::Utf8)?)
}

/// Text that a peer chose. What is not UTF-8 is no mistake of the caller's: it becomes U+FFFD, which can stand in no
/// request line, so that the core refuses it where and as the protocol says.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn wire_text<'a>(data: *const c_char, len: usize) -> Result<Cow<'a, str>> {
    // SAFETY: the caller's promise.
    Ok(String::from_utf8_lossy(unsafe { bytes(data.cast(), len) }?))
}

/// A number of bytes that is fixed.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn fixed<'a, const N: usize>(data: *const u8, len: usize) -> Result<&'a [u8; N]> {
    if data.is_null() {
        return Err(Misuse::Null.into());
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { bytes(data, len) }?.try_into().map_err(|_| Misuse::Length)?)
}

/// A nonce.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn nonce(data: *const u8, len: usize) -> Result<Nonce> {
    // SAFETY: the caller's promise.
    Ok(Nonce::from_bytes(*unsafe { fixed::<NONCE_SIZE>(data, len) }?))
}

/// A yes or no.
pub(crate) fn flag(value: i32) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Misuse::Value.into()),
    }
}

// ── in use by one thread at a time ──────────────────────────────────────────────────────────────────────

/// What only one thread at a time may use. A second one is refused at once: to make it wait would hide a mistake, and
/// give requests or chunks an order by chance.
pub(crate) struct Exclusive<T>(Mutex<T>);

impl<T> Exclusive<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, T>> {
        self.0.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Misuse::Busy.into(),
            TryLockError::Poisoned(_) => Misuse::Panic.into(),
        })
    }
}

/// A handle of one thread at a time.
///
/// # Safety
/// `handle` is NULL or came from this library and is not freed during `'a`.
pub(crate) unsafe fn lent<'a, T>(handle: *mut T) -> Result<&'a T> {
    // SAFETY: the caller's promise; behind the handle stands an `Exclusive`, so that sharing it is sound.
    required(unsafe { handle.as_ref() })
}

// ── out ─────────────────────────────────────────────────────────────────────────────────────────────────

/// Where one result goes.
pub(crate) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// # Safety
    /// `out` is NULL or points to room for a `T`, which stays there until it was written.
    pub(crate) unsafe fn new(out: *mut T) -> Result<Self> {
        Ok(Self(NonNull::new(out).ok_or(Misuse::Null)?))
    }

    /// What was there before is not looked at: C need not have set it.
    pub(crate) fn write(self, value: T) {
        // SAFETY: the promise made to `new`.
        unsafe { self.0.write(value) }
    }
}

impl<T> Out<Option<Box<T>>> {
    /// Makes C the owner of a new handle.
    pub(crate) fn give(self, handle: T) {
        self.write(Some(Box::new(handle)));
    }
}

/// Room of the caller's for `N` bytes.
pub(crate) struct Room<const N: usize>(NonNull<u8>);

impl<const N: usize> Room<N> {
    /// # Safety
    /// `out` is NULL or points to room for `size` bytes, which stays there until it was written.
    pub(crate) unsafe fn new(out: *mut u8, size: usize) -> Result<Self> {
        let out = NonNull::new(out).ok_or(Misuse::Null)?;
        if size < N {
            return Err(Misuse::Length.into());
        }
        Ok(Self(out))
    }

    pub(crate) fn write(self, bytes: [u8; N]) {
        // SAFETY: the promise made to `new`, which checked the size; bytes need no alignment.
        unsafe { self.0.cast::<[u8; N]>().write_unaligned(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;
    use crate::failure::guard;

    fn refused<T>(result: Result<T>) -> Option<i32> {
        result.err().map(|failure| guard(|| Err(failure)))
    }

    #[test]
    fn lengths_are_checked_before_memory_is_touched() {
        let one = [7_u8];
        // SAFETY: no pointer is followed further than its one byte.
        unsafe {
            assert!(bytes(ptr::null(), 0).unwrap().is_empty());
            assert_eq!(bytes(one.as_ptr(), 1).unwrap(), [7]);
            assert_eq!(refused(bytes(ptr::null(), 1)), Some(-1));
            assert_eq!(refused(bytes(one.as_ptr(), usize::MAX)), Some(-3));
            assert_eq!(refused(fixed::<12>(one.as_ptr(), 1)), Some(-3));
            assert_eq!(refused(fixed::<12>(ptr::null(), 0)), Some(-1));
            assert_eq!(refused(Room::<2>::new([0_u8].as_mut_ptr(), 1)), Some(-3));
            assert_eq!(optional(ptr::null(), 0).unwrap(), None);
            assert_eq!(optional(c"".as_ptr(), 0).unwrap(), Some(&b""[..]));
        }
    }

    #[test]
    fn what_no_peer_may_send_never_becomes_a_path() {
        let raw = b"/a\xff";
        // SAFETY: pointer and length belong together.
        unsafe {
            assert_eq!(refused(text(raw.as_ptr().cast(), raw.len())), Some(-2));
            assert_eq!(nen::pathname(&wire_text(raw.as_ptr().cast(), raw.len()).unwrap()), None);
        }
    }

    #[test]
    fn a_second_user_is_refused_and_a_panic_inside_closes_the_handle() {
        let handle = Exclusive::new(());
        let held = handle.lock().unwrap();
        assert_eq!(refused(handle.lock()), Some(-5));
        drop(held);
        assert_eq!(refused(handle.lock()), None);
        let inside = guard(|| {
            let _held = handle.lock()?;
            panic!("inside")
        });
        assert_eq!((inside, refused(handle.lock())), (-8, Some(-8)));
    }
}
