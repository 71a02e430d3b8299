package nen_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	nen "github.com/withnen/nen/bindings/go"
)

func TestServerOptionsThatCannotBe(t *testing.T) {
	for name, option := range map[string]nen.ServerOption{
		"prefix": nen.WithPrefix(""), "prefix of slash": nen.WithPrefix("/"), "no pattern": nen.WithProtect(),
		"pattern without slash": nen.WithProtect("api/*"), "no function": nen.WithProtectFunc(nil),
		"external prefix": nen.WithExternalPrefix("v1"), "external control": nen.WithExternalPrefix("/v\n"),
		"external space": nen.WithExternalPrefix("/a b"), "external letter": nen.WithExternalPrefix("/é"),
		"external query": nen.WithExternalPrefix("/a?b"), "prefix with a fragment": nen.WithPrefix("/a#b"),
		"no memory": nen.WithStore((*nen.MemoryStore)(nil)),
		"ttl":       nen.WithSessionTTL(time.Microsecond), "window": nen.WithWindow(0), "body": nen.WithMaxBody(0),
		"answer": nen.WithMaxAnswer(-1), "store": nen.WithStore(nil), "timeout": nen.WithStoreTimeout(0),
		"logger": nen.WithLogger(nil), "nothing": nil,
		"identities": nen.WithAllowedIdentities(), "key": nen.WithAllowedIdentities([]byte("no key")),
	} {
		if _, err := nen.NewServer(option); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Middleware did not panic")
		}
	}()
	nen.Middleware(nen.WithProtect())
}

func TestWhatIsProtected(t *testing.T) {
	api := nen.WithProtect("/api/*", "*.secret", "/a*b*c")
	cases := []struct {
		target    string
		protected bool
	}{
		{"/api", true}, {"/api/", true}, {"/api/x", true}, {"/api/x/y?z", true}, {"/apix", false}, {"/x/api", false},
		{"/", false}, {"/plain", false}, {"/plain/", false}, {"/a/b/c", true}, {"/a/c", false}, {"/x.secret", true},
		{"/x.secret/", true},
		// Other spellings of the same.
		{"/%61pi/x", true}, {"/api%2Fx", true}, {"//api/x", true}, {"/api//x", true}, {"/./api/x", true},
		{"/plain/../api/x", true}, {"/plain/%2e%2e/api/x", true}, {"/plain/..%2fapi/x", true}, {"/api/../plain", true},
		{"/plain/%0a", true}, {"/plain/%00", true}, {"/plain/%ff", true},
		{"/too", true}, {"/by/function", true},
	}
	reached := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := w.(http.Hijacker); !ok {
			t.Errorf("%s: the writer is not net/http's own", r.RequestURI)
		}
		_, _ = io.WriteString(w, "plain")
	})
	byFunction := nen.WithProtectFunc(func(path string) bool { return path == "/by/function" })
	url, _ := serve(t, reached, api, nen.WithProtect("/too"), byFunction)
	for _, c := range cases {
		status, code := rawGet(t, url, c.target)
		if protected := status == 401 && code == "ISO-2003"; protected != c.protected || !protected && status != 200 {
			t.Errorf("%s: got %d %s, protected is %t", c.target, status, code, c.protected)
		}
	}
}

func TestTheFunctionIsAskedAboutEverySpelling(t *testing.T) {
	url, _ := serve(t, http.NotFoundHandler(), nen.WithProtectFunc(func(path string) bool { return path == "/private" }))
	for target, want := range map[string]int{
		"/private": 401, "/private/": 401, "/pri%76ate": 401, "//private": 401, "/x/../private": 401, "/public": 404,
	} {
		status, _ := rawGet(t, url, target)
		equal(t, target, status, want)
	}
}

