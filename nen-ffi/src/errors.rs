//! The table of error codes, for C.

use std::{
    ffi::{CString, c_char},
    ptr,
    sync::LazyLock,
};

use nen::{Answer, Code, Error};

use crate::{
    argument::Out,
    buffer::nen_buffer,
    failure::{Misuse, caught, guard},
};

struct Entry {
    number: i32,
    http_status: u16,
    code: Option<CString>,
    name: CString,
    category: CString,
    message: CString,
    hint: CString,
}

/// Every code of the protocol in ascending order, then every code of misuse.
static TABLE: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let text = |text| CString::new(text).unwrap_or_default();
    let protocol = Code::ALL.iter().map(|code| Entry {
        number: code.number().into(),
        http_status: code.http_status(),
        code: Some(text(code.as_str())),
        name: text(code.name()),
        category: text(code.category().name()),
        message: text(code.message()),
        hint: text(code.hint()),
    });
    let misuse = Misuse::ALL.iter().map(|misuse| {
        let (number, name, message) = misuse.describe();
        Entry {
            number,
            http_status: Code::Internal.http_status(),
            code: None,
            name: text(name),
            category: text("misuse"),
            message: text(message),
            hint: text("The function's documentation in nen.h says what it takes."),
        }
    });
    protocol.chain(misuse).collect()
});

/// What `read` takes from the entry of `number`; `otherwise` if there is none.
fn look_up<T>(number: i32, otherwise: T, read: impl FnOnce(&'static Entry) -> T) -> T {
    caught(|| TABLE.iter().find(|entry| entry.number == number).map(read)).flatten().unwrap_or(otherwise)
}

/// The code at this place of the table of the protocol's codes, which is in ascending order; 0 past its end. A newer
/// library may know more codes than its header.
#[unsafe(no_mangle)]
pub extern "C" fn nen_error_at(index: usize) -> i32 {
    caught(|| Code::ALL.get(index).map(|code| code.number().into())).flatten().unwrap_or(0)
}

/// The code as it is written on the wire, for example "ISO-3002"; NULL for a number that is no code of the protocol.
/// Like the other texts of this table it is static.
#[unsafe(no_mangle)]
pub extern "C" fn nen_error_code(code: i32) -> *const c_char {
    look_up(code, ptr::null(), |entry| entry.code.as_ref().map_or(ptr::null(), |code| code.as_ptr()))
}

/// The symbolic name, for example "AUTH_SIGNATURE_INVALID" or "NEN_ERR_NULL"; NULL for a number that is no code.
#[unsafe(no_mangle)]
pub extern "C" fn nen_error_name(code: i32) -> *const c_char {
    look_up(code, ptr::null(), |entry| entry.name.as_ptr())
}

/// The family: "handshake", "session", "auth", "crypto", "replay", "wire", "stream", "internal", or "misuse" for the
/// negative ones; NULL for a number that is no code.
#[unsafe(no_mangle)]
pub extern "C" fn nen_error_category(code: i32) -> *const c_char {
    look_up(code, ptr::null(), |entry| entry.category.as_ptr())
}

/// One sentence that is safe to send; NULL for a number that is no code.
#[unsafe(no_mangle)]
pub extern "C" fn nen_error_message(code: i32) -> *const c_char {
    look_up(code, ptr::null(), |entry| entry.message.as_ptr())
}

/// Cause and fix, for the log of the side that raised it, never to be sent; NULL for a number that is no code.
#[unsafe(no_mangle)]
pub extern "C" fn nen_error_hint(code: i32) -> *const c_char {
    look_up(code, ptr::null(), |entry| entry.hint.as_ptr())
}

/// The HTTP status that a server answers with; 500 for misuse, 0 for a number that is no code.
#[unsafe(no_mangle)]
pub extern "C" fn nen_error_http_status(code: i32) -> u16 {
    look_up(code, 0, |entry| entry.http_status)
}

/// What a server answers, application/json, when a function returned this code: HTTP status and the plain body
/// {"error":{"code","message"}}. Misuse is answered as ISO-9000, of whose cause nothing is sent, and so is a handler
/// of the application's that failed: pass 9000.
///
/// Errors: NEN_ERR_NULL; NEN_ERR_VALUE if the number is no code.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_error_answer(code: i32, out_status: *mut u16, out_body: *mut nen_buffer) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (out_status, out_body) = unsafe { (Out::new(out_status)?, Out::new(out_body)?) };
        let known = u16::try_from(code).ok().and_then(Code::from_number);
        let code = match known {
            Some(code) => code,
            None if Misuse::ALL.iter().any(|misuse| misuse.describe().0 == code) => Code::Internal,
            None => return Err(Misuse::Value.into()),
        };
        let answer = Answer::error(&Error::new(code, "answered by libnen's caller"));
        out_status.write(answer.status);
        out_body.write(answer.into());
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn the_table_is_the_cores() {
        // SAFETY: every pointer is a static text.
        let text = |pointer| unsafe { CStr::from_ptr(pointer) }.to_str().unwrap();
        for (index, code) in Code::ALL.iter().enumerate() {
            let number = code.number().into();
            assert_eq!(nen_error_at(index), number);
            assert_eq!(nen_error_http_status(number), code.http_status());
            assert_eq!(text(nen_error_code(number)), code.as_str());
            assert_eq!(text(nen_error_name(number)), code.name());
            assert_eq!(text(nen_error_category(number)), code.category().name());
            assert_eq!(text(nen_error_message(number)), code.message());
            assert_eq!(text(nen_error_hint(number)), code.hint());
        }
        assert_eq!((nen_error_at(Code::ALL.len()), nen_error_at(usize::MAX)), (0, 0));
        for unknown in [0, 1, 3000, -10, i32::MIN, i32::MAX] {
            assert!(nen_error_name(unknown).is_null() && nen_error_code(unknown).is_null());
            assert_eq!(nen_error_http_status(unknown), 0);
        }
    }
}
