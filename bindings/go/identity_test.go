package nen_test

import (
	"bytes"
	"errors"
	"net/http"
	"testing"

	nen "github.com/withnen/nen/bindings/go"
)

func TestAnIdentityIsKeptAndLoaded(t *testing.T) {
	identity := must(nen.GenerateIdentity())
	secret, public := must(identity.PKCS8()), must(identity.PublicKey())
	equal(t, "bytes of the secret key", len(secret), 54)
	equal(t, "bytes of the public key", len(public), 1974)
	again := must(nen.IdentityFromPKCS8(secret))
	if !bytes.Equal(must(again.PublicKey()), public) {
		t.Error("another key was loaded")
	}
	_, err := nen.IdentityFromPKCS8(secret[:53])
	wantCode(t, err, nen.ErrAuthIdentitySignatureInvalid)
}

func TestAnIdentityCannotBeUsedAfterClose(t *testing.T) {
	identity := must(nen.GenerateIdentity())
	_ = identity.Close()
	_ = identity.Close()
	if _, err := identity.PublicKey(); !errors.Is(err, nen.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := nen.NewClient("http://127.0.0.1", nen.WithIdentity(identity)); !errors.Is(err, nen.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := new(nen.Identity).PKCS8(); !errors.Is(err, nen.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestOnlyAllowedIdentitiesShakeHands(t *testing.T) {
	friend, stranger := must(nen.GenerateIdentity()), must(nen.GenerateIdentity())
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, ok := nen.PeerFromContext(r.Context())
		reply(w, map[string]any{"identity": peer.Identity, "sid": peer.SessionID, "protocol": peer.Protocol, "ok": ok})
	})
	friendKey := must(friend.PublicKey())
	required, _ := serve(t, who, nen.WithRequiredIdentity())
	// Given twice, both lists count.
	another := must(must(nen.GenerateIdentity()).PublicKey())
	listed, _ := serve(t, who, nen.WithAllowedIdentities(friendKey), nen.WithAllowedIdentities(another))

	wantCode(t, connect(t, required).Handshake(t.Context()), nen.ErrAuthIdentitySignatureInvalid)
	wantCode(t, connect(t, listed).Handshake(t.Context()), nen.ErrAuthIdentitySignatureInvalid)
	err := connect(t, listed, nen.WithIdentity(stranger)).Handshake(t.Context())
	wantCode(t, err, nen.ErrAuthIdentitySignatureInvalid)

	client := connect(t, listed, nen.WithIdentity(friend))
	var answer struct {
		Identity      []byte
		SID, Protocol string
		OK            bool
	}
	if err := client.Fetch(t.Context(), "GET", "/", nil, &answer); err != nil {
		t.Fatal(err)
	}
	equal(t, "session", answer.SID, client.SessionID())
	equal(t, "protocol", answer.Protocol, "NEN-PROTOCOL-V2")
	if !answer.OK || !bytes.Equal(answer.Identity, friendKey) {
		t.Error("the handler does not see who the client is")
	}
	if err := connect(t, required, nen.WithIdentity(stranger)).Handshake(t.Context()); err != nil {
		t.Error(err)
	}
}
