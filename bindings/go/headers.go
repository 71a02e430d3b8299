package nen

// #include <nen.h>
import "C"

import "net/http"

const jsonType = "application/json"

// The path of the session endpoints, unless an option says otherwise.
var endpointPrefix = C.GoString(C.nen_endpoint_prefix())

// The names of the protocol's headers, as net/http writes them.
var (
	sessionHeader     = http.CanonicalHeaderKey(C.GoString(C.nen_session_header()))
	timestampHeader   = http.CanonicalHeaderKey(C.GoString(C.nen_timestamp_header()))
	nonceHeader       = http.CanonicalHeaderKey(C.GoString(C.nen_nonce_header()))
	signatureHeader   = http.CanonicalHeaderKey(C.GoString(C.nen_signature_header()))
	streamNonceHeader = http.CanonicalHeaderKey(C.GoString(C.nen_stream_nonce_header()))
)

// Headers that do not fit a body in its other form: of a request, those that the application must not see; of an
// answer, those of the application's that do not travel.
var (
	hiddenRequestHeaders = headerList(func(i C.size_t) *C.char { return C.nen_hidden_request_header(i) })
	hiddenAnswerHeaders  = headerList(func(i C.size_t) *C.char { return C.nen_hidden_answer_header(i) })
)

func headerList(at func(C.size_t) *C.char) map[string]bool {
	names := map[string]bool{}
	for i := C.size_t(0); at(i) != nil; i++ {
		names[http.CanonicalHeaderKey(C.GoString(at(i)))] = true
	}
	return names
}

// visible copies headers without the hidden ones.
func visible(header http.Header, hidden map[string]bool) http.Header {
	kept := make(http.Header, len(header))
	for name, values := range header {
		if !hidden[http.CanonicalHeaderKey(name)] {
			kept[name] = values
		}
	}
	return kept
}
