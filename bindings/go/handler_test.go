package nen_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	nen "github.com/withnen/nen/bindings/go"
)

// What a handler sees of a request, and can do with the answer.

func TestTheHandlerSeesWhatWasSigned(t *testing.T) {
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TransferEncoding != nil || r.Trailer != nil {
			t.Errorf("the sealed body's %v, %v", r.TransferEncoding, r.Trailer)
		}
		reply(w, r.Method)
	}))
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if !strings.Contains(r.URL.Path, "/api/nen/") {
			r.Method = "delete" // The method is signed in upper case, whatever it travels in.
			r.ContentLength, r.Trailer = -1, http.Header{"X-Late": {"1"}}
		}
		return next.RoundTrip(r)
	}))
	var method string
	if err := client.Fetch(t.Context(), "DELETE", "/", 1, &method); err != nil {
		t.Fatal(err)
	}
	equal(t, "method", method, "DELETE")
}

func TestThePeerMayBeAskedForLateIfItWasBefore(t *testing.T) {
	var asked, unasked context.Context
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/asked" {
			nen.PeerFromContext(r.Context())
			asked = r.Context()
		} else {
			unasked = r.Context()
		}
	}))
	client := connect(t, url)
	ask := func(path string) { do(t, client, "GET", path, nil) }
	ask("/asked")
	ask("/unasked")
	peer, ok := nen.PeerFromContext(asked)
	equal(t, "asked", peer.SessionID, client.SessionID())
	equal(t, "asked", ok, true)
	_, ok = nen.PeerFromContext(unasked)
	equal(t, "unasked", ok, false)
}

func TestAStreamKeepsTheStatusThatWasSet(t *testing.T) {
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_ = must(must(nen.NewStreamWriter(w)).WriteString("one"))
	}))
	response, body := do(t, connect(t, url), "GET", "/", nil)
	equal(t, "status", response.StatusCode, http.StatusAccepted)
	equal(t, "body", body, "one")
}

// A plainWriter can do no more than it must.
type plainWriter struct{ wire http.ResponseWriter }

func (p plainWriter) Header() http.Header         { return p.wire.Header() }
func (p plainWriter) Write(b []byte) (int, error) { return p.wire.Write(b) }
func (p plainWriter) WriteHeader(status int)      { p.wire.WriteHeader(status) }

func TestAStreamOverAWriterThatCannotFlushComesLate(t *testing.T) {
	server := must(nen.NewServer(nen.WithLogger(discard())))
	protected := server.Middleware(words)
	url := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protected.ServeHTTP(plainWriter{w}, r)
	}), nil)
	stream := must(connect(t, url).Stream(t.Context(), "GET", "/", nil))
	equal(t, "text", string(must(io.ReadAll(stream))), "one __FIN__ three")
}

func TestALongWriteIsSeveralChunks(t *testing.T) {
	const length = 9 << 20 // More than a client takes as one.
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n, err := must(nen.NewStreamWriter(w)).Write(make([]byte, length))
		if n != length || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
	}))
	chunks := must(chunksOf(must(connect(t, url).Stream(t.Context(), "GET", "/", nil))))
	equal(t, "chunks", len(chunks), 9)
	equal(t, "bytes", len(strings.Join(chunks, "")), length)
}

func TestTrailersDoNotTravel(t *testing.T) {
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(http.TrailerPrefix+"X-Secret", "hunter2")
		_ = must(must(nen.NewStreamWriter(w)).WriteString("one"))
		w.Header().Set(http.TrailerPrefix+"X-Secret", "hunter2")
	}))
	var trailer http.Header
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err == nil && !strings.Contains(r.URL.Path, "/api/nen/") {
			body := must(io.ReadAll(response.Body)) // Trailers come after it.
			response.Body.Close()
			response.Body, trailer = io.NopCloser(bytes.NewReader(body)), response.Trailer
		}
		return response, err
	}))
	_, body := do(t, client, "GET", "/", nil)
	equal(t, "body", body, "one")
	equal(t, "trailers", len(trailer), 0)
}

