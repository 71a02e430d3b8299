package nen

/*
#include <nen.h>
*/
import "C"

import "time"

// What test vectors ask for and nothing else does: cgo cannot be used in the files of tests.

// A coreSession is the keys that a client and a server share.
type coreSession struct {
	*handle[*C.nen_session]
}

func newCoreSession(object *C.nen_session) coreSession {
	return coreSession{newHandle(object, func(object *C.nen_session) { C.nen_session_free(object) })}
}

func sessionOfRecord(sid, record string) (coreSession, error) {
	session, err := readSession(sid, []byte(record), 0)
	if err != nil {
		return coreSession{}, err
	}
	return newCoreSession(session), nil
}

// session is the current one.
func (c clientCore) session() (coreSession, error) {
	var session *C.nen_session
	err := use(c.handle, func(client *C.nen_client) C.int32_t { return C.nen_client_session(client, &session) })
	if err != nil {
		return coreSession{}, err
	}
	return newCoreSession(session), nil
}

func (s coreSession) id() (string, error) { return sessionID(s.object) }

func (s coreSession) identity() ([]byte, error) { return sessionIdentity(s.object) }

func (s coreSession) record() ([]byte, error) { return plainRecord(s.object) }

func (s coreSession) sign(method, target string, timestampMs uint64, nonce []byte) ([]byte, error) {
	signature := make([]byte, C.NEN_SIGNATURE_SIZE)
	m, mLen := text(method)
	t, tLen := text(target)
	n, nLen := octets(nonce)
	room, size := octets(signature)
	err := use(s.handle, func(session *C.nen_session) C.int32_t {
		return C.nen_session_sign(session, m, mLen, t, tLen, C.uint64_t(timestampMs), n, nLen, room, size)
	})
	return signature, err
}

func (s coreSession) seal(nonce, plaintext []byte) ([]byte, error) {
	var sealed C.nen_buffer
	n, nLen := octets(nonce)
	data, length := octets(plaintext)
	err := use(s.handle, func(session *C.nen_session) C.int32_t {
		return C.nen_session_seal(session, n, nLen, data, length, &sealed)
	})
	return take(&sealed), err
}

func (s coreSession) open(nonce, sealed []byte) ([]byte, error) {
	var plaintext C.nen_buffer
	n, nLen := octets(nonce)
	data, length := octets(sealed)
	err := use(s.handle, func(session *C.nen_session) C.int32_t {
		return C.nen_session_open(session, n, nLen, data, length, &plaintext)
	})
	return take(&plaintext), err
}

// save keeps the session in a store as a server does.
func (s coreSession) save(store storage) error { return store.save(s.object) }

// sealRecord and openRecord are what a server does to records before and behind a store.
func (k storeKeys) sealRecord(session coreSession) ([]byte, error) { return k.write(session.object) }

func (k storeKeys) openRecord(sid string, record []byte, ttl time.Duration) (coreSession, error) {
	session, err := k.read(sid, record, ttl)
	if err != nil {
		return coreSession{}, err
	}
	return newCoreSession(session), nil
}

func (s serverCore) accept(body []byte) (coreSession, []byte, error) {
	return s.accepted(func(server *C.nen_server, session **C.nen_session, answer *C.nen_buffer) C.int32_t {
		data, length := octets(body)
		return C.nen_server_accept(server, data, length, now(), session, answer)
	})
}

func (s serverCore) acceptDerandomized(draws, body []byte) (coreSession, []byte, error) {
	return s.accepted(func(server *C.nen_server, session **C.nen_session, answer *C.nen_buffer) C.int32_t {
		drawn, size := octets(draws)
		data, length := octets(body)
		return C.nen_derandomized_accept(server, drawn, size, data, length, now(), session, answer)
	})
}

func (s serverCore) accepted(
	accept func(*C.nen_server, **C.nen_session, *C.nen_buffer) C.int32_t,
) (coreSession, []byte, error) {
	var session *C.nen_session
	var answer C.nen_buffer
	err := use(s.handle, func(server *C.nen_server) C.int32_t { return accept(server, &session, &answer) })
	if err != nil {
		return coreSession{}, nil, err
	}
	return newCoreSession(session), take(&answer), nil
}

func derandomizedHandshake(draws []byte) (handshake, []byte, error) {
	var object *C.nen_handshake
	var body C.nen_buffer
	drawn, size := octets(draws)
	err := call(func() C.int32_t { return C.nen_derandomized_handshake(drawn, size, nil, &object, &body) })
	if err != nil {
		return handshake{}, nil, err
	}
	return handshake{newHandle(object, func(object *C.nen_handshake) { C.nen_handshake_free(object) })}, take(&body), nil
}

// finish completes a handshake that belongs to no client.
func (h handshake) finish(answer received) (coreSession, error) {
	var session *C.nen_session
	body, length := octets(answer.body)
	err := use(h.handle, func(object *C.nen_handshake) C.int32_t {
		return C.nen_handshake_finish(object, C.uint16_t(answer.status), body, length, now(), &session)
	})
	if err != nil {
		return coreSession{}, err
	}
	return newCoreSession(session), nil
}

func verifyIdentity(publicKey, message, signature []byte) error {
	key, keyLen := octets(publicKey)
	data, length := octets(message)
	tag, size := octets(signature)
	return call(func() C.int32_t { return C.nen_identity_verify(key, keyLen, data, length, tag, size) })
}
