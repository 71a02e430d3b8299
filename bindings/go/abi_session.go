package nen

/*
#include <nen.h>

#cgo noescape nen_session_id
#cgo nocallback nen_session_id
#cgo noescape nen_session_identity
#cgo noescape nen_session_from_record
#cgo noescape nen_session_to_record
#cgo noescape nen_session_expires_ms
*/
import "C"

import (
	"time"
	"unsafe"
)

func sessionID(session *C.nen_session) (string, error) {
	var room [C.NEN_SESSION_ID_SIZE]C.char
	err := call(func() C.int32_t { return C.nen_session_id(session, unsafe.SliceData(room[:]), C.NEN_SESSION_ID_SIZE) })
	return field(room[:]), err
}

// sessionIdentity is the key that signed the session's handshake, nil if none did.
func sessionIdentity(session *C.nen_session) ([]byte, error) {
	var key C.nen_buffer
	if err := call(func() C.int32_t { return C.nen_session_identity(session, &key) }); err != nil {
		return nil, err
	}
	return take(&key), nil
}

// readSession reads a record in the clear. If it names no end, it ends the ttl after its creation. The session is to be
// freed.
func readSession(sid string, record []byte, ttl time.Duration) (*C.nen_session, error) {
	var session *C.nen_session
	id, idLen := text(sid)
	data, length := octets(record)
	err := call(func() C.int32_t {
		return C.nen_session_from_record(id, idLen, data, length, C.uint64_t(max(ttl.Milliseconds(), 0)), &session)
	})
	return session, err
}

// plainRecord is the record of a session in the clear.
func plainRecord(session *C.nen_session) ([]byte, error) {
	var record C.nen_buffer
	if err := call(func() C.int32_t { return C.nen_session_to_record(session, &record) }); err != nil {
		return nil, err
	}
	return take(&record), nil
}

func sessionEnd(session *C.nen_session) (time.Time, error) {
	var end C.uint64_t
	err := call(func() C.int32_t { return C.nen_session_expires_ms(session, &end) })
	return time.UnixMilli(int64(end)), err
}
