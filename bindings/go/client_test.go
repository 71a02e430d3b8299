package nen_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	nen "github.com/withnen/nen/bindings/go"
)

func TestEveryMethodIsSealedAndOpened(t *testing.T) {
	var seen bytes.Buffer
	url, _ := serve(t, echo)
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		body := must(io.ReadAll(r.Body))
		seen.Write(body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		response, err := next.RoundTrip(r)
		if err == nil {
			response.Body = struct {
				io.Reader
				io.Closer
			}{io.TeeReader(response.Body, &seen), response.Body}
		}
		return response, err
	}))
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		answer := fetch(t, client, method, "/caf%C3%A9?q=1%202", map[string]string{"secret": "hunter2"})
		equal(t, "method", answer["method"], any(method))
		equal(t, "path", answer["path"], any("/café"))
		equal(t, "query", answer["query"], any("q=1%202"))
		equal(t, "type", answer["type"], any("application/json"))
		equal(t, "length", answer["length"], any(float64(len(`{"secret":"hunter2"}`))))
		equal(t, "body", answer["received"].(map[string]any)["secret"], any("hunter2"))
	}
	answer := fetch(t, client, "GET", "/", nil)
	equal(t, "type without a body", answer["type"], any(""))
	equal(t, "length without a body", answer["length"], any(0.0))
	if strings.Contains(seen.String(), "hunter2") || !strings.Contains(seen.String(), `"ct"`) {
		t.Error("the secret travelled in the clear, or nothing travelled")
	}
}

func TestStatusAndHeadersArriveAndTheLengthIsOfThePlaintext(t *testing.T) {
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("X-Own", r.Header.Get("X-Own"))
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, `{"short": "and stout"}`)
	}))
	client := connect(t, url)
	request := must(client.NewRequest(t.Context(), "GET", "/", nil))
	request.Header.Set("X-Own", "mine")
	response := must(client.Do(request))
	defer response.Body.Close()
	body := string(must(io.ReadAll(response.Body)))
	equal(t, "body", body, `{"short": "and stout"}`)
	equal(t, "status", response.StatusCode, http.StatusTeapot)
	equal(t, "length", response.ContentLength, int64(len(body)))
	equal(t, "type", response.Header.Get("Content-Type"), "application/json")
	equal(t, "header", response.Header.Get("X-Own"), "mine")
	equal(t, "header of the plain body", response.Header.Get("ETag"), "")
	equal(t, "sealed", nen.IsSealed(response), true)

	err := client.Fetch(t.Context(), "GET", "/", nil, nil)
	var httpError *nen.HTTPError
	if !errors.As(err, &httpError) || !httpError.Sealed || httpError.StatusCode != http.StatusTeapot || string(httpError.Body) != body {
		t.Fatalf("got %#v", err)
	}
	if strings.Contains(err.Error(), "stout") {
		t.Error("the error's text holds what was decrypted")
	}
}

func TestTheBaseURLMayHaveAPath(t *testing.T) {
	server := must(nen.NewServer(nen.WithLogger(discard())))
	url := start(t, http.StripPrefix("/mounted/here", server.Middleware(echo)), nil)
	client := connect(t, url+"/mounted/here/")
	equal(t, "path", fetch(t, client, "POST", "/a", 1)["path"], any("/a"))
	equal(t, "path without a slash", fetch(t, client, "POST", "a", 1)["path"], any("/a"))
}

func TestTheBaseURLMayHaveAZone(t *testing.T) {
	client := must(nen.NewClient("http://[fe80::1%25eth0]:8080/a%2Fb/"))
	request := must(client.NewRequest(t.Context(), "GET", "/c", nil))
	equal(t, "URL", request.URL.String(), "http://[fe80::1%25eth0]:8080/a%2Fb/c")
}