// rawGet sends a request line as it is, which clients would tidy up.
func rawGet(t *testing.T, url, target string) (int, string) {
	t.Helper()
	connection := must(net.Dial("tcp", strings.TrimPrefix(url, "http://")))
	defer connection.Close()
	_, _ = io.WriteString(connection, "GET "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	response := must(http.ReadResponse(bufio.NewReader(connection), nil))
	defer response.Body.Close()
	var refusal struct{ Error struct{ Code string } }
	_ = json.NewDecoder(response.Body).Decode(&refusal) // Other answers are not JSON.
	return response.StatusCode, refusal.Error.Code
}

func TestATargetMayNameTheServer(t *testing.T) {
	server := must(nen.NewServer(nen.WithLogger(discard())))
	mounted := http.StripPrefix("/mount", server.Middleware(echo))
	url := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RequestURI = "http://example.com" + r.RequestURI // As a proxy gets it, and some pass it on.
		mounted.ServeHTTP(w, r)
	}), nil)
	equal(t, "path", fetch(t, connect(t, url+"/mount"), "POST", "/a%2Fb?q", 1)["path"], any("/a/b"))
}

func TestTheSignedPathIsTheOneOnTheWire(t *testing.T) {
	server := must(nen.NewServer(nen.WithLogger(discard()), nen.WithExternalPrefix("/edge/")))
	// The proxy takes /edge away, then a mount point is stripped.
	mounted := http.StripPrefix("/mount", server.Middleware(echo))
	url := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/edge")
		r.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, "/edge")
		r.RequestURI = strings.TrimPrefix(r.RequestURI, "/edge")
		mounted.ServeHTTP(w, r)
	}), nil)
	client := connect(t, url+"/edge/mount")
	for target, path := range map[string]string{
		"/a%2Fb": "/a/b", "/%7Ea": "/~a", "/caf%c3%a9": "/café", "/a//b": "/a//b", "/a;b=(c)!'*": "/a;b=(c)!'*", "/": "/",
	} {
		equal(t, target, fetch(t, client, "POST", target, 1)["path"], any(path))
	}
}

func TestAnotherPrefix(t *testing.T) {
	url, _ := serve(t, echo, nen.WithPrefix("/keys"))
	fetch(t, connect(t, url, nen.WithPrefix("/keys")), "GET", "/", nil)
	status, _ := bare(t, "GET", url+"/keys/other", nil)
	equal(t, "unknown endpoint", status, 404)
	wantCode(t, connect(t, url).Handshake(t.Context()), nen.ErrSessionHeaderMissing)
}

func TestHowAnswersTravel(t *testing.T) {
	type answer struct {
		mediaType string
		status    int
		body      string
	}
	for name, c := range map[string]struct {
		answer
		want     string
		wantCode int
	}{
		"json":                  {answer{"application/json", 200, `{"a":1}`}, `{"a":1}`, 200},
		"json with parameters":  {answer{"application/json; charset=utf-8", 201, `1`}, `1`, 201},
		"json by suffix":        {answer{"application/hal+json", 404, `[]`}, `[]`, 404},
		"json error":            {answer{"application/json", 503, `{}`}, `{}`, 503},
		"nothing":               {answer{"", 200, ""}, "null", 200},
		"no content":            {answer{"", 204, ""}, "null", 200},
		"reset content":         {answer{"", 205, ""}, "null", 200},
		"guessed json":          {answer{"", 200, `{"a":1}`}, `{"a":1}`, 200},
		"guessed text":          {answer{"", 200, "hello\n"}, `"hello\n"`, 200},
		"guessed text of a 404": {answer{"", 404, "gone"}, `"gone"`, 404},
		"text of a 404":         {answer{"text/plain", 404, "gone"}, `"gone"`, 404},
		"redirect":              {answer{"text/html", 302, "<a>"}, `"\u003ca\u003e"`, 302},
		"stream":                {answer{"text/plain", 200, "hello"}, "hello", 200},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.mediaType != "" {
					w.Header().Set("Content-Type", c.mediaType)
				}
				w.WriteHeader(c.status)
				w.WriteHeader(599) // Too late, as in net/http.
				_, _ = io.WriteString(w, c.body)
			}))
			response, body := do(t, connect(t, url), "GET", "/", nil)
			equal(t, "status", response.StatusCode, c.wantCode)
			if c.status != 302 {
				equal(t, "body", body, c.want)
			} else if body != c.want && body != `"<a>"` {
				t.Errorf("got %s", body)
			}
			equal(t, "sealed", nen.IsSealed(response), true)
		})
	}
}

