package nen

// #include <nen.h>
import "C"

// An Identity is a client's long-lived ML-DSA-65 key pair (FIPS 204). Any number of goroutines and clients may use it.
type Identity struct {
	handle *handle[*C.nen_identity]
}

// GenerateIdentity draws a new key pair.
//
// Errors: [ErrHandshakeFailed] if the operating system has no randomness.
func GenerateIdentity() (*Identity, error) {
	var key *C.nen_identity
	if err := call(func() C.int32_t { return C.nen_identity_generate(&key) }); err != nil {
		return nil, err
	}
	return newIdentity(key), nil
}

// IdentityFromPKCS8 loads a secret key: DER PKCS#8 in its seed form, 54 bytes. The caller wipes its copy.
//
// Errors: [ErrAuthIdentitySignatureInvalid] if it is no such key.
func IdentityFromPKCS8(der []byte) (*Identity, error) {
	var key *C.nen_identity
	data, length := octets(der)
	if err := call(func() C.int32_t { return C.nen_identity_from_pkcs8(data, length, &key) }); err != nil {
		return nil, err
	}
	return newIdentity(key), nil
}

func newIdentity(key *C.nen_identity) *Identity {
	return &Identity{newHandle(key, func(key *C.nen_identity) { C.nen_identity_free(key) })}
}

// PKCS8 is the secret key as DER PKCS#8 in its seed form, 54 bytes, to be kept secret.
func (i *Identity) PKCS8() ([]byte, error) {
	return i.export(func(key *C.nen_identity, out *C.nen_buffer) C.int32_t { return C.nen_identity_to_pkcs8(key, out) })
}

// PublicKey is the public key as DER SubjectPublicKeyInfo, 1974 bytes: what servers see and may allow.
func (i *Identity) PublicKey() ([]byte, error) {
	return i.export(func(key *C.nen_identity, out *C.nen_buffer) C.int32_t { return C.nen_identity_public_key(key, out) })
}

func (i *Identity) export(function func(*C.nen_identity, *C.nen_buffer) C.int32_t) ([]byte, error) {
	var out C.nen_buffer
	err := use(i.handle, func(key *C.nen_identity) C.int32_t { return function(key, &out) })
	if err != nil {
		return nil, err
	}
	return take(&out), nil
}

// Close wipes the secret key. Clients that were made with it keep theirs.
func (i *Identity) Close() error {
	i.handle.close()
	return nil
}
