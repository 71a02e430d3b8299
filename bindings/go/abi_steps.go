package nen

/*
#include "abi.h"

static int32_t nen_go_request(NEN_GO_REQUEST, nen_request **out) {
	nen_request_headers headers = NEN_GO_HEADERS;
	return nen_request_new(&headers, NEN_GO_LINE, out);
}

static int32_t nen_go_endpoint_call(const nen_server *server, int32_t route, NEN_GO_REQUEST, const uint8_t *body,
                                    size_t body_len, uint64_t now_ms, nen_endpoint_call **out) {
	nen_request_headers headers = NEN_GO_HEADERS;
	return nen_endpoint_call_new(server, route, &headers, NEN_GO_LINE, body, body_len, now_ms, out);
}
*/
import "C"

import (
	"time"
	"unsafe"
)

// A nonceClaim is what to claim in a store.
type nonceClaim struct {
	nonce [C.NEN_NONCE_SIZE]byte
	until time.Time
}

func readClaim(read func(nonce *C.uint8_t, size C.size_t, until *C.uint64_t) C.int32_t) (nonceClaim, error) {
	var claim nonceClaim
	var until C.uint64_t
	nonce, size := octets(claim.nonce[:])
	err := call(func() C.int32_t { return read(nonce, size, &until) })
	claim.until = time.UnixMilli(int64(until))
	return claim, err
}

type claimResult C.int32_t

const (
	claimFresh  claimResult = C.NEN_CLAIM_FRESH
	claimReplay claimResult = C.NEN_CLAIM_REPLAY
	claimFull   claimResult = C.NEN_CLAIM_FULL
)

// admitFrom checks a request against a store of the application's.
func (s serverCore) admitFrom(store storage, r *signedRequest) (exchange, error) {
	var request *C.nen_request
	err := call(func() C.int32_t {
		return C.nen_go_request(r.method, r.target, r.present, r.session, r.timestamp, r.nonce, r.signature, &request)
	})
	if err != nil {
		return exchange{}, err
	}
	defer C.nen_request_free(request)
	sid, err := idOf(func(room *C.char, size C.size_t) C.int32_t { return C.nen_request_session_id(request, room, size) })
	if err != nil {
		return exchange{}, err
	}
	session, err := store.load(sid)
	if err != nil {
		return exchange{}, err
	}
	defer C.nen_session_free(session)

	var verified *C.nen_verified
	err = use(s.handle, func(server *C.nen_server) C.int32_t {
		return C.nen_server_verify(server, request, session, now(), &verified)
	})
	if err != nil {
		return exchange{}, err
	}
	defer C.nen_verified_free(verified)
	claim, err := readClaim(func(nonce *C.uint8_t, size C.size_t, until *C.uint64_t) C.int32_t {
		return C.nen_verified_claim(verified, nonce, size, until)
	})
	if err != nil {
		return exchange{}, err
	}
	result, err := store.claim(sid, claim)
	if err != nil {
		return exchange{}, err
	}
	var out *C.nen_exchange
	err = call(func() C.int32_t { return C.nen_verified_admit(verified, C.int32_t(result), &out) })
	if err != nil {
		return exchange{}, err
	}
	return newExchange(out), nil
}

// respondFrom answers a session endpoint from a store of the application's.
func (s serverCore) respondFrom(store storage, endpoint route, r *signedRequest, body []byte) (int, []byte, error) {
	var object *C.nen_endpoint_call
	data, length := octets(body)
	err := use(s.handle, func(server *C.nen_server) C.int32_t {
		return C.nen_go_endpoint_call(server, C.int32_t(endpoint), r.method, r.target, r.present, r.session, r.timestamp,
			r.nonce, r.signature, data, length, now(), &object)
	})
	if err != nil {
		return 0, nil, err
	}
	defer C.nen_endpoint_call_free(object)
	for {
		var step C.int32_t
		if err := call(func() C.int32_t { return C.nen_endpoint_call_step(object, &step) }); err != nil {
			return 0, nil, err
		}
		if step == C.NEN_STEP_ANSWER {
			var status C.uint16_t
			var answer C.nen_buffer
			err := call(func() C.int32_t { return C.nen_endpoint_call_answer(object, &status, &answer) })
			if err != nil {
				return 0, nil, err
			}
			return int(status), take(&answer), nil
		}
		if err := takeStep(object, step, store); err != nil {
			return 0, nil, err
		}
	}
}

// takeStep does in the store what a session endpoint waits for.
func takeStep(object *C.nen_endpoint_call, step C.int32_t, store storage) error {
	sid := ""
	if step != C.NEN_STEP_SET {
		var err error
		sid, err = idOf(func(room *C.char, size C.size_t) C.int32_t {
			return C.nen_endpoint_call_session_id(object, room, size)
		})
		if err != nil {
			return err
		}
	}
	switch step {
	case C.NEN_STEP_GET:
		session, err := store.load(sid)
		if err != nil {
			return err
		}
		defer C.nen_session_free(session)
		return call(func() C.int32_t { return C.nen_endpoint_call_got(object, session) })
	case C.NEN_STEP_CLAIM:
		claim, err := readClaim(func(nonce *C.uint8_t, size C.size_t, until *C.uint64_t) C.int32_t {
			return C.nen_endpoint_call_claim(object, nonce, size, until)
		})
		if err != nil {
			return err
		}
		result, err := store.claim(sid, claim)
		if err != nil {
			return err
		}
		return call(func() C.int32_t { return C.nen_endpoint_call_claimed(object, C.int32_t(result)) })
	case C.NEN_STEP_SET, C.NEN_STEP_REPLACE:
		var session *C.nen_session
		if err := call(func() C.int32_t { return C.nen_endpoint_call_session(object, &session) }); err != nil {
			return err
		}
		defer C.nen_session_free(session)
		if err := store.save(session); err != nil {
			return err
		}
	}
	// A new session is kept before the old one goes, so that a rotation that fails leaves the old one.
	if step == C.NEN_STEP_REPLACE || step == C.NEN_STEP_REMOVE {
		if err := store.remove(sid); err != nil {
			return err
		}
	}
	return call(func() C.int32_t { return C.nen_endpoint_call_stored(object) })
}

// idOf reads a session id that libnen writes into room of the caller's.
func idOf(read func(room *C.char, size C.size_t) C.int32_t) (string, error) {
	var room [C.NEN_SESSION_ID_SIZE]C.char
	err := call(func() C.int32_t { return read(unsafe.SliceData(room[:]), C.NEN_SESSION_ID_SIZE) })
	return field(room[:]), err
}
