package nen

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func TestAHandleIsFreedOnceAndNotUnderACall(t *testing.T) {
	var freed, used atomic.Int32
	h := newHandle(1, func(int) { freed.Add(1) })
	var calls, closers sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			for h.acquire() == nil {
				if freed.Load() != 0 {
					t.Error("it was freed under a call")
				}
				used.Add(1)
				h.release()
			}
		})
	}
	for used.Load() < 100 {
		runtime.Gosched()
	}
	for range 4 {
		closers.Go(h.close)
	}
	closers.Wait()
	calls.Wait()
	if freed.Load() != 1 {
		t.Errorf("it was freed %d times", freed.Load())
	}
}

func TestAHandleThatWasForgottenIsFreed(t *testing.T) {
	freed := make(chan int)
	newHandle(7, func(object int) { freed <- object })
	runtime.GC()
	if object := <-freed; object != 7 {
		t.Errorf("freed %d", object)
	}
}

func TestTheZeroHandleIsClosed(t *testing.T) {
	var h *handle[int]
	h.close()
	if err := h.acquire(); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestTheDetailOfAnErrorIsOfItsOwnCall(t *testing.T) {
	// Calls fail in two ways at once, on goroutines that move between threads.
	_, short := IdentityFromPKCS8([]byte("short"))
	_, unknown := RecordKey("no session id")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 500 {
				if _, err := IdentityFromPKCS8([]byte("short")); err.Error() != short.Error() {
					t.Errorf("got %q, want %q", err, short)
				}
				runtime.Gosched()
				if _, err := RecordKey("no session id"); err.Error() != unknown.Error() {
					t.Errorf("got %q, want %q", err, unknown)
				}
			}
		})
	}
	group.Wait()
	if short.Error() == unknown.Error() {
		t.Error("both fail alike, which shows nothing")
	}
}

func TestAServerClosesTheStoreThatItMade(t *testing.T) {
	server, err := NewServer()
	if err != nil {
		t.Fatal(err)
	}
	_ = server.Close()
	if _, _, err := server.ownStore.Len(); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}
