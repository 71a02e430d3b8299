package nen_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	nen "github.com/withnen/nen/bindings/go"
)

func TestOverHTTP2AndTLS(t *testing.T) {
	proceed := make(chan struct{})
	server := httptest.NewUnstartedServer(nen.Middleware(nen.WithLogger(discard()))(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor != 2 {
				t.Errorf("it is %s", r.Proto)
			}
			switch r.URL.Path {
			case "/panic":
				panic(http.ErrBodyNotAllowed)
			case "/stream", "/cut":
				stream := must(nen.NewStreamWriter(w))
				_ = must(stream.WriteString("one"))
				<-proceed
				if r.URL.Path == "/cut" {
					panic(http.ErrAbortHandler)
				}
				_ = must(stream.WriteString("two"))
			default:
				echo(w, r)
			}
		})))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = slogToNowhere()
	server.StartTLS()
	t.Cleanup(server.Close)
	client := connect(t, server.URL, nen.WithHTTPClient(server.Client()))

	equal(t, "received", fetch(t, client, "POST", "/", 7)["received"], any(7.0))
	wantCode(t, client.Fetch(t.Context(), "POST", "/panic", 7, nil), nen.ErrInternal)
	for path, want := range map[string]string{"/stream": "two", "/cut": ""} {
		stream := must(client.Stream(t.Context(), "GET", path, nil))
		equal(t, "first chunk", string(must(io.ReadAll(io.LimitReader(stream, 3)))), "one")
		proceed <- struct{}{}
		rest, err := io.ReadAll(stream)
		equal(t, "rest of "+path, string(rest), want)
		if path == "/cut" {
			wantCode(t, err, nen.ErrStreamTruncated)
		} else if err != nil {
			t.Error(err)
		}
	}
}
