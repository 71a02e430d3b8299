package nen

/*
#include "abi.h"

static int32_t nen_go_admit(const nen_server *server, const nen_store *store, NEN_GO_REQUEST, uint64_t now_ms,
                            nen_exchange **out) {
	nen_request_headers headers = NEN_GO_HEADERS;
	return nen_server_admit(server, store, &headers, NEN_GO_LINE, now_ms, out);
}

static int32_t nen_go_respond(const nen_server *server, const nen_store *store, int32_t route, NEN_GO_REQUEST,
                              const uint8_t *body, size_t body_len, uint64_t now_ms, uint16_t *out_status,
                              nen_buffer *out_body) {
	nen_request_headers headers = NEN_GO_HEADERS;
	return nen_server_respond(server, store, route, &headers, NEN_GO_LINE, body, body_len, now_ms, out_status,
	                          out_body);
}

#cgo noescape nen_go_admit
#cgo noescape nen_go_respond
#cgo noescape nen_server_route
#cgo noescape nen_exchange_open
#cgo noescape nen_exchange_seal_as
#cgo noescape nen_server_max_body
#cgo noescape nen_exchange_session
#cgo noescape nen_exchange_stream
#cgo noescape nen_answer_form
#cgo nocallback nen_go_admit
#cgo nocallback nen_server_route
#cgo nocallback nen_exchange_open
#cgo nocallback nen_exchange_seal_as
#cgo nocallback nen_answer_form
*/
import "C"

import (
	"net/http"
	"strings"
	"time"
)

// A signedRequest is what libnen reads of a request.
type signedRequest struct {
	method, target                       string
	session, timestamp, nonce, signature string
	present                              C.int
}

func newSignedRequest(method, target string, header http.Header) *signedRequest {
	r := &signedRequest{method: method, target: target}
	for i, slot := range []struct {
		name  string
		value *string
	}{
		{sessionHeader, &r.session},
		{timestampHeader, &r.timestamp},
		{nonceHeader, &r.nonce},
		{signatureHeader, &r.signature},
	} {
		if values := header[slot.name]; len(values) > 0 {
			r.present |= 1 << i
			// A header that stands twice is one with a comma (RFC 9110 section 5.3), which none of these may have.
			*slot.value = strings.Join(values, ",")
		}
	}
	return r
}

type serverCore struct {
	*handle[*C.nen_server]
}

// policy is the part of the server's options that libnen decides by. Zero values take libnen's defaults.
type policy struct {
	prefix           string
	ttl, window      time.Duration
	maxBody          int
	lax              bool
	noncesForSession bool
	signedLifecycle  bool
	requireIdentity  bool
	identities       [][]byte
}

func newServerCore(p policy) (serverCore, error) {
	var options *C.nen_server_options
	if err := call(func() C.int32_t { return C.nen_server_options_new(&options) }); err != nil {
		return serverCore{}, err
	}
	defer C.nen_server_options_free(options)
	var err error // of the first setting that was refused
	set := func(wanted bool, setting func() C.int32_t) {
		if wanted && err == nil {
			err = call(setting)
		}
	}
	set(p.prefix != "", func() C.int32_t {
		prefix, length := text(p.prefix)
		return C.nen_server_options_set_prefix(options, prefix, length)
	})
	set(p.ttl > 0, func() C.int32_t {
		return C.nen_server_options_set_session_ttl_ms(options, C.uint64_t(p.ttl.Milliseconds()))
	})
	set(p.window > 0, func() C.int32_t {
		return C.nen_server_options_set_window_ms(options, C.uint64_t(p.window.Milliseconds()))
	})
	set(p.maxBody > 0, func() C.int32_t { return C.nen_server_options_set_max_body(options, C.size_t(p.maxBody)) })
	set(p.lax, func() C.int32_t { return C.nen_server_options_set_strict(options, 0) })
	set(p.noncesForSession, func() C.int32_t { return C.nen_server_options_set_nonces_for_session(options, 1) })
	set(p.signedLifecycle, func() C.int32_t { return C.nen_server_options_set_require_signed_lifecycle(options, 1) })
	set(p.requireIdentity, func() C.int32_t { return C.nen_server_options_require_identity(options) })
	for _, identity := range p.identities {
		set(true, func() C.int32_t {
			key, length := octets(identity)
			return C.nen_server_options_allow_identity(options, key, length)
		})
	}
	if err != nil {
		return serverCore{}, err
	}
	var server *C.nen_server
	if err := call(func() C.int32_t { return C.nen_server_new(options, &server) }); err != nil {
		return serverCore{}, err
	}
	return serverCore{newHandle(server, func(server *C.nen_server) { C.nen_server_free(server) })}, nil
}

// maxBody is the most bytes of a request's sealed body.
func (s serverCore) maxBody() (int64, error) {
	var limit C.size_t
	err := use(s.handle, func(server *C.nen_server) C.int32_t { return C.nen_server_max_body(server, &limit) })
	return int64(min(uint64(limit), 1<<62)), err
}

