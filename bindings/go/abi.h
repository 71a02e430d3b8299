// A request as arguments of a C function: a struct of Go's that points to Go strings cannot be passed to one. These are
// macros because only a preamble may use _GoString_.

#ifndef NEN_GO_ABI_H
#define NEN_GO_ABI_H

#include <nen.h>

// Bit i of `present` tells whether the i-th header is there.
#define NEN_GO_REQUEST                                                                                                \
	_GoString_ method, _GoString_ target, int present, _GoString_ session, _GoString_ timestamp, _GoString_ nonce,    \
		_GoString_ signature

#define NEN_GO_HEADER(bit, value)                                                                                     \
	{                                                                                                                 \
		(present & (bit)) == 0 ? NULL : _GoStringLen(value) == 0 ? "" : _GoStringPtr(value), _GoStringLen(value)      \
	}

#define NEN_GO_HEADERS                                                                                                \
	{                                                                                                                 \
		NEN_GO_HEADER(1, session), NEN_GO_HEADER(2, timestamp), NEN_GO_HEADER(4, nonce), NEN_GO_HEADER(8, signature)  \
	}

#define NEN_GO_LINE _GoStringPtr(method), _GoStringLen(method), _GoStringPtr(target), _GoStringLen(target)

#endif
