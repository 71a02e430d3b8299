// Package nen keeps HTTP payloads encrypted between the two endpoints, with post-quantum key exchange
// (NEN-PROTOCOL-V2): ML-KEM-768 for keys, ChaCha20-Poly1305 for bodies, HMAC-SHA256 for requests, ML-DSA-65 for the
// identity of a client, if it has one. It works inside TLS and does not replace it.
//
// On a server, [Middleware] stands in front of an [http.Handler]: handlers read plain JSON and write plain JSON, or a
// stream by [NewStreamWriter], and only ciphertext leaves the process. A client is a [Client], or any [http.Client]
// over a [Transport].
//
// # Linking
//
// All of the protocol is in libnen, which this package calls by cgo and finds by pkg-config: by "nen" the shared
// library, by "nen-static", with the build tag nen_static, the archive. A program that finds a library of another ABI
// when it starts ends with a message. The Go command does not notice that a library was replaced by another release:
// then build with -a.
//
// # Errors
//
// Whatever the protocol refuses is an [*Error] with its [Code], on the side that found it and on the side that is
// told. The codes are errors for [errors.Is]. What is used after it was closed returns [ErrClosed].
//
// # Goroutines and memory
//
// Everything may be used by any number of goroutines at once, unless its documentation says otherwise. What a
// function makes is to be had from that function only: zero values of its type are not usable.
//
// Keys are in libnen's memory, which wipes them; Close does so at once, the garbage collector some time later.
// Through Go's memory, where net/http and stores may leave copies, pass plaintext, the HMAC key in the answer to a
// handshake, the text of store keys, and, without these, the records of a store with a session's keys.
package nen
