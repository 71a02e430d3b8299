package nen

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// flights are changes of a session: made one after the other, and once for all who want the same at the same time. A
// change goes on as long as somebody waits for it.
type flights struct {
	mu      sync.Mutex
	pending map[string]*flight
	turn    chan struct{} // holds the token of whoever may change the session
}

type flight struct {
	done    chan struct{}
	err     error // to be read when done
	waiting int
	cancel  context.CancelFunc
}

func newFlights() *flights {
	return &flights{pending: map[string]*flight{}, turn: make(chan struct{}, 1)}
}

// join waits for the change with this key, and starts it if it is not under way.
func (f *flights) join(ctx context.Context, key string, change func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	current, ok := f.pending[key]
	if !ok {
		current = &flight{done: make(chan struct{}), err: errUnfinished}
		// The context of whoever came first must not end it for the others.
		shared, cancel := context.WithCancel(context.WithoutCancel(ctx))
		current.cancel = cancel
		f.pending[key] = current
		go f.run(shared, key, current, change)
	}
	current.waiting++
	f.mu.Unlock()

	select {
	case <-current.done:
		return current.err
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if current.waiting--; current.waiting == 0 {
		f.forget(key, current)
		current.cancel()
	}
	return ctx.Err()
}

var errUnfinished = errors.New("nen: the goroutine that changed the session was ended by what sends its requests")

func (f *flights) run(ctx context.Context, key string, current *flight, change func(context.Context) error) {
	defer func() {
		current.cancel()
		f.mu.Lock()
		f.forget(key, current)
		f.mu.Unlock()
		close(current.done)
	}()
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
		current.err = contained(ctx, change)
	case <-ctx.Done():
		current.err = ctx.Err()
	}
}

// contained makes an error of a panic of what sends the requests, which nobody could catch on this goroutine.
func contained(ctx context.Context, change func(context.Context) error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("nen: what sends the requests panicked: %v", cause)
		}
	}()
	return change(ctx)
}

// forget has the next who wants this change start it anew.
func (f *flights) forget(key string, current *flight) {
	if f.pending[key] == current {
		delete(f.pending, key)
	}
}