func TestBaseURLsThatCannotBe(t *testing.T) {
	for _, base := range []string{
		"", "127.0.0.1", "ftp://x", "http://", "http://u:p@x", "http://x?q", "http://x?", "http://x#f", "http://x:y", "://",
	} {
		if _, err := nen.NewClient(base); err == nil {
			t.Errorf("%q was taken", base)
		}
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	for name, option := range map[string]nen.ClientOption{
		"prefix without a slash": nen.WithPrefix("api"), "prefix with one too many": nen.WithPrefix("/api/"),
		"no answer": nen.WithMaxAnswer(0), "no chunk": nen.WithMaxChunk(-1),
		"no client": nen.WithHTTPClient(nil), "no identity": nen.WithIdentity(nil), "nothing": nil,
	} {
		if _, err := nen.NewClient("http://x", option); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := nen.NewTransport(nil, "http://x", nen.WithHTTPClient(http.DefaultClient)); err == nil {
		t.Error("a transport took an HTTP client")
	}
}

func TestABodyMustBeJSON(t *testing.T) {
	url, _ := serve(t, echo)
	client := connect(t, url)
	request := must(http.NewRequest("POST", url, strings.NewReader("not json")))
	_, err := client.Do(request)
	wantCode(t, err, nen.ErrCryptoPayloadNotJSON)
	if err := client.Fetch(t.Context(), "POST", "/", make(chan int), nil); err == nil {
		t.Error("a channel was sent")
	}
}

func TestTheLifeOfASession(t *testing.T) {
	url, _ := serve(t, echo)
	client := connect(t, url)
	ctx := t.Context()
	equal(t, "session", client.SessionID(), "")
	equal(t, "status", must(client.Status(ctx)), false)
	wantCode(t, client.Rotate(ctx), nen.ErrSessionNotInitialized)
	if err := client.Terminate(ctx); err != nil {
		t.Error(err)
	}
	if err := client.Handshake(ctx); err != nil {
		t.Fatal(err)
	}
	first := client.SessionID()
	equal(t, "status", must(client.Status(ctx)), true)
	if err := client.Rotate(ctx); err != nil {
		t.Fatal(err)
	}
	if second := client.SessionID(); second == first || second == "" {
		t.Error("the session was not replaced")
	}
	status, code := bare(t, "GET", url, http.Header{"X-Nen-Session": {first}})
	equal(t, "old session", code, "ISO-2002")
	equal(t, "old session", status, 401)
	fetch(t, client, "GET", "/", nil)
	if err := client.Terminate(ctx); err != nil {
		t.Fatal(err)
	}
	equal(t, "session", client.SessionID(), "")
	fetch(t, client, "GET", "/", nil)
}

func TestAClientCannotBeUsedAfterClose(t *testing.T) {
	url, _ := serve(t, echo)
	client := connect(t, url)
	fetch(t, client, "GET", "/", nil)
	_ = client.Close()
	_ = client.Close()
	ctx := t.Context()
	_, status := client.Status(ctx)
	_, stream := client.Stream(ctx, "GET", "/", nil)
	for what, err := range map[string]error{
		"handshake": client.Handshake(ctx), "fetch": client.Fetch(ctx, "GET", "/", nil, nil), "rotate": client.Rotate(ctx),
		"terminate": client.Terminate(ctx), "status": status, "stream": stream,
	} {
		if !errors.Is(err, nen.ErrClosed) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	equal(t, "session", client.SessionID(), "")
}

func TestClosingAClientUnderItsCalls(t *testing.T) {
	url, _ := serve(t, echo)
	client := connect(t, url)
	fetch(t, client, "GET", "/", nil)
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			for {
				if err := client.Fetch(t.Context(), "POST", "/", 1, nil); err != nil {
					if !errors.Is(err, nen.ErrClosed) {
						t.Errorf("got %v", err)
					}
					return
				}
			}
		})
	}
	_ = client.Close()
	calls.Wait()
}

func TestALostSessionIsMadeAnewOnceForAll(t *testing.T) {
	const calls = 16
	url, _ := serve(t, echo)
	var handshakes atomic.Int32
	var held sync.WaitGroup
	held.Add(calls)
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/handshake") {
			handshakes.Add(1)
		}
		response, err := next.RoundTrip(r)
		if err == nil && response.StatusCode == http.StatusUnauthorized {
			held.Done() // Each call is under way when the session is found dead.
			held.Wait()
		}
		return response, err
	}))
	fetch(t, client, "GET", "/", nil)
	status, _ := bare(t, "POST", url+"/api/nen/terminate", http.Header{"X-Nen-Session": {client.SessionID()}})
	equal(t, "status", status, 200)
	var group sync.WaitGroup
	for i := range calls {
		group.Go(func() { equal(t, "received", fetch(t, client, "POST", "/", i)["received"], any(float64(i))) })
	}
	group.Wait()
	equal(t, "handshakes", handshakes.Load(), 2)
}

func TestASessionThatIsLostAtOnceIsNotMadeAnewForEver(t *testing.T) {
	url, _ := serve(t, echo)
	var attempts atomic.Int32
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if !strings.Contains(r.URL.Path, "/api/nen/") {
			attempts.Add(1)
			r.Header.Set("X-Nen-Session", "00000000-0000-4000-8000-000000000000")
		}
		return next.RoundTrip(r)
	}))
	wantCode(t, client.Fetch(t.Context(), "GET", "/", nil, nil), nen.ErrSessionInvalidOrExpired)
	equal(t, "attempts", attempts.Load(), 2)
}

