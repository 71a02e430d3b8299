package nen

// #include <nen.h>
import "C"

import (
	"runtime"
	"sync"
)

// A handle owns an object of libnen. It is closed once, by close or by the garbage collector, and never under a call.
type handle[P any] struct {
	mu      sync.RWMutex
	object  P
	closed  bool
	free    func(P)
	cleanup runtime.Cleanup
}

func newHandle[P any](object P, free func(P)) *handle[P] {
	h := &handle[P]{object: object, free: free}
	h.cleanup = runtime.AddCleanup(h, free, object)
	return h
}

// acquire keeps the object from being freed until release.
func (h *handle[P]) acquire() error {
	if h == nil {
		return ErrClosed
	}
	h.mu.RLock()
	if h.closed {
		h.mu.RUnlock()
		return ErrClosed
	}
	return nil
}

func (h *handle[P]) release() {
	h.mu.RUnlock()
}

// close frees the object once the calls that use it have returned.
func (h *handle[P]) close() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	h.cleanup.Stop()
	h.free(h.object)
}

// use calls a function of libnen with the object of a handle.
func use[P any](h *handle[P], function func(P) C.int32_t) error {
	if err := h.acquire(); err != nil {
		return err
	}
	defer h.release()
	return call(func() C.int32_t { return function(h.object) })
}

// use2 calls a function of libnen with the objects of two handles.
func use2[P, Q any](p *handle[P], q *handle[Q], function func(P, Q) C.int32_t) error {
	if err := p.acquire(); err != nil {
		return err
	}
	defer p.release()
	return use(q, func(object Q) C.int32_t { return function(p.object, object) })
}
