package nen

// #include <nen.h>
// #cgo noescape nen_store_claim_nonce
// #cgo noescape nen_store_get
import "C"

import (
	"context"
	"time"
)

// MemoryLimits are the caps of a [MemoryStore]. Zero takes the default.
type MemoryLimits struct {
	// MaxSessions is the most live sessions. A handshake beyond it is refused with [ErrStoreUnavailable]. Default: a
	// million.
	MaxSessions int
	// MaxNonces is the most remembered nonces of all sessions. A request beyond it is refused with
	// [ErrReplayCacheFull]. Default: four million.
	MaxNonces int
	// MaxNoncesPerSession is the most remembered nonces of one session, so that one client cannot use up all of them.
	// Default: a hundred thousand.
	MaxNoncesPerSession int
}

// A MemoryStore keeps sessions and used nonces in this process's memory, outside of Go's: for development, and for a
// server of one process. It is swept as it is used. It keeps sessions and no records, so that [WithStoreKeys] means
// nothing to it; what a store of one's own hands on to it must be in the clear.
type MemoryStore struct {
	handle *handle[*C.nen_store]
}

var _ Store = (*MemoryStore)(nil)

// NewMemoryStore makes an empty store. A negative limit counts as zero.
func NewMemoryStore(limits MemoryLimits) *MemoryStore {
	var store *C.nen_store
	err := call(func() C.int32_t {
		return C.nen_store_memory_new(size(limits.MaxSessions), size(limits.MaxNonces), size(limits.MaxNoncesPerSession), &store)
	})
	if err != nil {
		panic(err) // Nothing that a caller passes can make it fail.
	}
	return &MemoryStore{newHandle(store, func(store *C.nen_store) { C.nen_store_free(store) })}
}

func size(n int) C.size_t {
	return C.size_t(max(n, 0))
}

// Get returns the record of a live session.
func (m *MemoryStore) Get(_ context.Context, sid string) ([]byte, error) {
	var session *C.nen_session
	id, length := text(sid)
	err := use(m.handle, func(store *C.nen_store) C.int32_t {
		return C.nen_store_get(store, id, length, now(), &session)
	})
	if err != nil || session == nil {
		return nil, err
	}
	defer C.nen_session_free(session)
	return plainRecord(session)
}

// Set keeps a record until the end that it names, or until the given time if it names none.
func (m *MemoryStore) Set(ctx context.Context, sid string, record []byte, expires time.Time) error {
	if !clock().Before(expires) {
		return m.Delete(ctx, sid)
	}
	// With a life of 0, a record that names no end ends at its creation.
	created, err := readSession(sid, record, 0)
	if err != nil {
		return err
	}
	defer C.nen_session_free(created)
	since, err := sessionEnd(created)
	if err != nil {
		return err
	}
	session, err := readSession(sid, record, expires.Sub(since))
	if err != nil {
		return err
	}
	defer C.nen_session_free(session)
	return use(m.handle, func(store *C.nen_store) C.int32_t { return C.nen_store_set(store, session, now()) })
}

// Delete removes a session.
func (m *MemoryStore) Delete(_ context.Context, sid string) error {
	id, length := text(sid)
	return use(m.handle, func(store *C.nen_store) C.int32_t { return C.nen_store_remove(store, id, length) })
}

// ClaimNonce takes a nonce.
func (m *MemoryStore) ClaimNonce(_ context.Context, sid string, nonce [NonceSize]byte, until time.Time) (bool, error) {
	var claim C.int32_t
	id, length := text(sid)
	data, dataLen := octets(nonce[:])
	err := use(m.handle, func(store *C.nen_store) C.int32_t {
		return C.nen_store_claim_nonce(store, id, length, data, dataLen, milliseconds(until), now(), &claim)
	})
	if err != nil {
		return false, err
	}
	if claim == C.NEN_CLAIM_FULL {
		return false, ErrReplayCacheFull
	}
	return claim == C.NEN_CLAIM_FRESH, nil
}

// Sweep removes every session that has ended and every nonce that can be forgotten. The store does so by itself as it
// is used; a server that falls silent may call it from a timer.
func (m *MemoryStore) Sweep() error {
	return use(m.handle, func(store *C.nen_store) C.int32_t { return C.nen_store_sweep(store, now()) })
}

// Len is how many sessions and nonces are kept, among them those that have ended and were not swept yet.
func (m *MemoryStore) Len() (sessions, nonces int, err error) {
	var s, n C.size_t
	err = use(m.handle, func(store *C.nen_store) C.int32_t { return C.nen_store_count(store, &s, &n) })
	return int(s), int(n), err
}

// Close frees what the store keeps. A server that still uses it answers with an error.
func (m *MemoryStore) Close() error {
	m.handle.close()
	return nil
}
