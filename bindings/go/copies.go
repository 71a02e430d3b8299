package nen

import (
	"context"
	"errors"
	"net/http/httptrace"
	"sync/atomic"
)

// If a connection breaks before the answer to an idempotent request, net/http sends it again as it is. The server takes
// the copy for a replay, which hides what happened.

// errAnswerLost tells that such a copy was refused. Nobody knows whether the first was carried out.
var errAnswerLost = errors.New("nen: the connection broke before the answer came, and again when it was asked for anew")

// copies counts how often one sealed request was sent without an answer.
type copies struct {
	unanswered atomic.Int32
}

func (c *copies) count(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest:         func(httptrace.WroteRequestInfo) { c.unanswered.Add(1) },
		GotFirstResponseByte: func() { c.unanswered.Add(-1) },
	})
}

// explain makes errAnswerLost of the refusal of a copy. A replay in an answer of 2xx is one that this side found.
func (c *copies) explain(status int, err error) error {
	if status/100 != 2 && c.unanswered.Load() > 0 && errors.Is(err, ErrReplayNonceReused) {
		return errAnswerLost
	}
	return err
}

// answered seals and sends anew, once, what net/http found fit to be sent twice.
func answered[T any](attempts func() (T, error)) (T, error) {
	result, err := attempts()
	if errors.Is(err, errAnswerLost) {
		return attempts()
	}
	return result, err
}
