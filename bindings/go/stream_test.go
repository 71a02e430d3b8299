package nen_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	nen "github.com/withnen/nen/bindings/go"
)

// words streams three chunks.
var words = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	stream := must(nen.NewStreamWriter(w))
	for _, word := range []string{"one ", "__FIN__", " three"} {
		_ = must(stream.WriteString(word))
	}
})

func chunksOf(stream *nen.Stream) (chunks []string, err error) {
	for chunk, err := range stream.Chunks() {
		if err != nil {
			return chunks, err
		}
		chunks = append(chunks, string(chunk))
	}
	return chunks, nil
}

func TestAStreamIsReadAsAWholeOrByChunk(t *testing.T) {
	url, _ := serve(t, words)
	client := connect(t, url)
	stream := must(client.Stream(t.Context(), "GET", "/", nil))
	equal(t, "text", string(must(io.ReadAll(stream))), "one __FIN__ three")
	if n, err := stream.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %d, %v", n, err)
	}

	stream = must(client.Stream(t.Context(), "GET", "/", nil))
	equal(t, "text by bytes", string(must(io.ReadAll(iotest.OneByteReader(stream)))), "one __FIN__ three")

	stream = must(client.Stream(t.Context(), "GET", "/", nil))
	equal(t, "part", string(must(io.ReadAll(io.LimitReader(stream, 2)))), "on")
	// A chunk that looks like the end mark travels as two.
	chunks := must(chunksOf(stream))
	equal(t, "rest and chunks", chunks[0]+"|"+strings.Join(chunks[1:], ""), "e |__FIN__ three")
	_ = stream.Close()
	_ = stream.Close()
}

func TestEachChunkIsDeliveredAtOnce(t *testing.T) {
	proceed := make(chan struct{})
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		stream := must(nen.NewStreamWriter(w))
		for range 3 {
			_ = must(stream.Write([]byte("chunk")))
			<-proceed
		}
	}))
	stream := must(connect(t, url).Stream(t.Context(), "POST", "/", 1))
	count := 0
	for chunk, err := range stream.Chunks() {
		equal(t, "chunk", string(chunk)+" "+errText(err), "chunk ")
		proceed <- struct{}{} // The handler goes on only now.
		count++
	}
	equal(t, "chunks", count, 3)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAHandlerStreamsByItsContentType(t *testing.T) {
	flushed, proceed := make(chan struct{}), make(chan struct{})
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "one")
		_, _ = w.Write(nil) // Nothing is no chunk.
		w.(http.Flusher).Flush()
		close(flushed)
		<-proceed
		_, _ = io.WriteString(w, "two")
	}))
	client := connect(t, url)
	response := must(client.Do(must(client.NewRequest(t.Context(), "GET", "/", nil))))
	defer response.Body.Close()
	equal(t, "status", response.StatusCode, http.StatusAccepted)
	equal(t, "type", response.Header.Get("Content-Type"), "application/octet-stream")
	equal(t, "sealed", nen.IsSealed(response), true)
	<-flushed
	equal(t, "chunk", string(must(io.ReadAll(io.LimitReader(response.Body, 3)))), "one")
	close(proceed)
	equal(t, "rest", string(must(io.ReadAll(response.Body))), "two")
}

func TestAStreamThatBreaksOff(t *testing.T) {
	for name, cause := range map[string]any{"panic": "kaboom", "abort": http.ErrAbortHandler} {
		t.Run(name, func(t *testing.T) {
			url, log := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_ = must(must(nen.NewStreamWriter(w)).WriteString("one"))
				panic(cause)
			}))
			stream := must(connect(t, url).Stream(t.Context(), "GET", "/", nil))
			chunks, err := chunksOf(stream)
			equal(t, "chunks", strings.Join(chunks, "|"), "one")
			wantCode(t, err, nen.ErrStreamTruncated)
			_, again := stream.Read(make([]byte, 1))
			wantCode(t, again, nen.ErrStreamTruncated)
			equal(t, "logged", strings.Contains(log.String(), "kaboom"), name == "panic")
		})
	}
}

func TestOnlyAProtectedAnswerCanBeStreamed(t *testing.T) {
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/open":
			if _, err := nen.NewStreamWriter(w); err == nil {
				t.Error("it would stream plaintext")
			}
		case "/api/late":
			_, _ = io.WriteString(w, "{}")
			if _, err := nen.NewStreamWriter(w); err == nil {
				t.Error("it would stream what was begun as a whole")
			}
		case "/api/wrapped":
			_ = must(must(nen.NewStreamWriter(wrapper{wrapper{w}})).WriteString("through"))
		}
	}), nen.WithProtect("/api/*"))
	bare(t, "GET", url+"/open", nil)
	client := connect(t, url)
	_, body := do(t, client, "GET", "/api/late", nil)
	equal(t, "late", body, "{}")
	_, body = do(t, client, "GET", "/api/wrapped", nil)
	equal(t, "wrapped", body, "through")
}

type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestLeavingAStreamEndsItsRequest(t *testing.T) {
	for _, how := range []string{"close", "cancel"} {
		t.Run(how, func(t *testing.T) {
			gone := make(chan struct{})
			url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = must(must(nen.NewStreamWriter(w)).WriteString("one"))
				<-r.Context().Done()
				close(gone)
			}))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stream := must(connect(t, url).Stream(ctx, "GET", "/", nil))
			equal(t, "chunk", string(must(io.ReadAll(io.LimitReader(stream, 3)))), "one")
			want := nen.ErrClosed
			if how == "close" {
				_ = stream.Close()
			} else {
				cancel()
				want = context.Canceled
			}
			if _, err := stream.Read(make([]byte, 1)); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
			<-gone
		})
	}
}

