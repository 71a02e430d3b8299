package nen

/*
#include <nen.h>

#cgo noescape nen_client_options_new
#cgo noescape nen_client_new
#cgo noescape nen_client_handshake
#cgo noescape nen_client_establish
#cgo noescape nen_client_session
#cgo noescape nen_call_new
#cgo noescape nen_call_seal
#cgo noescape nen_call_open
#cgo noescape nen_call_open_stream
#cgo noescape nen_lifecycle_call_new
#cgo noescape nen_lifecycle_call_seal
#cgo noescape nen_lifecycle_call_open
#cgo nocallback nen_call_new
#cgo nocallback nen_call_seal
#cgo nocallback nen_call_open
*/
import "C"

import (
	"net/http"
	"strings"
)

// An outcome is what an answer means for a call.
type outcome C.int32_t

const (
	outcomeAnswer      outcome = C.NEN_OUTCOME_ANSWER
	outcomeForeign     outcome = C.NEN_OUTCOME_FOREIGN
	outcomeRepeat      outcome = C.NEN_OUTCOME_REPEAT
	outcomeReestablish outcome = C.NEN_OUTCOME_REESTABLISH
	outcomeDone        outcome = C.NEN_OUTCOME_DONE
)

// A sealedRequest is what to send.
type sealedRequest struct {
	sid    string
	header http.Header
	body   []byte // nil if there is none
}

// A received answer: what libnen reads of it.
type received struct {
	status int
	date   string // of the header, empty if it is absent
	body   []byte
}

type clientCore struct {
	*handle[*C.nen_client]
}

func newClientCore(identity *Identity, correctClock bool, maxChunk int) (clientCore, error) {
	var options *C.nen_client_options
	if err := call(func() C.int32_t { return C.nen_client_options_new(&options) }); err != nil {
		return clientCore{}, err
	}
	defer C.nen_client_options_free(options)
	if identity != nil {
		err := use(identity.handle, func(key *C.nen_identity) C.int32_t {
			return C.nen_client_options_set_identity(options, key)
		})
		if err != nil {
			return clientCore{}, err
		}
	}
	var client *C.nen_client
	err := call(func() C.int32_t {
		if code := C.nen_client_options_set_correct_clock(options, flag(correctClock)); code != C.NEN_OK {
			return code
		}
		if maxChunk > 0 {
			if code := C.nen_client_options_set_max_chunk(options, C.size_t(maxChunk)); code != C.NEN_OK {
				return code
			}
		}
		return C.nen_client_new(options, &client)
	})
	if err != nil {
		return clientCore{}, err
	}
	return clientCore{newHandle(client, func(client *C.nen_client) { C.nen_client_free(client) })}, nil
}

func flag(on bool) C.int32_t {
	if on {
		return 1
	}
	return 0
}

// sessionID is the id of the current session, empty without one.
func (c clientCore) sessionID() (string, error) {
	var session *C.nen_session
	err := use(c.handle, func(client *C.nen_client) C.int32_t { return C.nen_client_session(client, &session) })
	if err != nil || session == nil {
		return "", err
	}
	defer C.nen_session_free(session)
	return sessionID(session)
}

// A handshake is the client's half of a key exchange.
type handshake struct {
	*handle[*C.nen_handshake]
}

func (c clientCore) handshake() (handshake, []byte, error) {
	var object *C.nen_handshake
	var body C.nen_buffer
	err := use(c.handle, func(client *C.nen_client) C.int32_t {
		return C.nen_client_handshake(client, &object, &body)
	})
	if err != nil {
		return handshake{}, nil, err
	}
	free := func(object *C.nen_handshake) { C.nen_handshake_free(object) }
	return handshake{newHandle(object, free)}, take(&body), nil
}

// establish completes a handshake: from here on calls use the new session.
func (c clientCore) establish(exchange handshake, answer received) error {
	body, length := octets(answer.body)
	return use2(c.handle, exchange.handle, func(client *C.nen_client, exchange *C.nen_handshake) C.int32_t {
		return C.nen_client_establish(client, exchange, C.uint16_t(answer.status), body, length, now())
	})
}

// A coreCall is one request to a protected endpoint, over as many attempts as the protocol allows.
type coreCall struct {
	*handle[*C.nen_call]
	client clientCore
}

func (c clientCore) call(method, target string) (coreCall, error) {
	var object *C.nen_call
	m, mLen := text(method)
	t, tLen := text(target)
	if err := call(func() C.int32_t { return C.nen_call_new(m, mLen, t, tLen, &object) }); err != nil {
		return coreCall{}, err
	}
	return coreCall{newHandle(object, func(object *C.nen_call) { C.nen_call_free(object) }), c}, nil
}

