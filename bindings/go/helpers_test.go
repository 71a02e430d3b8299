package nen_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	nen "github.com/withnen/nen/bindings/go"
)

// serve runs a handler behind nen, and hands out its URL and what it logs.
func serve(t *testing.T, handler http.Handler, options ...nen.ServerOption) (string, *record) {
	t.Helper()
	log := &record{}
	options = append([]nen.ServerOption{nen.WithLogger(slog.New(slog.NewTextHandler(log, nil)))}, options...)
	server, err := nen.NewServer(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return start(t, server.Middleware(handler), log), log
}

// start runs a handler as it is. What net/http logs goes to the record.
func start(t *testing.T, handler http.Handler, log *record) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	if log != nil {
		server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(log, nil), slog.LevelError)
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

func connect(t *testing.T, url string, options ...nen.ClientOption) *nen.Client {
	t.Helper()
	// A transport of its own, whose connections end with the test.
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	options = append([]nen.ClientOption{
		nen.WithHTTPClient(&http.Client{Transport: transport}), nen.WithLogger(discard()),
	}, options...)
	client, err := nen.NewClient(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// echo answers with what it received.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	reply(w, map[string]any{
		"method": r.Method, "path": r.URL.Path, "query": r.URL.RawQuery, "received": json.RawMessage(or(body, "null")),
		"type": r.Header.Get("Content-Type"), "length": r.ContentLength,
	})
})

func or(body []byte, otherwise string) []byte {
	if len(body) == 0 {
		return []byte(otherwise)
	}
	return body
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(err)
	}
}

func fetch(t *testing.T, client *nen.Client, method, path string, in any) map[string]any {
	t.Helper()
	var out map[string]any
	if err := client.Fetch(t.Context(), method, path, in, &out); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return out
}

// do sends a request and reads the whole response.
func do(t *testing.T, client *nen.Client, method, path string, in any) (*http.Response, string) {
	t.Helper()
	request, err := client.NewRequest(t.Context(), method, path, in)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// bare sends a request past nen, and returns status and code of its refusal.
func bare(t *testing.T, method, url string, header http.Header) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var refusal struct{ Error struct{ Code string } }
	_ = json.NewDecoder(response.Body).Decode(&refusal) // HEAD has none, and other answers are not JSON.
	return response.StatusCode, refusal.Error.Code
}

func wantCode(t *testing.T, err error, code nen.Code) *nen.Error {
	t.Helper()
	var known *nen.Error
	if !errors.As(err, &known) || known.Code != code {
		t.Fatalf("got %v, want %v", err, code)
	}
	return known
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// A record keeps what is logged.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// A tap lets a test see and change what travels.
type tap func(*http.Request, http.RoundTripper) (*http.Response, error)

func (f tap) RoundTrip(request *http.Request) (*http.Response, error) {
	return f(request, http.DefaultTransport)
}

func tapped(f tap) nen.ClientOption {
	return nen.WithHTTPClient(&http.Client{Transport: f})
}

func discard() *slog.Logger {
	return slog.New(slog.DiscardHandler)
}

func slogToNowhere() *log.Logger {
	return slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
}
