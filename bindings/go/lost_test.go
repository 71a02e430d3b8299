package nen_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	nen "github.com/withnen/nen/bindings/go"
)

// What becomes of requests whose answer does not come.

// A connection that breaks before the answer of an idempotent request has net/http send it again, which is a replay.
func TestAnAnswerThatWasLostIsNoReplay(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		broken int32 // so many calls of the handler break the connection
		runs   int32
		ok     bool
	}{
		"get, once":   {"GET", 1, 2, true},
		"get, always": {"GET", 100, 2, false},
		"post":        {"POST", 1, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			var armed atomic.Bool
			var runs atomic.Int32
			url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if armed.Load() && runs.Add(1) <= c.broken {
					panic(http.ErrAbortHandler)
				}
				reply(w, 1)
			}))
			client := connect(t, url)
			ask := func() error { return client.Fetch(t.Context(), c.method, "/", nil, nil) }
			if err := ask(); err != nil { // The connection is used again.
				t.Fatal(err)
			}
			armed.Store(true)
			err := ask()
			if (err == nil) != c.ok || errors.Is(err, nen.ErrReplayNonceReused) {
				t.Errorf("got %v", err)
			}
			equal(t, "runs", runs.Load(), c.runs)
		})
	}
}

func TestTheStatusOfASessionIsAskedForAnew(t *testing.T) {
	server := must(nen.NewServer(nen.WithLogger(discard())))
	protected := server.Middleware(echo)
	var broken atomic.Bool
	url := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/status") && !broken.Swap(true) {
			protected.ServeHTTP(httptest.NewRecorder(), r) // It is carried out, and its answer lost.
			panic(http.ErrAbortHandler)
		}
		protected.ServeHTTP(w, r)
	}), nil)
	client := connect(t, url)
	fetch(t, client, "GET", "/", nil)
	equal(t, "status", must(client.Status(t.Context())), true)
	equal(t, "broken", broken.Load(), true)
}

func TestAReplayOfOnesOwnIsOne(t *testing.T) {
	var sent atomic.Int32
	url, _ := serve(t, echo)
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "/api/nen/") {
			return next.RoundTrip(r)
		}
		sent.Add(1)
		return &http.Response{StatusCode: 409, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(
			`{"error":{"code":"ISO-5001","message":"no"}}`))}, nil
	}))
	wantCode(t, client.Fetch(t.Context(), "GET", "/", nil, nil), nen.ErrReplayNonceReused)
	equal(t, "sent", sent.Load(), 1)
}

// A forged 101 has a body that never ends, which no context ends either.
func TestAChangeOfProtocolIsRefused(t *testing.T) {
	url, _ := serve(t, echo)
	for _, at := range []string{"/handshake", "/x"} {
		t.Run(at, func(t *testing.T) {
			var forged atomic.Bool
			between := forge(t, func(connection net.Conn, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, at) && !forged.Swap(true) {
					_, _ = io.Copy(io.Discard, r.Body)
					fmt.Fprint(connection, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
					_, _ = connection.Read(make([]byte, 1)) // Until the client hangs up.
					return
				}
				forward(t, connection, r, url)
			})
			client := connect(t, between)
			err := client.Fetch(t.Context(), "POST", "/x", 1, nil)
			if err == nil || !strings.Contains(err.Error(), "changed its protocol") {
				t.Errorf("got %v", err)
			}
			fetch(t, client, "POST", "/x", 1)
		})
	}
}

// forge answers requests with whatever it likes, one on each connection.
func forge(t *testing.T, answer func(net.Conn, *http.Request)) string {
	t.Helper()
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				if r, err := http.ReadRequest(bufio.NewReader(connection)); err == nil {
					answer(connection, r)
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

func forward(t *testing.T, connection net.Conn, r *http.Request, url string) {
	out := must(http.NewRequest(r.Method, url+r.URL.Path, r.Body))
	out.Header, out.ContentLength = r.Header, r.ContentLength
	response, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		t.Error(err)
		return
	}
	defer response.Body.Close()
	response.Close = true
	_ = response.Write(connection)
}

func TestATransportThatPanicsOrEndsItsGoroutineIsAnError(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("nil map") }, "exit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			var again atomic.Bool
			url, _ := serve(t, echo)
			client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
				if !again.Swap(true) {
					end()
				}
				return next.RoundTrip(r)
			}))
			if err := client.Handshake(t.Context()); err == nil {
				t.Error("it shook hands")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := client.Handshake(ctx); err != nil {
				t.Errorf("the next one: %v", err)
			}
		})
	}
}
