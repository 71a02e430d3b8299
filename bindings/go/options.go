package nen

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
)

const defaultMaxAnswer = 16 << 20

// An Option is one of servers and of clients.
type Option interface {
	ServerOption
	ClientOption
}

type commonOption func(*commonConfig) error

func (o commonOption) applyToServer(c *serverConfig) error { return o(&c.commonConfig) }
func (o commonOption) applyToClient(c *clientConfig) error { return o(&c.commonConfig) }

type commonConfig struct {
	prefix    string
	maxAnswer int
	logger    *slog.Logger
}

func (c commonConfig) log() *slog.Logger {
	if c.logger != nil {
		return c.logger
	}
	return slog.Default()
}

var errNilOption = errors.New("nen: an option is nil")

func defaults() commonConfig {
	return commonConfig{prefix: endpointPrefix, maxAnswer: defaultMaxAnswer}
}

// WithPrefix sets the path of the session endpoints: below the mount point on a server, below the base URL on a
// client. Default: "/api/nen".
func WithPrefix(path string) Option {
	return commonOption(func(c *commonConfig) error {
		if !encodedPath(path) || strings.HasSuffix(path, "/") {
			return errors.New("nen: the prefix must be a path that starts with a slash and ends without one, percent-encoded")
		}
		c.prefix = path
		return nil
	})
}

// WithMaxAnswer sets the most bytes of a whole answer, streams aside: on a server, of what a handler writes, which
// must be kept until it returns; on a client, of what is received. Default: 16 MiB. Stream what is longer.
func WithMaxAnswer(bytes int) Option {
	return commonOption(func(c *commonConfig) error {
		c.maxAnswer = min(bytes, math.MaxInt-1) // One more is read to see that it is too long.
		return positive("most bytes of an answer", bytes)
	})
}

// WithLogger sets where to tell what a server refused and why, and when a client made its session anew or corrected
// its clock. Default: [slog.Default] at that time.
func WithLogger(logger *slog.Logger) Option {
	return commonOption(func(c *commonConfig) error {
		if logger == nil {
			return errors.New("nen: the logger is nil")
		}
		c.logger = logger
		return nil
	})
}

func positive[N int | int64](what string, n N) error {
	if n <= 0 {
		return fmt.Errorf("nen: the %s must be more than 0, not %d", what, n)
	}
	return nil
}