func TestAnswersThatCannotBeSealed(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"not modified":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) },
		"text of a 500":       func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret", 500) },
		"guessed text of 500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); _, _ = io.WriteString(w, "secret") },
		"compressed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, "secret")
		},
		"compressed, without a type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "secret")
		},
		"switching protocols": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(101) },
		"panic":               func(http.ResponseWriter, *http.Request) { panic("secret") },
		"panic after a part": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Secret", "secret")
			_, _ = io.WriteString(w, "secret")
			panic("secret")
		},
		"too long": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("secret", 1000))
			if _, err := w.Write([]byte("secret")); err == nil {
				panic("more was taken")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			url, log := serve(t, answer, nen.WithMaxAnswer(4000))
			var raw string
			client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
				response, err := next.RoundTrip(r)
				if err == nil && !strings.Contains(r.URL.Path, "/api/nen/") {
					body := must(io.ReadAll(response.Body))
					response.Body.Close()
					raw = string(body) + response.Header.Get("X-Secret")
					response.Body = io.NopCloser(bytes.NewReader(body))
				}
				return response, err
			}))
			wantCode(t, client.Fetch(t.Context(), "POST", "/", 1, nil), nen.ErrInternal)
			if strings.Contains(raw, "secret") {
				t.Errorf("the client sees the cause: %s", raw)
			}
			if !strings.Contains(log.String(), "code=ISO-9000") {
				t.Errorf("the log does not tell: %s", log)
			}
		})
	}
}

func TestAPanicIsLoggedAsNetHTTPDoesIt(t *testing.T) {
	url, log := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("kaboom") }))
	wantCode(t, connect(t, url).Fetch(t.Context(), "GET", "/", nil, nil), nen.ErrInternal)
	for _, part := range []string{"panic serving", "kaboom", "TestAPanicIsLogged"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log lacks %q", part)
		}
	}
}

func TestAnAbortedHandlerIsNotAnswered(t *testing.T) {
	url, log := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	err := connect(t, url).Fetch(t.Context(), "POST", "/", 1, nil)
	if err == nil || errors.Is(err, nen.ErrInternal) {
		t.Errorf("got %v", err)
	}
	if strings.Contains(log.String(), "panic") {
		t.Errorf("it was logged: %s", log)
	}
}

func TestHeadHasTheHeadersOfGet(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"written": func(w http.ResponseWriter, _ *http.Request) { reply(w, strings.Repeat("x", 97)) },
		"nothing": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") },
		"announced": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "100")
			if r.Method == "GET" {
				reply(w, strings.Repeat("x", 97))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			lengths := map[string]string{}
			url, _ := serve(t, handler)
			client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
				response, err := next.RoundTrip(r)
				if err == nil {
					lengths[r.Method] = response.Header.Get("Content-Length")
				}
				return response, err
			}))
			do(t, client, "GET", "/", nil)
			do(t, client, "HEAD", "/", nil)
			equal(t, "length", lengths["HEAD"], lengths["GET"])
		})
	}
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		stream := must(nen.NewStreamWriter(w))
		if _, err := stream.WriteString("chunk"); err != nil {
			t.Errorf("a chunk that HEAD leaves out: %v", err)
		}
	}))
	response, body := do(t, connect(t, url), "HEAD", "/", nil)
	equal(t, "stream", strconv.Itoa(response.StatusCode)+body, "200")
}