// route tells where a request belongs; target is its path below the mount point, percent-encoded.
func (s serverCore) route(method, target string) (route, error) {
	var out C.int32_t
	m, mLen := text(method)
	t, tLen := text(target)
	err := use(s.handle, func(server *C.nen_server) C.int32_t {
		return C.nen_server_route(server, m, mLen, t, tLen, &out)
	})
	return route(out), err
}

// admit checks a request against a store of libnen's.
func (s serverCore) admit(store *MemoryStore, r *signedRequest) (exchange, error) {
	var out *C.nen_exchange
	err := use2(s.handle, store.handle, func(server *C.nen_server, store *C.nen_store) C.int32_t {
		return C.nen_go_admit(server, store, r.method, r.target, r.present, r.session, r.timestamp, r.nonce, r.signature,
			now(), &out)
	})
	if err != nil {
		return exchange{}, err
	}
	return newExchange(out), nil
}

// respond answers a session endpoint from a store of libnen's.
func (s serverCore) respond(store *MemoryStore, endpoint route, r *signedRequest, body []byte) (int, []byte, error) {
	var status C.uint16_t
	var answer C.nen_buffer
	data, length := octets(body)
	err := use2(s.handle, store.handle, func(server *C.nen_server, store *C.nen_store) C.int32_t {
		return C.nen_go_respond(server, store, C.int32_t(endpoint), r.method, r.target, r.present, r.session, r.timestamp,
			r.nonce, r.signature, data, length, now(), &status, &answer)
	})
	if err != nil {
		return 0, nil, err
	}
	return int(status), take(&answer), nil
}

// An exchange is an admitted request and the answer to come.
type exchange struct {
	*handle[*C.nen_exchange]
}

func newExchange(object *C.nen_exchange) exchange {
	return exchange{newHandle(object, func(object *C.nen_exchange) { C.nen_exchange_free(object) })}
}

// peer is the session of the request, and who the client is.
func (e exchange) peer() (Peer, error) {
	var session *C.nen_session
	if err := use(e.handle, func(x *C.nen_exchange) C.int32_t { return C.nen_exchange_session(x, &session) }); err != nil {
		return Peer{}, err
	}
	defer C.nen_session_free(session)
	sid, err := sessionID(session)
	if err != nil {
		return Peer{}, err
	}
	identity, err := sessionIdentity(session)
	return Peer{SessionID: sid, Identity: identity, Protocol: protocol}, err
}

// open opens the request's body to JSON; without bytes if the request has none.
func (e exchange) open(body []byte) ([]byte, error) {
	var plaintext C.nen_buffer
	data, length := octets(body)
	err := use(e.handle, func(x *C.nen_exchange) C.int32_t { return C.nen_exchange_open(x, data, length, &plaintext) })
	if err != nil {
		return nil, err
	}
	return take(&plaintext), nil
}

// A form is how an application's answer travels.
type form C.int32_t

const (
	formJSON   form = C.NEN_FORM_JSON
	formText   form = C.NEN_FORM_TEXT
	formStream form = C.NEN_FORM_STREAM
)

// answerForm decides on the form of an answer by its status and headers.
func answerForm(status int, header http.Header) (form, error) {
	var out C.int32_t
	mediaType, mediaTypeLen := optional(header.Get("Content-Type"))
	encoding, encodingLen := optional(strings.Join(header.Values("Content-Encoding"), ","))
	length, lengthLen := optional(header.Get("Content-Length"))
	err := call(func() C.int32_t {
		return C.nen_answer_form(C.uint16_t(status), mediaType, mediaTypeLen, encoding, encodingLen, length, lengthLen, &out)
	})
	return form(out), err
}

// seal seals a whole answer.
func (e exchange) seal(as form, status int, body []byte) (int, []byte, error) {
	var sealedStatus C.uint16_t
	var sealed C.nen_buffer
	data, length := octets(body)
	err := use(e.handle, func(x *C.nen_exchange) C.int32_t {
		return C.nen_exchange_seal_as(x, C.int32_t(as), C.uint16_t(status), data, length, &sealedStatus, &sealed)
	})
	if err != nil {
		return 0, nil, err
	}
	return int(sealedStatus), take(&sealed), nil
}

// sealedSize is how long the sealed answer to this many bytes of JSON is.
func sealedSize(plain int) int {
	return int(C.nen_sealed_answer_size(C.size_t(plain)))
}

// stream starts a sealed stream as the answer.
func (e exchange) stream() (streamSealer, error) {
	var sealer *C.nen_stream_sealer
	err := use(e.handle, func(x *C.nen_exchange) C.int32_t { return C.nen_exchange_stream(x, &sealer) })
	if err != nil {
		return streamSealer{}, err
	}
	return newStreamSealer(sealer), nil
}

// errorAnswer is what a server sends when a call returned this code.
func errorAnswer(code Code) (status int, body []byte) {
	var out C.uint16_t
	var answer C.nen_buffer
	if err := call(func() C.int32_t { return C.nen_error_answer(C.int32_t(code), &out, &answer) }); err != nil {
		return http.StatusInternalServerError, nil
	}
	return int(out), take(&answer)
}
