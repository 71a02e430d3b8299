//! The keys under which sessions' records are sealed in a store.

use std::{ffi::c_char, sync::Arc};

use nen::StoreKeys;

use crate::{
    argument::{Out, bytes, required, text},
    buffer::nen_buffer,
    failure::{guard, release},
    session::{nen_session, session_id},
};

/// Under which keys a server seals the records of its sessions in a store that is not its own memory, so that whoever
/// reads the store reads no key of a session, and whoever writes to it makes no session. Any number of threads may use
/// it at once; the keys are wiped when it is freed.
pub struct nen_store_keys(StoreKeys);

/// Reads a list of keys, in order and separated by commas: each the base64 of NEN_STORE_KEY_SIZE (32) random bytes, or
/// the word "plain", which stands for records in the clear. The first one seals, and all of them open. The caller wipes
/// the text.
///
/// A key is replaced in three steps, each on all servers before the next: the new one last, then first, then
/// alone once the sessions that the old one sealed have ended. Sealing is turned on in the same way, with "plain" as the
/// old one.
///
/// Errors: NEN_ERR_NULL, NEN_ERR_UTF8; NEN_ERR_OPTION if it is no such list.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_store_keys_new(
    list: *const c_char,
    list_len: usize,
    out: *mut Option<Box<nen_store_keys>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (list, out) = unsafe { (text(list, list_len)?, Out::new(out)?) };
        out.give(nen_store_keys(StoreKeys::parse(list)?));
        Ok(())
    })
}

/// Writes the record for a store: {"ct","n"} under the first key, or nen_session_to_record() if that is "plain".
///
/// Errors: NEN_ERR_NULL; 4002 if the operating system has no randomness.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_store_keys_write(
    keys: Option<&nen_store_keys>,
    session: Option<&nen_session>,
    out: *mut nen_buffer,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (keys, session, out) = unsafe { (required(keys)?, required(session)?, Out::new(out)?) };
        out.write(keys.0.write(&session.0)?.into());
        Ok(())
    })
}

/// Reads the record that a store holds for the session `id`. One in the clear without "expiresAt" ends `ttl_ms`
/// milliseconds after its creation.
///
/// Errors: NEN_ERR_NULL; NEN_ERR_VALUE if `id` is no session id; 9001 if it is no record, if none of the keys opens it,
/// and if it is in the clear and "plain" is not listed.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn nen_store_keys_read(
    keys: Option<&nen_store_keys>,
    id: *const c_char,
    id_len: usize,
    record: *const u8,
    record_len: usize,
    ttl_ms: u64,
    out: *mut Option<Box<nen_session>>,
) -> i32 {
    guard(|| {
        // SAFETY: the conventions of the header.
        let (id, record, out) =
            unsafe { (session_id(id, id_len)?, bytes(record, record_len)?, Out::new(out)?) };
        out.give(nen_session(Arc::new(required(keys)?.0.read(id, record, ttl_ms)?)));
        Ok(())
    })
}

/// Frees the keys. NULL is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn nen_store_keys_free(keys: Option<Box<nen_store_keys>>) {
    release(keys);
}