func TestHeadersThatDoNotFitStayAway(t *testing.T) {
	var seen http.Header
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header
		w.Header().Set("Cache-Control", "public")
		w.Header().Set("X-Nen-Stream-Nonce", "AAAA")
		w.Header().Set("Trailer", "X-Late")
		reply(w, 1)
		w.Header().Set("X-Late", "1")
		w.Header().Set(http.TrailerPrefix+"X-Later", "1")
	}))
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err == nil && !strings.Contains(r.URL.Path, "/api/nen/") {
			equal(t, "caching", response.Header.Get("Cache-Control"), "no-store")
			for _, name := range []string{"X-Nen-Stream-Nonce", "X-Late", "Trailer:X-Later"} {
				equal(t, name, response.Header.Get(name), "")
			}
		}
		return response, err
	}))
	request := must(client.NewRequest(t.Context(), "POST", "/", 1))
	for _, name := range []string{"Range", "If-None-Match", "Accept-Encoding", "Upgrade"} {
		request.Header.Set(name, "bytes=0-1")
	}
	request.Header.Set("Connection", "X-Own")
	request.Header.Set("X-Own", "1")
	must(client.Do(request)).Body.Close()
	hidden := []string{
		"Range", "If-None-Match", "Accept-Encoding", "Upgrade", "Connection",
		"X-Nen-Session", "X-Nen-Timestamp", "X-Nen-Nonce", "X-Nen-Signature",
	}
	for _, name := range hidden {
		equal(t, name, seen.Get(name), "")
	}
	equal(t, "own", seen.Get("X-Own"), "1")
}

func TestTheWriterGivesNoWayAroundTheSeal(t *testing.T) {
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		control := http.NewResponseController(w)
		_, _, err := control.Hijack()
		_, unwraps := w.(interface{ Unwrap() http.ResponseWriter })
		_, readsFrom := w.(io.ReaderFrom)
		w.WriteHeader(http.StatusEarlyHints) // It does not travel, and is not the answer.
		reply(w, map[string]bool{
			"hijack": err == nil, "unwrap": unwraps, "readFrom": readsFrom, "flush": control.Flush() == nil,
		})
	}))
	answer := fetch(t, connect(t, url), "GET", "/", nil)
	for what, want := range map[string]bool{"hijack": false, "unwrap": false, "readFrom": false, "flush": true} {
		equal(t, what, answer[what], any(want))
	}
}

func TestWebSocketsAreRefusedWhereTheyWouldNotBeSealed(t *testing.T) {
	url, log := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), nen.WithProtect("/api/*"))
	header := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"WebSocket"}}
	status, _ := bare(t, "GET", url+"/api/socket", header)
	equal(t, "protected", status, http.StatusForbidden)
	status, _ = bare(t, "GET", url+"/socket", header)
	equal(t, "not protected", status, http.StatusOK)
	if !strings.Contains(log.String(), "WebSocket refused") {
		t.Error("the log does not tell")
	}
}

func TestALongBodyIsNotRead(t *testing.T) {
	url, _ := serve(t, echo, nen.WithMaxBody(1000))
	client := connect(t, url)
	fetch(t, client, "POST", "/", strings.Repeat("x", 600))
	err := client.Fetch(t.Context(), "POST", "/", strings.Repeat("x", 1000), nil)
	wantCode(t, err, nen.ErrWireInvalidPayloadFormat)

	chunked := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		r.ContentLength, r.GetBody = -1, nil
		return next.RoundTrip(r)
	}))
	err = chunked.Fetch(t.Context(), "POST", "/", strings.Repeat("x", 1000), nil)
	wantCode(t, err, nen.ErrWireInvalidPayloadFormat)

	for _, length := range []int64{20_000, -1} {
		request := must(http.NewRequest("POST", url+"/api/nen/handshake", bytes.NewReader(make([]byte, 20_000))))
		request.ContentLength = length
		response := must(http.DefaultClient.Do(request))
		response.Body.Close()
		equal(t, "handshake", response.StatusCode, 400)
	}
}

func TestAStrangerCannotMakeTheServerReadABody(t *testing.T) {
	server := must(nen.NewServer(nen.WithLogger(discard())))
	request := httptest.NewRequest("POST", "/", unreadable{t})
	recorder := httptest.NewRecorder()
	server.Middleware(echo).ServeHTTP(recorder, request)
	equal(t, "status", recorder.Code, 401)
}

