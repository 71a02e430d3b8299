package nen

import (
	"errors"
	"net/http"
)

// A ClientOption is a setting of [NewClient] and [NewTransport].
type ClientOption interface {
	applyToClient(*clientConfig) error
}

type clientOption func(*clientConfig) error

func (o clientOption) applyToClient(c *clientConfig) error { return o(c) }

type clientConfig struct {
	commonConfig
	http         *http.Client
	identity     *Identity
	correctClock bool
	maxChunk     int
}

// WithHTTPClient sets what sends the requests: its transport, cookies and timeout. It never follows a redirect, whatever
// its CheckRedirect says. Default: [http.DefaultClient]. A [Transport] has its own.
func WithHTTPClient(client *http.Client) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if client == nil {
			return errors.New("nen: the HTTP client is nil")
		}
		c.http = client
		return nil
	})
}

// WithIdentity sets the key that signs each handshake. Several clients may share it.
func WithIdentity(identity *Identity) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if identity == nil {
			return errors.New("nen: the identity is nil")
		}
		c.identity = identity
		return nil
	})
}

// WithClockCorrection sets whether to learn the server's clock from its Date header when it finds ours wrong
// ([ErrAuthTimestampOutOfWindow]). Default: true.
func WithClockCorrection(on bool) ClientOption {
	return clientOption(func(c *clientConfig) error {
		c.correctClock = on
		return nil
	})
}

// WithMaxChunk sets the most bytes of one decrypted chunk of a stream. Default: 8 MiB.
func WithMaxChunk(bytes int) ClientOption {
	return clientOption(func(c *clientConfig) error {
		c.maxChunk = bytes
		return positive("most bytes of a chunk", bytes)
	})
}
