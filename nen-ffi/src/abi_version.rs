//! The number of the ABI, for the header and, through `build.rs`, for the name of the shared library.

/// The number of the ABI this header describes. It is raised by every incompatible change and by nothing else, apart
/// from the release number; the shared library carries it in its name (`libnen.so.1`).
pub const NEN_ABI_VERSION: u32 = 1;
