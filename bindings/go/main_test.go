package nen_test

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"testing"
	"time"
)

// TestMain sees to it that no goroutine outlives the tests.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	status := m.Run()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	for deadline := time.Now().Add(5 * time.Second); status == 0 && runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "goroutines were left:\n%s", stacks[:runtime.Stack(stacks, true)])
			status = 1
		}
	}
	os.Exit(status)
}
