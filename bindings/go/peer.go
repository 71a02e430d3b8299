package nen

import "context"

// A Peer is who sent a protected request.
type Peer struct {
	// SessionID is the id of the session, a UUIDv4.
	SessionID string
	// Identity is the ML-DSA-65 key that signed the handshake, as DER SubjectPublicKeyInfo; nil if none did. A
	// recorded handshake can be sent again: only a request whose body opened shows that the key's holder is there
	// now.
	Identity []byte
	// Protocol is the name of the protocol and its version.
	Protocol string
}

type peerKey struct{}

// PeerFromContext tells who sent the request of this context; false if it did not come through a protected path. It
// is to be asked before the handler returns: afterwards it tells only what it has told before.
func PeerFromContext(ctx context.Context) (Peer, bool) {
	peer, ok := ctx.Value(peerKey{}).(func() (Peer, error))
	if !ok {
		return Peer{}, false
	}
	known, err := peer()
	return known, err == nil
}
