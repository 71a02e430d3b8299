// Package redisstore keeps nen's sessions and used nonces in Redis 6.2 or later, where several servers, of any language,
// share them.
//
// Give the servers store keys ([nen.WithStoreKeys]): without them, whoever can read the Redis, or a dump of it, can read
// what is sealed. With them, whoever can write to it can still remove sessions and used nonces. Let it evict nothing
// (maxmemory-policy noeviction): a nonce that is evicted lets a recorded request in again. Asynchronous replication has
// the same effect for what was not copied when a replica takes over.
package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	nen "github.com/withnen/nen/bindings/go"
)

// A Store is a [nen.Store] in Redis.
type Store struct {
	client redis.UniversalClient
}

var _ nen.Store = (*Store)(nil)

// New makes a store of a client, which stays the caller's to close.
func New(client redis.UniversalClient) *Store {
	return &Store{client}
}

// Get returns the record of a live session; nil if there is none.
func (s *Store) Get(ctx context.Context, sid string) ([]byte, error) {
	key, err := nen.RecordKey(sid)
	if err != nil {
		return nil, err
	}
	record, err := s.client.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return record, err
}

// Set keeps a record until the session's end.
func (s *Store) Set(ctx context.Context, sid string, record []byte, expires time.Time) error {
	key, err := nen.RecordKey(sid)
	if err != nil {
		return err
	}
	left := time.Until(expires).Milliseconds()
	if left <= 0 {
		return nil
	}
	return s.client.Do(ctx, "SET", key, record, "PX", left).Err()
}

// Delete removes a session.
func (s *Store) Delete(ctx context.Context, sid string) error {
	key, err := nen.RecordKey(sid)
	if err != nil {
		return err
	}
	return s.client.Del(ctx, key).Err()
}

// ClaimNonce takes a nonce if nobody had. The client repeats a command whose answer was lost; that the nonce is then
// taken by ourselves is told by the token of this claim.
//
// Redis is told for how long, and not until when: of an end that has passed on its own clock it says OK, and keeps
// nothing.
func (s *Store) ClaimNonce(ctx context.Context, sid string, nonce [nen.NonceSize]byte, until time.Time) (bool, error) {
	key, err := nen.NonceKey(sid, nonce)
	if err != nil {
		return false, err
	}
	left := time.Until(until)
	if left < 0 {
		return false, nil
	}
	token := rand.Text()
	kept := (left + nen.RemoteClockSlack).Milliseconds()
	err = s.client.Do(ctx, "SET", key, token, "NX", "PX", kept).Err()
	if !errors.Is(err, redis.Nil) {
		return err == nil, err
	}
	holder, err := s.client.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		// It ended in between: it was taken, so that this is no first use.
		return false, nil
	}
	return holder == token, err
}
