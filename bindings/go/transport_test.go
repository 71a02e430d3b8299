package nen_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	nen "github.com/withnen/nen/bindings/go"
)

func transport(t *testing.T, base http.RoundTripper, url string) *nen.Transport {
	t.Helper()
	transport := must(nen.NewTransport(base, url))
	t.Cleanup(func() { _ = transport.Close() })
	return transport
}

func TestAnHTTPClientOverATransport(t *testing.T) {
	url, _ := serve(t, echo)
	client := &http.Client{Transport: transport(t, nil, url)}
	response := must(client.Post(url+"/a", "text/plain", strings.NewReader(`{"n":1}`)))
	defer response.Body.Close()
	var answer struct {
		Received json.RawMessage
		Type     string
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	equal(t, "received", string(answer.Received)+answer.Type, `{"n":1}application/json`)
	equal(t, "sealed", nen.IsSealed(response), true)

	_, err := client.Post(url, "text/plain", strings.NewReader("not json"))
	wantCode(t, err, nen.ErrCryptoPayloadNotJSON)
}

func TestATransportRefusesOtherServers(t *testing.T) {
	var elsewhere atomic.Int32
	other := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }), nil)
	url, _ := serve(t, echo)
	client := &http.Client{Transport: transport(t, nil, url)}
	for _, foreign := range []string{"https" + strings.TrimPrefix(url, "http"), other, "http://127.0.0.1:1"} {
		body := &closeCount{Reader: strings.NewReader("1")}
		_, err := client.Transport.RoundTrip(must(http.NewRequest("POST", foreign, body)))
		if err == nil || !strings.Contains(err.Error(), "not for the server of this client") {
			t.Errorf("%s: got %v", foreign, err)
		}
		if body.closed.Load() == 0 {
			t.Errorf("%s: the body was not closed", foreign)
		}
	}
	equal(t, "requests elsewhere", elsewhere.Load(), 0)
}

func TestATransportFollowsNoRedirect(t *testing.T) {
	var executed atomic.Int32
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/execute" {
			executed.Add(1)
		}
		reply(w, 1)
	}))
	between := tap(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if r.URL.Path != "/preview" {
			return next.RoundTrip(r)
		}
		r.Body.Close()
		return &http.Response{StatusCode: http.StatusTemporaryRedirect, Header: http.Header{"Location": {"/execute"}}}, nil
	})
	client := &http.Client{Transport: transport(t, between, url)}
	preview := func() (*http.Response, error) {
		return client.Post(url+"/preview", "application/json", strings.NewReader(`{"amount":1}`))
	}
	if _, err := preview(); err == nil || !strings.Contains(err.Error(), "a redirect is not authentic") {
		t.Errorf("got %v", err)
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response := must(preview()) // It came without a Body, as none of net/http's does.
	_ = response.Body.Close()
	equal(t, "status", response.StatusCode, http.StatusTemporaryRedirect)
	equal(t, "sealed", nen.IsSealed(response), false)
	equal(t, "requests that were made of it", executed.Load(), 0)
}

type closeCount struct {
	io.Reader
	closed atomic.Int32
}

func (c *closeCount) Close() error {
	c.closed.Add(1)
	return nil
}

func TestTheCallersRequestIsNotChanged(t *testing.T) {
	url, _ := serve(t, echo)
	body := &closeCount{Reader: strings.NewReader(`{"n":1}`)}
	request := must(http.NewRequest("POST", url, body))
	request.Header.Set("Content-Type", "text/x")
	before := request.Clone(t.Context())
	response := must(transport(t, nil, url).RoundTrip(request))
	_ = must(io.ReadAll(response.Body))
	_ = response.Body.Close()
	if request.Body != io.ReadCloser(body) || request.GetBody != nil || request.ContentLength != before.ContentLength {
		t.Error("its body was changed")
	}
	equal(t, "headers", len(request.Header), 1)
	equal(t, "type", request.Header.Get("Content-Type"), "text/x")
	equal(t, "closed", body.closed.Load(), 1)
	equal(t, "host of the response's request", response.Request.URL.Host, request.URL.Host)
}

func TestABodyThatCannotBeReadIsNotSent(t *testing.T) {
	broken := errors.New("the disk broke")
	var sent atomic.Int32
	base := tap(func(*http.Request, http.RoundTripper) (*http.Response, error) {
		sent.Add(1)
		return nil, errors.New("unexpected")
	})
	body := &closeCount{Reader: io.MultiReader(strings.NewReader("1"), errorReader{broken})}
	_, err := transport(t, base, "http://x").RoundTrip(must(http.NewRequest("POST", "http://x", body)))
	if !errors.Is(err, broken) || sent.Load() != 0 || body.closed.Load() != 1 {
		t.Errorf("got %v, %d sent, %d closed", err, sent.Load(), body.closed.Load())
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

func TestABodyWithoutGetBodyIsSealedAnew(t *testing.T) {
	url, _ := serve(t, echo)
	var lost atomic.Bool
	base := tap(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if !strings.Contains(r.URL.Path, "/api/nen/") && !lost.Swap(true) {
			status, _ := bare(t, "POST", url+"/api/nen/terminate", http.Header{"X-Nen-Session": r.Header["X-Nen-Session"]})
			equal(t, "status", status, 200)
		}
		return next.RoundTrip(r)
	})
	request := must(http.NewRequest("POST", url, io.NopCloser(strings.NewReader(`{"n":1}`))))
	response := must(transport(t, base, url).RoundTrip(request))
	defer response.Body.Close()
	if body := must(io.ReadAll(response.Body)); !bytes.Contains(body, []byte(`{"n":1}`)) {
		t.Errorf("got %s", body)
	}
}

func TestSchemeAndPortMayBeWrittenInSeveralWays(t *testing.T) {
	base := tap(func(r *http.Request, _ http.RoundTripper) (*http.Response, error) { return nil, errors.New(r.URL.Host) })
	for _, url := range []string{"http://EXAMPLE.com/a", "http://example.com:80/a", "HTTP://example.com/a"} {
		_, err := transport(t, base, "http://Example.com").RoundTrip(must(http.NewRequest("GET", url, nil)))
		wantCode(t, err, nen.ErrHandshakeNetwork)
	}
}
