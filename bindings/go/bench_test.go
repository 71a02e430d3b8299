package nen_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	nen "github.com/withnen/nen/bindings/go"
)

// A request to a handler, in the clear and sealed, over real sockets.
func BenchmarkRequest(b *testing.B) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(must(io.ReadAll(r.Body)))
	})
	server := httptest.NewServer(nen.Middleware(nen.WithProtect("/api/*"), nen.WithLogger(discard()))(handler))
	defer server.Close()
	sealed := must(nen.NewTransport(nil, server.URL))
	body := []byte(`{"secret":"` + string(bytes.Repeat([]byte("x"), 1000)) + `"}`)
	for name, client := range map[string]*http.Client{"/plain": http.DefaultClient, "/api/sealed": {Transport: sealed}} {
		b.Run(name[1:], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				response := must(client.Post(server.URL+name, "application/json", bytes.NewReader(body)))
				if answer := must(io.ReadAll(response.Body)); !bytes.Equal(answer, body) {
					b.Fatalf("got %s", answer)
				}
				_ = response.Body.Close()
			}
		})
	}
}