func TestNothingIsNoChunk(t *testing.T) {
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		stream := must(nen.NewStreamWriter(w))
		for _, chunk := range []string{"one", "", "two"} {
			_ = must(stream.WriteString(chunk))
		}
	}))
	chunks := must(chunksOf(must(connect(t, url).Stream(t.Context(), "GET", "/", nil))))
	equal(t, "chunks", strings.Join(chunks, "|"), "one|two")
}

func TestDeadlinesAreTheConnections(t *testing.T) {
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		control := http.NewResponseController(w)
		reply(w, control.SetReadDeadline(time.Time{}) == nil && control.SetWriteDeadline(time.Time{}) == nil)
	}))
	var ok bool
	if err := connect(t, url).Fetch(t.Context(), "GET", "/", nil, &ok); err != nil {
		t.Fatal(err)
	}
	equal(t, "deadlines", ok, true)
	passed, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(-time.Second))
		reply(w, 1)
	}))
	if err := connect(t, passed).Fetch(t.Context(), "POST", "/", 1, nil); err == nil {
		t.Error("it answered after its deadline")
	}
}

func TestHeadOfATextTellsNoLengthThatIsWrong(t *testing.T) {
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "9") // As JSON it is longer, by what is in it.
		w.WriteHeader(http.StatusNotFound)
	}))
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err == nil && r.Method == "HEAD" {
			equal(t, "length", response.Header.Get("Content-Length"), "")
		}
		return response, err
	}))
	do(t, client, "HEAD", "/", nil)
}

// A stream's keys end with its request, also where the handler has broken it off.
func TestAStreamThatWasLeftCannotBeWritten(t *testing.T) {
	left := make(chan *nen.StreamWriter, 1)
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		left <- must(nen.NewStreamWriter(w))
		panic(http.ErrAbortHandler)
	}))
	stream := must(connect(t, url).Stream(t.Context(), "GET", "/", nil))
	_, err := io.ReadAll(stream)
	wantCode(t, err, nen.ErrStreamTruncated)
	if _, err := (<-left).WriteString("late"); !errors.Is(err, nen.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestClosingAStreamEndsAReadUnderWay(t *testing.T) {
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = must(must(nen.NewStreamWriter(w)).WriteString("one"))
		<-r.Context().Done()
	}))
	reading := make(chan struct{})
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err == nil && !strings.Contains(r.URL.Path, "/api/nen/") {
			response.Body = &announced{ReadCloser: response.Body, reading: reading}
		}
		return response, err
	}))
	stream := must(client.Stream(t.Context(), "GET", "/", nil))
	equal(t, "chunk", string(must(io.ReadAll(io.LimitReader(stream, 3)))), "one")
	result := make(chan error)
	go func() {
		_, err := stream.Read(make([]byte, 1))
		result <- err
	}()
	<-reading
	_ = stream.Close()
	if err := <-result; !errors.Is(err, nen.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// An announced body tells of its second read.
type announced struct {
	io.ReadCloser
	reading chan struct{}
	reads   int
}

func (a *announced) Read(p []byte) (int, error) {
	if a.reads++; a.reads == 2 {
		close(a.reading)
	}
	return a.ReadCloser.Read(p)
}

// A contextHandler is one of those that log nothing for a context that has ended.
type contextHandler struct{ slog.Handler }

func (c contextHandler) Handle(ctx context.Context, record slog.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.Handler.Handle(ctx, record)
}

func TestWhatIsRefusedIsLoggedAlsoIfTheClientHasGone(t *testing.T) {
	log := &record{}
	server := must(nen.NewServer(nen.WithLogger(slog.New(contextHandler{slog.NewTextHandler(log, nil)}))))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	server.Middleware(echo).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
	if !strings.Contains(log.String(), "code=ISO-2003") {
		t.Errorf("got %q", log)
	}
}
