//! Gives the shared library its name for the dynamic linker, which carries the number of the ABI.

#[allow(unreachable_pub)] // it is public in the library
#[path = "src/abi_version.rs"]
mod abi_version;

use abi_version::NEN_ABI_VERSION;

fn main() {
    println!("cargo:rerun-if-changed=src/abi_version.rs");
    let name = match std::env::var("CARGO_CFG_TARGET_VENDOR").as_deref() {
        Ok("apple") => format!("-Wl,-install_name,@rpath/libnen.{NEN_ABI_VERSION}.dylib"),
        _ if std::env::var_os("CARGO_CFG_WINDOWS").is_some() => return,
        _ => format!("-Wl,-soname,libnen.so.{NEN_ABI_VERSION}"),
    };
    println!("cargo:rustc-cdylib-link-arg={name}");
}
