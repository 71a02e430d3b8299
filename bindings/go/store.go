package nen

// #include <nen.h>
import "C"

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// A Store keeps sessions and used nonces where several servers share them. Its methods are called by several
// goroutines at once. Their context ends at the store's timeout ([WithStoreTimeout]) or with the request; a request
// whose store fails, or is late, is answered with [ErrStoreUnavailable].
//
// A record is opaque. It holds the session's keys, sealed if the server has store keys ([WithStoreKeys]); in the clear
// without them, and then whoever reads the store reads what is sealed. Session ids are UUIDs in lower case.
//
// What each wrong answer costs:
//
//   - Get that returns a session after its end, or after Delete: a terminated client is still let in.
//   - Get that returns none for a live session: its client shakes hands again, needlessly; if the store is merely out
//     of reach, every client does so at once. Return an error instead.
//   - ClaimNonce that says true twice for one nonce: a recorded request is accepted a second time.
//   - ClaimNonce done as a look-up and then a write: the same, for two requests that race.
type Store interface {
	// Get returns the record of a live session; nil if there is none.
	Get(ctx context.Context, sid string) (record []byte, err error)
	// Set keeps a record until the session's end.
	Set(ctx context.Context, sid string, record []byte, expires time.Time) error
	// Delete removes a session; one that is not there is no error.
	Delete(ctx context.Context, sid string) error
	// ClaimNonce takes a nonce if nobody had, in one atomic step, and remembers it until the given time, inclusive; a
	// store that several servers share adds [RemoteClockSlack]. A claim whose time has passed is not fresh. Nonces of
	// one session are nothing to another. An error that is [ErrReplayCacheFull] says that no more nonces can be
	// remembered.
	ClaimNonce(ctx context.Context, sid string, nonce [NonceSize]byte, until time.Time) (fresh bool, err error)
}

const (
	// NonceSize is the length of a nonce, in bytes: 12.
	NonceSize = C.NEN_NONCE_SIZE
	// RemoteClockSlack is how much longer than it is told a store that several servers share must remember a nonce,
	// 30 s: a server whose clock is behind the one that claimed it takes its request for that much longer.
	RemoteClockSlack = C.NEN_REMOTE_CLOCK_SLACK_MS * time.Millisecond

	defaultSessionTTL = C.NEN_DEFAULT_SESSION_TTL_MS * time.Millisecond
)

// RecordKey is the key under which a shared store keeps a session's record, in whichever language.
func RecordKey(sid string) (string, error) {
	var room [C.NEN_RECORD_KEY_SIZE]C.char
	id, length := text(sid)
	err := call(func() C.int32_t { return C.nen_record_key(id, length, &room[0], C.NEN_RECORD_KEY_SIZE) })
	return field(room[:]), err
}

// NonceKey is the key under which a shared store remembers a used nonce, in whichever language. It is set only if it
// is not there.
func NonceKey(sid string, nonce [NonceSize]byte) (string, error) {
	var room [C.NEN_NONCE_KEY_SIZE]C.char
	id, length := text(sid)
	data, dataLen := octets(nonce[:])
	err := call(func() C.int32_t { return C.nen_nonce_key(id, length, data, dataLen, &room[0], C.NEN_NONCE_KEY_SIZE) })
	return field(room[:]), err
}

// storage is a store as one request uses it.
type storage struct {
	ctx     context.Context
	store   Store
	timeout time.Duration
	ttl     time.Duration
	keys    storeKeys
}

// load returns a session, to be freed; nil if there is none.
func (s storage) load(sid string) (*C.nen_session, error) {
	record, err := within(s, func(ctx context.Context) ([]byte, error) { return s.store.Get(ctx, sid) })
	if err != nil || record == nil {
		return nil, err
	}
	return s.keys.read(sid, record, s.ttl)
}

func (s storage) save(session *C.nen_session) error {
	sid, err := sessionID(session)
	if err != nil {
		return err
	}
	expires, err := sessionEnd(session)
	if err != nil {
		return err
	}
	record, err := s.keys.write(session)
	if err != nil {
		return err
	}
	_, err = within(s, func(ctx context.Context) (any, error) { return nil, s.store.Set(ctx, sid, record, expires) })
	return err
}

func (s storage) remove(sid string) error {
	_, err := within(s, func(ctx context.Context) (any, error) { return nil, s.store.Delete(ctx, sid) })
	return err
}

func (s storage) claim(sid string, claim nonceClaim) (claimResult, error) {
	fresh, err := within(s, func(ctx context.Context) (bool, error) {
		return s.store.ClaimNonce(ctx, sid, claim.nonce, claim.until)
	})
	switch {
	case errors.Is(err, ErrReplayCacheFull):
		return claimFull, nil
	case err != nil:
		return 0, err
	case fresh:
		return claimFresh, nil
	}
	return claimReplay, nil
}

// within asks the store and waits no longer than its timeout, also for a store that overlooks its context.
func within[T any](s storage, ask func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.timeout)
	defer cancel()
	type reply struct {
		value T
		err   error
	}
	replies := make(chan reply, 1)
	go func() {
		// A panic of the store's would end the process here, where net/http does not catch it.
		defer func() {
			if cause := recover(); cause != nil {
				replies <- reply{err: fmt.Errorf("the store panicked: %v", cause)}
			}
		}()
		value, err := ask(ctx)
		replies <- reply{value, err}
	}()
	var last reply
	select {
	case last = <-replies:
	case <-ctx.Done():
		last.err = ctx.Err()
	}
	if last.err == nil || errors.Is(last.err, ErrReplayCacheFull) {
		return last.value, last.err
	}
	if errors.Is(s.ctx.Err(), context.Canceled) {
		panic(http.ErrAbortHandler) // The client has gone: there is nobody to answer, and nothing to report of the store.
	}
	return last.value, &Error{Code: ErrStoreUnavailable, Detail: "the store failed or did not answer in time", Cause: last.err}
}
