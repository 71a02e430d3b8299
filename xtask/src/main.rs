//! Writes what is generated from the core, and checks that it is up to date.
//!
//! `cargo xtask generate` writes the C header and the page of errors, `cargo xtask vectors` the test vectors. With
//! `--verify` they write nothing and fail if a file is out of date.

mod vectors;

use std::{error::Error, fmt::Write as _, fs, path::Path, process::ExitCode};

use nen::Code;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["generate"] => generate(write),
        ["generate", "--verify"] => generate(verify),
        ["vectors"] => test_vectors(write),
        ["vectors", "--verify"] => test_vectors(verify),
        _ => Err("usage: cargo xtask generate|vectors [--verify]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[allow(clippy::print_stderr)] // a command-line tool
            {
                eprintln!("xtask: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), Box<dyn Error>>;

/// Hands every generated file to `each`.
fn generate(each: fn(&Path, &str) -> Outcome) -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?;
    each(&root.join("include/nen.h"), &header(root)?)?;
    each(&root.join("docs/ERRORS.md"), &error_page()?)
}

/// Hands every file of test vectors to `each`.
fn test_vectors(each: fn(&Path, &str) -> Outcome) -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?;
    vectors::generate(&root.join("tests/vectors"), each)
}

fn write(path: &Path, content: &str) -> Outcome {
    Ok(fs::write(path, content)?)
}

fn verify(path: &Path, content: &str) -> Outcome {
    if fs::read_to_string(path).is_ok_and(|current| current == content) {
        return Ok(());
    }
    Err(format!("{} is out of date; run `cargo xtask generate` or `vectors` and commit it", path.display())
        .into())
}

/// The C header: the exports of `nen-ffi`, and a name for each code.
fn header(root: &Path) -> Result<String, Box<dyn Error>> {
    let directory = root.join("nen-ffi");
    let mut config = cbindgen::Config::from_file(directory.join("cbindgen.toml"))?;
    let names = config.after_includes.get_or_insert_default();
    names.push_str("\n\n/* The codes of the protocol, for a switch. nen_error_name() and its like describe them at run time. */");
    for code in Code::ALL {
        write!(names, "\n#define NEN_ISO_{} {}", code.name(), code.number())?;
    }
    let bindings = cbindgen::Builder::new().with_crate(directory).with_config(config).generate()?;
    let mut header = Vec::new();
    bindings.write(&mut header);
    Ok(String::from_utf8(header)?.lines().map(parenthesised).collect())
}

/// A line of the header; one that defines a negative number gets the parentheses that cbindgen leaves out.
fn parenthesised(line: &str) -> String {
    match line.split_once(" -") {
        Some((define, number)) if define.starts_with("#define ") => format!("{define} (-{number})\n"),
        _ => format!("{line}\n"),
    }
}

/// The page of error codes.
fn error_page() -> Result<String, std::fmt::Error> {
    let mut page = String::from(
        "# Error codes\n\n<!-- Generated from src/error.rs by `cargo xtask generate`. -->\n\n\
         Code, HTTP status and name are stable: never reused, never renumbered. The message is what travels, as\n\
         `{\"error\":{\"code\",\"message\"}}`. The hint stays in the log of the side that raised the error.\n\n\
         | code | HTTP | name | message | hint |\n|---|---|---|---|---|\n",
    );
    for code in Code::ALL {
        let (status, name) = (code.http_status(), code.name());
        let (message, hint) = (code.message(), code.hint());
        writeln!(page, "| {code} | {status} | `{name}` | {message} | {hint} |")?;
    }
    Ok(page)
}
