package nen

/*
#include <nen.h>

#cgo noescape nen_store_keys_new
#cgo noescape nen_store_keys_read
#cgo noescape nen_store_keys_write
*/
import "C"

import (
	"strings"
	"time"
)

// plainRecords stands in a list of store keys for records in the clear.
const plainRecords = "plain"

// storeKeys are the keys under which records are sealed, in their order.
type storeKeys struct {
	*handle[*C.nen_store_keys]
}

func newStoreKeys(keys ...string) (storeKeys, error) {
	var object *C.nen_store_keys
	list, length := text(strings.Join(keys, ","))
	if err := call(func() C.int32_t { return C.nen_store_keys_new(list, length, &object) }); err != nil {
		return storeKeys{}, err
	}
	return storeKeys{newHandle(object, func(object *C.nen_store_keys) { C.nen_store_keys_free(object) })}, nil
}

// read makes a session of the record that a store holds for it. If that names no end, it ends the ttl after its
// creation. The session is to be freed.
func (k storeKeys) read(sid string, record []byte, ttl time.Duration) (*C.nen_session, error) {
	var session *C.nen_session
	id, idLen := text(sid)
	data, length := octets(record)
	life := C.uint64_t(max(ttl.Milliseconds(), 0))
	err := use(k.handle, func(keys *C.nen_store_keys) C.int32_t {
		return C.nen_store_keys_read(keys, id, idLen, data, length, life, &session)
	})
	return session, err
}

// write makes the record of a session for a store.
func (k storeKeys) write(session *C.nen_session) ([]byte, error) {
	var record C.nen_buffer
	err := use(k.handle, func(keys *C.nen_store_keys) C.int32_t {
		return C.nen_store_keys_write(keys, session, &record)
	})
	if err != nil {
		return nil, err
	}
	return take(&record), nil
}
