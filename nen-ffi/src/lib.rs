//! libnen.
