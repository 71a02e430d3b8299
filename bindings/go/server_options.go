package nen

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A ServerOption is a setting of [NewServer] and [Middleware].
type ServerOption interface {
	applyToServer(*serverConfig) error
}

type serverOption func(*serverConfig) error

func (o serverOption) applyToServer(c *serverConfig) error { return o(c) }

type serverConfig struct {
	commonConfig
	policy
	externalPrefix string
	protects       pathRule
	store          Store
	storeTimeout   time.Duration
	storeKeys      storeKeys
}

// WithStore sets where sessions and used nonces are kept. Default: in this process's memory, which serves one process.
func WithStore(store Store) ServerOption {
	return serverOption(func(c *serverConfig) error {
		if memory, ok := store.(*MemoryStore); store == nil || ok && memory == nil {
			return errors.New("nen: the store is nil")
		}
		c.store = store
		return nil
	})
}

// WithStoreTimeout sets how long one question to the store may take. Default: 2 s. It does not concern a
// [MemoryStore].
func WithStoreTimeout(timeout time.Duration) ServerOption {
	return serverOption(func(c *serverConfig) error {
		c.storeTimeout = timeout
		return positive("store's timeout", int64(timeout))
	})
}

// WithStoreKeys seals the records of sessions before a [Store] sees them. The first key seals, and all of them open:
// each the base64 of 32 random bytes (openssl rand -base64 32), or the word "plain", which stands for records in the
// clear. Default: "plain" alone. Given again, the last one counts. A [MemoryStore] keeps no records, so that the keys
// mean nothing to it.
//
// Every server of the store needs the same keys. One that cannot open a record answers with [ErrStoreUnavailable], and
// logs why. Change them on running servers in three steps, each on all of them before the next: the new key last, then
// first, and after the life of a session the old one removed. With "plain" as the old one, this turns sealing on.
//
// Whoever reads the store then reads no key of a session, and whoever writes to it makes no session, but can still
// remove one, or bring back one that was removed.
func WithStoreKeys(keys ...string) ServerOption {
	return serverOption(func(c *serverConfig) error {
		read, err := newStoreKeys(keys...)
		// Of what was passed nothing is told: it may be most of a key.
		if err != nil || slices.ContainsFunc(keys, func(key string) bool { return strings.Contains(key, ",") }) {
			return errors.New("nen: WithStoreKeys takes one key or more, each the base64 of 32 random bytes " +
				"(openssl rand -base64 32), or the word \"plain\" for records in the clear")
		}
		c.storeKeys = read
		return nil
	})
}

// WithProtect sets which paths are protected, by patterns such as "/api/*", where an asterisk stands for anything,
// slashes too; "/api/*" covers "/api" itself. They are compared with the path that handlers see, r.URL.Path, in each
// spelling that routers may take for the same. Given again, or beside [WithProtectFunc], it adds to what is protected.
// Default: every path outside of the prefix.
func WithProtect(patterns ...string) ServerOption {
	return serverOption(func(c *serverConfig) error {
		if len(patterns) == 0 {
			return errors.New("nen: there is no pattern, so that nothing would be protected")
		}
		for _, pattern := range patterns {
			if !strings.HasPrefix(pattern, "/") && !strings.HasPrefix(pattern, "*") {
				return fmt.Errorf("nen: a pattern must start with a slash or an asterisk: %q", pattern)
			}
		}
		c.protects = c.protects.or(matchAny(patterns))
		return nil
	})
}

// WithProtectFunc sets which paths are protected, as [WithProtect] does, by a function. A path is protected if the
// function is true of any of its spellings, or any other such option names it.
func WithProtectFunc(protects func(path string) bool) ServerOption {
	return serverOption(func(c *serverConfig) error {
		if protects == nil {
			return errors.New("nen: the function is nil")
		}
		c.protects = c.protects.or(protects)
		return nil
	})
}

// WithExternalPrefix sets a path, percent-encoded, that a proxy in front takes away: clients sign the path that they
// see. [http.StripPrefix] does not need it.
func WithExternalPrefix(path string) ServerOption {
	return serverOption(func(c *serverConfig) error {
		if !encodedPath(path) {
			return errors.New("nen: the external prefix must be a path that starts with a slash, percent-encoded")
		}
		c.externalPrefix = strings.TrimRight(path, "/")
		return nil
	})
}

// WithSessionTTL sets how long a session lives. Default: one hour.
func WithSessionTTL(ttl time.Duration) ServerOption {
	return serverOption(func(c *serverConfig) error {
		c.ttl = ttl
		return positive("milliseconds of a session's life", ttl.Milliseconds())
	})
}

// WithWindow sets how far a request's timestamp may be from the clock, either way. Default: 30 s.
func WithWindow(window time.Duration) ServerOption {
	return serverOption(func(c *serverConfig) error {
		c.window = window
		return positive("milliseconds of the window", window.Milliseconds())
	})
}

// WithMaxBody sets the most bytes of a request's sealed body. Reading stops there ([ErrWireInvalidPayloadFormat]).
// Default: 8 MiB.
func WithMaxBody(bytes int) ServerOption {
	return serverOption(func(c *serverConfig) error {
		c.maxBody = bytes
		return positive("most bytes of a body", bytes)
	})
}

// WithUnsignedRequests admits requests without a signature, from legacy clients that cannot sign. A signature that is
// present is still checked. Servers that share a store must agree on it.
func WithUnsignedRequests() ServerOption {
	return serverOption(func(c *serverConfig) error {
		c.lax = true
		return nil
	})
}

// WithNoncesForSession remembers a nonce until its session ends, and not for the window alone: where a server that
// admits unsigned requests takes the same sessions, and where whoever read a handshake shall not send a recorded body
// again under a signature of their own. It costs memory for each request of a session's life.
func WithNoncesForSession() ServerOption {
	return serverOption(func(c *serverConfig) error {
		c.noncesForSession = true
		return nil
	})
}

// WithSignedLifecycle refuses to rotate, terminate or tell the status of a session unless the request is signed. The
// TypeScript client does not sign them; this one does.
func WithSignedLifecycle() ServerOption {
	return serverOption(func(c *serverConfig) error {
		c.signedLifecycle = true
		return nil
	})
}

// WithRequiredIdentity lets only clients with an identity shake hands.
func WithRequiredIdentity() ServerOption {
	return serverOption(func(c *serverConfig) error {
		c.requireIdentity = true
		return nil
	})
}

// WithAllowedIdentities lets only clients with one of these public keys shake hands: DER SubjectPublicKeyInfo, as
// [Identity.PublicKey] gives it. Given again, it allows more.
func WithAllowedIdentities(publicKeys ...[]byte) ServerOption {
	return serverOption(func(c *serverConfig) error {
		// Without a key nobody was meant to be allowed, which the library would take for everybody.
		if len(publicKeys) == 0 {
			return errors.New("nen: the list of allowed identities is empty")
		}
		c.identities = append(c.identities, publicKeys...)
		return nil
	})
}
