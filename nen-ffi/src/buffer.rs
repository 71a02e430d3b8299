//! Bytes that the library hands out.

use std::ptr;

use nen::{Answer, Plaintext};
use zeroize::Zeroize;

use crate::failure::release;

/// Bytes that the library allocated: `len` of them at `data`, which is NULL if there are none. `capacity` is the
/// library's. Freed, and wiped before that, by nen_buffer_free(). A copy of the struct is the same buffer, to be
/// freed once.
#[repr(C)]
pub struct nen_buffer {
    /// The bytes.
    pub data: *mut u8,
    /// How many there are.
    pub len: usize,
    /// How many were allocated. Not to be changed.
    pub capacity: usize,
}

impl nen_buffer {
    const EMPTY: Self = Self { data: ptr::null_mut(), len: 0, capacity: 0 };
}

impl From<Vec<u8>> for nen_buffer {
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.capacity() == 0 {
            return Self::EMPTY;
        }
        let (data, len, capacity) = bytes.into_raw_parts();
        Self { data, len, capacity }
    }
}

impl From<Plaintext> for nen_buffer {
    fn from(mut plaintext: Plaintext) -> Self {
        std::mem::take(&mut *plaintext).into()
    }
}

impl From<Answer> for nen_buffer {
    fn from(answer: Answer) -> Self {
        answer.into_body().into()
    }
}

impl<T: Into<Self>> From<Option<T>> for nen_buffer {
    fn from(bytes: Option<T>) -> Self {
        bytes.map_or(Self::EMPTY, Into::into)
    }
}

/// Wipes and frees the bytes and empties the struct, so that freeing it again does nothing. NULL is accepted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nen_buffer_free(buffer: *mut nen_buffer) {
    if buffer.is_null() {
        return;
    }
    // SAFETY: the conventions of the header: the struct was filled by this library or is all zero.
    let nen_buffer { data, len: _, capacity } = unsafe { buffer.replace(nen_buffer::EMPTY) };
    if !data.is_null() {
        // SAFETY: data and capacity came out of a Vec in `From`. As its length 0 is sound whatever C did to `len`;
        // zeroizing takes in the whole capacity.
        let mut bytes = unsafe { Vec::from_raw_parts(data, 0, capacity) };
        bytes.zeroize();
        release(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freeing_twice_and_freeing_nothing_is_harmless() {
        let mut buffer = nen_buffer::from(vec![7; 100]);
        assert_eq!(buffer.len, 100);
        buffer.len = usize::MAX;
        // SAFETY: the buffer came from this library; NULL is accepted.
        unsafe {
            nen_buffer_free(&raw mut buffer);
            assert!(buffer.data.is_null() && buffer.len == 0 && buffer.capacity == 0);
            nen_buffer_free(&raw mut buffer);
            nen_buffer_free(ptr::null_mut());
        }
        assert!(nen_buffer::from(Vec::new()).data.is_null());
    }
}