func TestOneCallersContextDoesNotEndTheHandshakeOfOthers(t *testing.T) {
	url, _ := serve(t, echo)
	asked, proceed := make(chan struct{}), make(chan struct{})
	var handshakes atomic.Int32
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if handshakes.Add(1) == 1 {
			close(asked)
			select {
			case <-proceed:
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
		return next.RoundTrip(r)
	}))
	impatient, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- client.Handshake(impatient) }()
	<-asked
	joined := make(chan struct{})
	go func() { second <- client.Handshake(&joinHook{Context: t.Context(), joined: func() { close(joined) }}) }()
	<-joined
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the impatient one got %v", err)
	}
	close(proceed)
	if err := <-second; err != nil {
		t.Errorf("the patient one got %v", err)
	}
	equal(t, "handshakes", handshakes.Load(), 1)
}

// A joinHook does something when its Done is asked for, which is when its owner has joined what is under way.
type joinHook struct {
	context.Context
	once   sync.Once
	joined func()
}

func (j *joinHook) Done() <-chan struct{} {
	j.once.Do(j.joined)
	return j.Context.Done()
}

func TestAHandshakeThatNobodyWaitsForEnds(t *testing.T) {
	asked, ended := make(chan struct{}), make(chan struct{})
	client := connect(t, "http://127.0.0.1:1", tapped(func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		close(asked)
		<-r.Context().Done()
		close(ended)
		return nil, r.Context().Err()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- client.Fetch(ctx, "GET", "/", nil, nil) }()
	<-asked
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-ended
}

func TestAServerThatCannotBeReached(t *testing.T) {
	client := connect(t, "http://127.0.0.1:1", tapped(func(*http.Request, http.RoundTripper) (*http.Response, error) {
		return nil, errors.New("no route to host")
	}))
	err := wantCode(t, client.Handshake(t.Context()), nen.ErrHandshakeNetwork)
	if !strings.Contains(err.Error(), "no route to host") {
		t.Errorf("%q does not tell why", err)
	}
}

func TestTheClockIsCorrectedOnce(t *testing.T) {
	ahead := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(90*time.Second).UTC().Format(http.TimeFormat))
			next.ServeHTTP(w, r)
		})
	}
	server := must(nen.NewServer(nen.WithLogger(discard()), nen.WithWindow(100*time.Second)))
	strict := must(nen.NewServer(nen.WithLogger(discard()), nen.WithWindow(time.Millisecond)))
	url := start(t, ahead(server.Middleware(echo)), nil)
	fetch(t, connect(t, url), "GET", "/", nil)

	// Its Date is wrong, so that the correction does not help.
	hopeless := start(t, ahead(strict.Middleware(echo)), nil)
	late := tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if !strings.Contains(r.URL.Path, "/api/nen/") {
			time.Sleep(5 * time.Millisecond) // Longer than the window: it is late.
		}
		return next.RoundTrip(r)
	})
	wantCode(t, connect(t, hopeless, late).Fetch(t.Context(), "GET", "/", nil, nil), nen.ErrAuthTimestampOutOfWindow)
	err := connect(t, hopeless, late, nen.WithClockCorrection(false)).Fetch(t.Context(), "GET", "/", nil, nil)
	wantCode(t, err, nen.ErrAuthTimestampOutOfWindow)
}

func TestALongAnswerIsNotRead(t *testing.T) {
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reply(w, strings.Repeat("x", 10_000))
	}))
	err := connect(t, url, nen.WithMaxAnswer(5000)).Fetch(t.Context(), "GET", "/", nil, nil)
	wantCode(t, err, nen.ErrWireInvalidPayloadFormat)
	fetchString := func(limit int) error {
		var out string
		return connect(t, url, nen.WithMaxAnswer(limit)).Fetch(t.Context(), "GET", "/", nil, &out)
	}
	if err := fetchString(20_000); err != nil {
		t.Error(err)
	}
}

func TestAnEndlessHandshakeIsNone(t *testing.T) {
	url := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte(" "), 10_000))
	}), nil)
	err := connect(t, url, nen.WithMaxAnswer(1000)).Handshake(t.Context())
	wantCode(t, err, nen.ErrHandshakeBadResponse)
}

