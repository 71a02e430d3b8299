//! The native module of the Node package `@withnen/native`.
