package nen

// #include <nen.h>
import "C"

import (
	"errors"
	"iter"
)

//go:generate go run ./internal/gencodes codes.go

// ErrClosed is returned by whatever is used after it was closed.
var ErrClosed = errors.New("nen: use after Close")

// A Code is a stable code of the protocol: positive, the number of an ISO code, so that 3002 is ISO-3002. Negative
// ones are mistakes in how libnen was called, which this package does not make. What a code means is read from
// libnen.
//
// A Code is an error, so that [errors.Is] finds it in an [*Error]:
//
//	if errors.Is(err, nen.ErrSessionInvalidOrExpired) { … }
type Code int32

// Codes are all codes of the protocol that the loaded library knows, in ascending order.
func Codes() iter.Seq[Code] {
	return func(yield func(Code) bool) {
		for index := C.size_t(0); ; index++ {
			code := C.nen_error_at(index)
			if code == 0 || !yield(Code(code)) {
				return
			}
		}
	}
}

// String is the code as it is written on the wire, for example "ISO-3002"; of misuse its name. Since a Code is an
// error, package fmt prints Error instead.
func (c Code) String() string {
	if code := C.nen_error_code(C.int32_t(c)); code != nil {
		return C.GoString(code)
	}
	return c.Name()
}

// Name is the symbolic name, for example "AUTH_SIGNATURE_INVALID".
func (c Code) Name() string {
	return C.GoString(C.nen_error_name(C.int32_t(c)))
}

// Category is the family: "handshake", "session", "auth", "crypto", "replay", "wire", "stream", "internal" or
// "misuse".
func (c Code) Category() string {
	return C.GoString(C.nen_error_category(C.int32_t(c)))
}

// HTTPStatus is the status that a server answers with, or that best describes a failure on the client.
func (c Code) HTTPStatus() int {
	return int(C.nen_error_http_status(C.int32_t(c)))
}

// Message is one sentence that is safe to send to a peer.
func (c Code) Message() string {
	return C.GoString(C.nen_error_message(C.int32_t(c)))
}

// Hint is cause and fix, for the log of the side that raised the error, never to be sent.
func (c Code) Hint() string {
	return C.GoString(C.nen_error_hint(C.int32_t(c)))
}

// Error is code and message.
func (c Code) Error() string {
	return c.String() + ": " + c.Message()
}

// An Error is a failure of the protocol. Its text is for the log of this side; it holds no key and no plaintext. Its
// Cause may quote a peer.
type Error struct {
	Code
	// Detail is what exactly was found. It is not sent.
	Detail string
	// Cause is what the error comes of outside of the protocol: a broken connection, a failed store.
	Cause error
}

// Error is code, message, detail and cause.
func (e *Error) Error() string {
	text := e.Code.Error()
	if e.Detail != "" {
		text += " (" + e.Detail + ")"
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Is reports whether the target is this error's [Code].
func (e *Error) Is(target error) bool {
	return target == e.Code
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error {
	return e.Cause
}

// asError finds the error of the protocol in err. Anything else is a defect on this side, ISO-9000.
func asError(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	return &Error{Code: ErrInternal, Cause: err}
}