func TestAnswersOutsideOfTheProtocolAreHandedOver(t *testing.T) {
	url, _ := serve(t, echo)
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "/api/nen/") {
			return next.RoundTrip(r)
		}
		return &http.Response{
			StatusCode: http.StatusBadGateway, Header: http.Header{"Content-Type": {"text/html"}},
			Body: io.NopCloser(strings.NewReader("<h1>Bad gateway")), Request: r,
		}, nil
	}))
	response, body := do(t, client, "GET", "/", nil)
	equal(t, "status", response.StatusCode, http.StatusBadGateway)
	equal(t, "body", body, "<h1>Bad gateway")
	equal(t, "sealed", nen.IsSealed(response), false)
	var httpError *nen.HTTPError
	if err := client.Fetch(t.Context(), "GET", "/", nil, nil); !errors.As(err, &httpError) || httpError.Sealed {
		t.Errorf("got %v", err)
	}
	_, err := client.Stream(t.Context(), "GET", "/", nil)
	wantCode(t, err, nen.ErrStreamRequestFailed)
}

func TestARedirectIsNotFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	other := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }), nil)
	url, _ := serve(t, http.NotFoundHandler())
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err == nil && !strings.Contains(r.URL.Path, "/api/nen/") {
			response.Body.Close()
			response.StatusCode, response.Body = http.StatusTemporaryRedirect, http.NoBody
			response.Header = http.Header{"Location": {other}}
		}
		return response, err
	}))
	response, _ := do(t, client, "POST", "/", map[string]string{"secret": "hunter2"})
	equal(t, "status", response.StatusCode, http.StatusTemporaryRedirect)
	equal(t, "sealed", nen.IsSealed(response), false)
	equal(t, "requests elsewhere", elsewhere.Load(), 0)
}

func TestHeadHasStatusAndNoBody(t *testing.T) {
	url, _ := serve(t, echo)
	response, body := do(t, connect(t, url), "HEAD", "/", nil)
	equal(t, "status", response.StatusCode, 200)
	equal(t, "body", body, "")
}

func TestRawJSONPassesThrough(t *testing.T) {
	url, _ := serve(t, echo)
	var out struct{ Received json.RawMessage }
	err := connect(t, url).Fetch(t.Context(), "POST", "/", json.RawMessage(`{"a":1}`), &out)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "received", string(out.Received), `{"a":1}`)
}

func TestAHandshakeAndAFirstCallShareOneHandshake(t *testing.T) {
	url, _ := serve(t, echo)
	asked, proceed := make(chan struct{}), make(chan struct{})
	var handshakes atomic.Int32
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/handshake") && handshakes.Add(1) == 1 {
			close(asked)
			<-proceed
		}
		return next.RoundTrip(r)
	}))
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- client.Fetch(t.Context(), "GET", "/", nil, nil) }()
	<-asked
	joined := make(chan struct{})
	go func() { second <- client.Handshake(&joinHook{Context: t.Context(), joined: func() { close(joined) }}) }()
	<-joined
	close(proceed)
	if err := errors.Join(<-first, <-second); err != nil {
		t.Error(err)
	}
	equal(t, "handshakes", handshakes.Load(), 1)
}

func TestACallBesideTerminateShakesHandsAnew(t *testing.T) {
	url, _ := serve(t, echo)
	client := connect(t, url)
	terminated := &joinHook{Context: t.Context(), joined: func() {
		for client.SessionID() == "" {
			runtime.Gosched() // The call waits for this handshake.
		}
		if err := client.Terminate(t.Context()); err != nil {
			t.Error(err)
		}
	}}
	if err := client.Fetch(terminated, "POST", "/", 1, nil); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestTheWrongWayToReadAnAnswerIsNamed(t *testing.T) {
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/json":
			reply(w, 1)
		case "/refused":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusPaymentRequired)
			_, _ = io.WriteString(w, `{"price":3}`)
		default: // It would not end before its reader leaves.
			_ = must(must(nen.NewStreamWriter(w)).WriteString("one"))
			<-r.Context().Done()
		}
	}))
	client := connect(t, url)
	err := wantCode(t, client.Fetch(t.Context(), "GET", "/stream", nil, nil), nen.ErrWireInvalidPayloadFormat)
	equal(t, "detail of Fetch", err.Detail, "the endpoint answered with a stream: use Stream or Do")
	_, failure := client.Stream(t.Context(), "GET", "/json", nil)
	err = wantCode(t, failure, nen.ErrStreamMissingNonceHeader)
	equal(t, "detail of Stream", err.Detail, "the endpoint answered with a whole body: use Fetch")

	_, failure = client.Stream(t.Context(), "GET", "/refused", nil)
	wantCode(t, failure, nen.ErrStreamRequestFailed)
	var answered *nen.HTTPError
	if !errors.As(failure, &answered) {
		t.Fatalf("got %v", failure)
	}
	equal(t, "status", answered.StatusCode, http.StatusPaymentRequired)
	equal(t, "sealed", answered.Sealed, true)
	equal(t, "body", string(answered.Body), `{"price":3}`)
}