// seal seals and signs the next attempt. A body without bytes is none.
func (c coreCall) seal(plaintext []byte) (sealedRequest, error) {
	var headers C.nen_signed_headers
	var body C.nen_buffer
	plain, length := octets(plaintext)
	err := use2(c.handle, c.client.handle, func(object *C.nen_call, client *C.nen_client) C.int32_t {
		return C.nen_call_seal(object, client, plain, length, now(), &headers, &body)
	})
	if err != nil {
		return sealedRequest{}, err
	}
	return newSealedRequest(&headers, &body), nil
}

// open reads the answer to the last attempt; the plaintext is nil if it has none.
func (c coreCall) open(answer received) (outcome, []byte, error) {
	var out C.int32_t
	var plaintext C.nen_buffer
	date, dateLen := optional(answer.date)
	body, length := octets(answer.body)
	err := use2(c.handle, c.client.handle, func(object *C.nen_call, client *C.nen_client) C.int32_t {
		return C.nen_call_open(object, client, C.uint16_t(answer.status), date, dateLen, body, length, now(), &out, &plaintext)
	})
	if err != nil {
		return 0, nil, err
	}
	return outcome(out), take(&plaintext), nil
}

// openStream opens the stream that a 2xx answer to the last attempt carries.
func (c coreCall) openStream(header http.Header) (streamOpener, error) {
	var opener *C.nen_stream_opener
	nonce, length := optional(strings.Join(header.Values(streamNonceHeader), ","))
	err := use2(c.handle, c.client.handle, func(object *C.nen_call, client *C.nen_client) C.int32_t {
		return C.nen_call_open_stream(object, client, nonce, length, &opener)
	})
	if err != nil {
		return streamOpener{}, err
	}
	return newStreamOpener(opener), nil
}

// A route is where a request belongs: to a session endpoint or to the application.
type route C.int32_t

const (
	routeApplication route = C.NEN_ROUTE_APPLICATION
	routeHandshake   route = C.NEN_ROUTE_HANDSHAKE
	routeRotate      route = C.NEN_ROUTE_ROTATE
	routeTerminate   route = C.NEN_ROUTE_TERMINATE
	routeStatus      route = C.NEN_ROUTE_STATUS
	routeNotFound    route = C.NEN_ROUTE_NOT_FOUND
)

// A lifecycleCall is a request to rotate, terminate or ask after the session.
type lifecycleCall struct {
	*handle[*C.nen_lifecycle_call]
	client clientCore
}

func (c clientCore) lifecycleCall(endpoint route, target string) (lifecycleCall, error) {
	var object *C.nen_lifecycle_call
	t, tLen := text(target)
	err := call(func() C.int32_t { return C.nen_lifecycle_call_new(C.int32_t(endpoint), t, tLen, &object) })
	if err != nil {
		return lifecycleCall{}, err
	}
	free := func(object *C.nen_lifecycle_call) { C.nen_lifecycle_call_free(object) }
	return lifecycleCall{newHandle(object, free), c}, nil
}

// seal signs the next attempt.
func (c lifecycleCall) seal() (sealedRequest, error) {
	var headers C.nen_signed_headers
	var body C.nen_buffer
	err := use2(c.handle, c.client.handle, func(object *C.nen_lifecycle_call, client *C.nen_client) C.int32_t {
		return C.nen_lifecycle_call_seal(object, client, now(), &headers, &body)
	})
	if err != nil {
		return sealedRequest{}, err
	}
	return newSealedRequest(&headers, &body), nil
}

// open reads the answer to the last attempt; done is what was asked for.
func (c lifecycleCall) open(answer received) (result outcome, done bool, err error) {
	var out, outDone C.int32_t
	date, dateLen := optional(answer.date)
	body, length := octets(answer.body)
	err = use2(c.handle, c.client.handle, func(object *C.nen_lifecycle_call, client *C.nen_client) C.int32_t {
		return C.nen_lifecycle_call_open(object, client, C.uint16_t(answer.status), date, dateLen, body, length, now(), &out, &outDone)
	})
	return outcome(out), outDone == 1, err
}

func newSealedRequest(headers *C.nen_signed_headers, body *C.nen_buffer) sealedRequest {
	sid := field(headers.session[:])
	return sealedRequest{
		sid: sid,
		header: http.Header{
			sessionHeader:   {sid},
			timestampHeader: {field(headers.timestamp[:])},
			nonceHeader:     {field(headers.nonce[:])},
			signatureHeader: {field(headers.signature[:])},
		},
		body: take(body),
	}
}
