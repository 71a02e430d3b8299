package nen

// #include <nen.h>
import "C"

import "net/http"

const jsonType = "application/json"

// The path of the session endpoints, unless an option says otherwise.
var endpointPrefix = constant(func() *C.char { return C.nen_endpoint_prefix() })

// The name of the protocol and its version.
var protocol = constant(func() *C.char { return C.nen_protocol() })

// The names of the protocol's headers, as net/http writes them.
var (
	sessionHeader     = http.CanonicalHeaderKey(constant(func() *C.char { return C.nen_session_header() }))
	timestampHeader   = http.CanonicalHeaderKey(constant(func() *C.char { return C.nen_timestamp_header() }))
	nonceHeader       = http.CanonicalHeaderKey(constant(func() *C.char { return C.nen_nonce_header() }))
	signatureHeader   = http.CanonicalHeaderKey(constant(func() *C.char { return C.nen_signature_header() }))
	streamNonceHeader = http.CanonicalHeaderKey(constant(func() *C.char { return C.nen_stream_nonce_header() }))
)

// The headers of a sealed stream, beside its nonce.
var streamHeaders = func() map[string]string {
	headers := map[string]string{}
	for i := C.size_t(0); ; i++ {
		name := constant(func() *C.char { return C.nen_stream_header_name(i) })
		if name == "" {
			return headers
		}
		headers[name] = constant(func() *C.char { return C.nen_stream_header_value(i) })
	}
}()

// Headers that do not fit a body in its other form: of a request, those that the application must not see; of an
// answer, those of the application's that do not travel.
var (
	hiddenRequestHeaders = headerList(func(i C.size_t) *C.char { return C.nen_hidden_request_header(i) })
	hiddenAnswerHeaders  = headerList(func(i C.size_t) *C.char { return C.nen_hidden_answer_header(i) })
)

func headerList(at func(C.size_t) *C.char) map[string]bool {
	names := map[string]bool{}
	for i := C.size_t(0); ; i++ {
		name := constant(func() *C.char { return at(i) })
		if name == "" {
			return names
		}
		names[http.CanonicalHeaderKey(name)] = true
	}
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