func TestAnAnswerThatDoesNotFitIsNotQuoted(t *testing.T) {
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reply(w, 31337) }))
	var out int8
	err := connect(t, url).Fetch(t.Context(), "GET", "/", nil, &out)
	var cause *json.UnmarshalTypeError
	if !errors.As(err, &cause) || !strings.HasPrefix(err.Error(), "nen: the answer does not fit") {
		t.Errorf("got %v", err)
	}
	if strings.Contains(err.Error(), "31337") {
		t.Errorf("%q quotes the answer", err)
	}
}

func TestALocationThatIsNoURLIsAnAnswer(t *testing.T) {
	url, _ := serve(t, echo)
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "/api/nen/") {
			return next.RoundTrip(r)
		}
		return &http.Response{StatusCode: 302, Header: http.Header{"Location": {"http://[bad"}}, Body: http.NoBody}, nil
	}))
	var answered *nen.HTTPError
	if err := client.Fetch(t.Context(), "GET", "/", nil, nil); !errors.As(err, &answered) || answered.StatusCode != 302 {
		t.Errorf("got %v", err)
	}
}

func TestAResponseIsSealedForItselfAlone(t *testing.T) {
	url, _ := serve(t, echo)
	client := connect(t, url)
	response, _ := do(t, client, "GET", "/", nil)
	equal(t, "its own", nen.IsSealed(response), true)
	foreign := &http.Response{StatusCode: 200, Request: response.Request.Clone(response.Request.Context())}
	equal(t, "one whose request has the context of another", nen.IsSealed(foreign), false)
	head, _ := do(t, client, "HEAD", "/", nil)
	equal(t, "of HEAD", nen.IsSealed(head), false)
}

func TestTheRequestAndTheResponseTellOfThePlainBody(t *testing.T) {
	url, _ := serve(t, echo)
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "/api/nen/") {
			return next.RoundTrip(r)
		}
		if r.TransferEncoding != nil || r.Trailer != nil || r.ContentLength <= 0 {
			t.Errorf("%v, %v, %d", r.TransferEncoding, r.Trailer, r.ContentLength)
		}
		response, err := next.RoundTrip(r)
		if err == nil {
			response.TransferEncoding, response.Trailer = []string{"chunked"}, http.Header{"X-T": {""}}
			response.Uncompressed = true
		}
		return response, err
	}))
	request := must(client.NewRequest(t.Context(), "POST", "/", 1))
	request.TransferEncoding, request.Trailer = []string{"chunked"}, http.Header{"X-T": {"1"}}
	response := must(client.Do(request))
	defer response.Body.Close()
	if response.TransferEncoding != nil || response.Trailer != nil || response.Uncompressed {
		t.Errorf("%v, %v, %t", response.TransferEncoding, response.Trailer, response.Uncompressed)
	}
}

func TestAClientTellsOfItsSession(t *testing.T) {
	log := &record{}
	logger := nen.WithLogger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	server := must(nen.NewServer(nen.WithLogger(discard())))
	var ahead atomic.Int64
	url := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ahead.Load() > 0 {
			w.Header().Set("Date", time.Now().Add(90*time.Second).UTC().Format(http.TimeFormat))
			if ahead.Add(-1) == 0 {
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, `{"error":{"code":"ISO-3003","message":"late"}}`)
				return
			}
		}
		server.Middleware(echo).ServeHTTP(w, r)
	}), nil)
	client := connect(t, url, logger)
	fetch(t, client, "GET", "/", nil)
	if !strings.Contains(log.String(), `level=DEBUG msg="nen: session established" server=`+url) {
		t.Errorf("got %s", log)
	}
	bare(t, "POST", url+"/api/nen/terminate", http.Header{"X-Nen-Session": {client.SessionID()}})
	fetch(t, client, "GET", "/", nil)
	if !strings.Contains(log.String(), "level=INFO msg=\"nen: the server has lost the session") {
		t.Errorf("got %s", log)
	}
	ahead.Store(1)
	_ = client.Fetch(t.Context(), "GET", "/", nil, nil) // The clock was right, and is wrong now.
	if !strings.Contains(log.String(), "level=INFO msg=\"nen: the clock was wrong") {
		t.Errorf("got %s", log)
	}
	if strings.Contains(log.String(), client.SessionID()) {
		t.Errorf("it names the session: %s", log)
	}
}