func TestAChunkMayBeLimited(t *testing.T) {
	url, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = must(must(nen.NewStreamWriter(w)).Write(make([]byte, 10_000)))
	}))
	stream := must(connect(t, url, nen.WithMaxChunk(100)).Stream(t.Context(), "GET", "/", nil))
	_, err := io.ReadAll(stream)
	wantCode(t, err, nen.ErrWireInvalidPayloadFormat)
	stream = must(connect(t, url).Stream(t.Context(), "GET", "/", nil))
	equal(t, "bytes", len(must(io.ReadAll(stream))), 10_000)
}

// What lies on the wire do to a client.
func TestLies(t *testing.T) {
	frames := func(body []byte) [][]byte { return bytes.SplitAfter(body, []byte("\n\n")) }
	join := func(frames ...[]byte) []byte { return bytes.Join(frames, nil) }
	for name, lie := range map[string]struct {
		tell func(*http.Response, []byte) []byte
		code nen.Code
	}{
		"truncated": {func(_ *http.Response, b []byte) []byte { f := frames(b); return join(f[:2]...) }, nen.ErrStreamTruncated},
		"empty":     {func(*http.Response, []byte) []byte { return nil }, nen.ErrStreamTruncated},
		"no nonce": {func(r *http.Response, b []byte) []byte {
			r.Header.Del("X-Nen-Stream-Nonce")
			return b
		}, nen.ErrStreamMissingNonceHeader},
		"two nonces": {func(r *http.Response, b []byte) []byte {
			r.Header.Add("X-Nen-Stream-Nonce", r.Header.Get("X-Nen-Stream-Nonce"))
			return b
		}, nen.ErrStreamMissingNonceHeader},
		"reflected nonce": {func(r *http.Response, b []byte) []byte {
			r.Header.Set("X-Nen-Stream-Nonce", r.Request.Header.Get("X-Nen-Nonce"))
			return b
		}, nen.ErrReplayNonceReused},
		"reordered": {func(_ *http.Response, b []byte) []byte {
			f := frames(b)
			f[0], f[1] = f[1], f[0]
			return join(f...)
		}, nen.ErrCryptoDecryptFailed},
		"repeated": {func(_ *http.Response, b []byte) []byte { f := frames(b); return join(f[0], b) }, nen.ErrCryptoDecryptFailed},
		"dropped":  {func(_ *http.Response, b []byte) []byte { return join(frames(b)[1:]...) }, nen.ErrCryptoDecryptFailed},
		"no base64": {func(_ *http.Response, b []byte) []byte {
			return bytes.Replace(b, []byte("data: "), []byte("data: *"), 1)
		}, nen.ErrWireDecodeFailed},
		"plaintext": {func(*http.Response, []byte) []byte { return []byte("data: one\n\n") }, nen.ErrWireDecodeFailed},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := serve(t, words)
			client := connect(t, url, lying(lie.tell))
			for what, read := range map[string]func() error{
				"stream": func() error {
					stream, err := client.Stream(t.Context(), "GET", "/", nil)
					if err == nil {
						_, err = io.ReadAll(stream)
					}
					return err
				},
				"do": func() error {
					response, err := client.Do(must(client.NewRequest(t.Context(), "GET", "/", nil)))
					if err == nil {
						_, err = io.ReadAll(response.Body)
					}
					return err
				},
			} {
				if err := read(); !errors.Is(err, lie.code) {
					t.Errorf("%s: got %v, want %v", what, err, lie.code)
				}
			}
		})
	}
}

func TestLiesOnWholeAnswers(t *testing.T) {
	for name, lie := range map[string]struct {
		tell func(*http.Response, []byte) []byte
		code nen.Code
	}{
		"tampered": {func(_ *http.Response, b []byte) []byte {
			at := bytes.Index(b, []byte(`"ct":"`)) + 8
			if b[at]++; b[at] == 'Z'+1 || b[at] == 'z'+1 || b[at] == '9'+1 || b[at] == '+'+1 {
				b[at] = 'A'
			}
			return b
		}, nen.ErrCryptoDecryptFailed},
		"plaintext": {func(*http.Response, []byte) []byte { return []byte(`{"received":1}`) }, nen.ErrWireInvalidPayloadFormat},
		"empty":     {func(*http.Response, []byte) []byte { return nil }, nen.ErrWireInvalidPayloadFormat},
		"html":      {func(*http.Response, []byte) []byte { return []byte("<h1>") }, nen.ErrWireInvalidPayloadFormat},
		"refused": {func(r *http.Response, _ []byte) []byte {
			r.StatusCode = 409
			return []byte(`{"error":{"code":"ISO-5001","message":"no"}}`)
		}, nen.ErrReplayNonceReused},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := serve(t, echo)
			client := connect(t, url, lying(lie.tell))
			wantCode(t, client.Fetch(t.Context(), "POST", "/", 1, nil), lie.code)
			_, err := client.Do(must(client.NewRequest(t.Context(), "POST", "/", 1)))
			wantCode(t, err, lie.code)
		})
	}
}

// lying changes the answers to protected requests.
func lying(tell func(*http.Response, []byte) []byte) nen.ClientOption {
	return tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err != nil || strings.Contains(r.URL.Path, "/api/nen/") {
			return response, err
		}
		body := must(io.ReadAll(response.Body))
		response.Body.Close()
		response.Body = io.NopCloser(bytes.NewReader(tell(response, body)))
		return response, nil
	})
}