type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestEveryHeaderCountsOnce(t *testing.T) {
	for _, name := range []string{"X-Nen-Session", "X-Nen-Timestamp", "X-Nen-Nonce", "X-Nen-Signature"} {
		url, _ := serve(t, echo)
		client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if !strings.Contains(r.URL.Path, "/api/nen/") {
				r.Header[name] = append(r.Header[name], r.Header[name][0])
			}
			return next.RoundTrip(r)
		}))
		var known *nen.Error
		if err := client.Fetch(t.Context(), "GET", "/", nil, nil); !errors.As(err, &known) || known.HTTPStatus() != 401 {
			t.Errorf("%s twice: got %v", name, err)
		}
	}
}

func TestUnsignedRequests(t *testing.T) {
	unsigned := tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if !strings.Contains(r.URL.Path, "/handshake") {
			r.Header.Del("X-Nen-Signature")
		}
		return next.RoundTrip(r)
	})
	strict, _ := serve(t, echo, nen.WithSignedLifecycle())
	client := connect(t, strict, unsigned)
	wantCode(t, client.Fetch(t.Context(), "GET", "/", nil, nil), nen.ErrAuthSignatureMissing)
	_, err := client.Status(t.Context())
	wantCode(t, err, nen.ErrAuthSignatureMissing)

	lax, _ := serve(t, echo, nen.WithUnsignedRequests())
	fetch(t, connect(t, lax, unsigned), "POST", "/", 1)
}

func TestARequestCannotBeSentTwice(t *testing.T) {
	url, _ := serve(t, echo)
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "/api/nen/") {
			return next.RoundTrip(r)
		}
		again := r.Clone(r.Context())
		again.Body = must(r.GetBody())
		first, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		first.Body.Close()
		return next.RoundTrip(again)
	}))
	wantCode(t, client.Fetch(t.Context(), "POST", "/", 1, nil), nen.ErrReplayNonceReused)
}

func TestSessionsEnd(t *testing.T) {
	url, _ := serve(t, echo, nen.WithSessionTTL(time.Millisecond))
	client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if !strings.Contains(r.URL.Path, "/api/nen/") {
			time.Sleep(2 * time.Millisecond) // Longer than a session lives.
		}
		return next.RoundTrip(r)
	}))
	wantCode(t, client.Fetch(t.Context(), "GET", "/", nil, nil), nen.ErrSessionInvalidOrExpired)
}

func TestTheHandlerLearnsThatTheClientHasGone(t *testing.T) {
	begun, gone := make(chan struct{}), make(chan struct{})
	url, _ := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		close(gone)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	client := connect(t, url)
	go func() { result <- client.Fetch(ctx, "POST", "/", 1, nil) }()
	<-begun
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-gone
}

func TestNothingSecretIsLogged(t *testing.T) {
	url, log := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	header := http.Header{"X-Nen-Session": {"forged"}, "X-Nen-Signature": {"c2lnbmF0dXJl"}}
	bare(t, "GET", url+"/%0alevel=ERROR/"+strings.Repeat("x", 1000), header)
	text := log.String()
	if !strings.Contains(text, "code=ISO-2002") || !strings.Contains(text, "hint=") {
		t.Errorf("the log does not tell: %s", text)
	}
	if strings.Contains(text, "c2lnbmF0dXJl") || strings.Contains(text, "forged") || len(text) > 2000 || strings.Count(text, "\n") != 1 {
		t.Errorf("a request fills or forges the log: %s", text)
	}
}

func TestAClosedServerAnswersWithAnError(t *testing.T) {
	server := must(nen.NewServer(nen.WithLogger(discard())))
	url := start(t, server.Middleware(echo), nil)
	client := connect(t, url)
	fetch(t, client, "GET", "/", nil)
	_ = server.Close()
	wantCode(t, client.Fetch(t.Context(), "GET", "/", nil, nil), nen.ErrInternal)
}

func TestThePeerIsKnownOnlyOnProtectedPaths(t *testing.T) {
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := nen.PeerFromContext(r.Context()); ok {
			w.WriteHeader(500)
		}
	}), nen.WithProtect("/api/*"))
	status, _ := bare(t, "GET", url+"/", nil)
	equal(t, "status", status, 200)
}
