//! The test vectors of the protocol, `tests/vectors/*.json`: every one from fixed seeds, with one expectation each.
//!
//! Codes, canonical strings, nonces of streams and the sealing of records are written here from the specification, and
//! only the primitives are the core's: a mistake on either side shows in the runners, which hold the library against
//! them.

// The data are fixed: a slice that is out of range is a mistake that has to stop the generator, and a table is long.
#![allow(clippy::indexing_slicing, clippy::too_many_lines, clippy::format_collect)]

mod client;
mod format;
mod handshakes;
mod identities;
mod keys;
mod seeds;
mod server;
mod store;

use std::{error::Error, fmt::Write as _, path::Path};

use sha2::{Digest, Sha256};

use format::File;

/// What a vector is made with: whatever fails here is a mistake in the generator.
type Made<T> = Result<T, Box<dyn Error>>;

/// Hands every file of vectors, and the list of their digests, to `each`.
pub(crate) fn generate(directory: &Path, each: fn(&Path, &str) -> Made<()>) -> Made<()> {
    let mut digests = String::new();
    let mut files = files()?;
    files.sort_by_key(|file| file.name);
    for file in files {
        let (name, text) = (format!("{}.json", file.name), file.to_json()?);
        each(&directory.join(&name), &text)?;
        for byte in Sha256::digest(&text) {
            write!(digests, "{byte:02x}")?;
        }
        writeln!(digests, "  {name}")?;
    }
    each(&directory.join("SHA256SUMS"), &digests)
}

fn files() -> Made<Vec<File>> {
    Ok(vec![
        handshakes::whole()?,
        handshakes::requests()?,
        handshakes::answers()?,
        identities::keys()?,
        identities::signatures()?,
        keys::canonical_strings()?,
        keys::sealed()?,
        server::requests()?,
        server::bodies()?,
        server::replay()?,
        server::endpoints()?,
        client::answers()?,
        client::lifecycle_answers()?,
        client::streams()?,
        store::records()?,
        store::shared_keys()?,
        store::errors()?,
    ])
}
