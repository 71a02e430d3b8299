// Client is the Go client among the interop peers: client BASE_URL. It prints a line for each step and ends with 0 if all
// passed.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	nen "github.com/withnen/nen/bindings/go"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: client BASE_URL")
		os.Exit(2)
	}
	run, err := newRun(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	run.honest()
	run.faults()
	fmt.Printf("%d passed, %d failed\n", run.passed, run.failed)
	if run.failed > 0 {
		os.Exit(1)
	}
}

type object = map[string]any

var secret = object{"secret": "Only the endpoint that needs this can read it", "n": []any{1.0, 2.5, nil, "ü"}}

func echo(received any) any {
	return object{"message": "Securely processed", "received": received}
}

// A run is the steps against one server.
type run struct {
	base           string
	client         *nen.Client
	network        *network
	passed, failed int
}

func newRun(base string) (*run, error) {
	network := &network{}
	client, err := nen.NewClient(base, nen.WithHTTPClient(&http.Client{Transport: network}))
	return &run{base: base, client: client, network: network}, err
}

func (r *run) step(name string, steps func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := steps(ctx); err != nil {
		r.failed++
		fmt.Printf("not ok %s: %s\n", name, strings.Join(strings.Fields(err.Error()), " "))
		return
	}
	r.passed++
	fmt.Printf("ok %s\n", name)
}

func (r *run) honest() {
	r.step("handshake", func(ctx context.Context) error {
		if err := r.client.Handshake(ctx); err != nil {
			return err
		}
		live, err := r.client.Status(ctx)
		return first(err, equal(live, true), equal(r.network.log(), []string{"200 /api/nen/handshake", "200 /api/nen/status"}))
	})
	for _, method := range []string{"POST", "GET", "PUT", "PATCH", "DELETE"} {
		r.step(strings.ToLower(method), func(ctx context.Context) error {
			var body any
			if method != "GET" {
				body = object{"method": method, "secret": secret}
			}
			return r.fetch(ctx, method, "/api/secure-data", body, echo(body))
		})
	}
	r.step("head", r.head)
	r.step("path", func(ctx context.Context) error {
		return r.fetch(ctx, "GET", "/api/notes/caf%C3%A9%20au%20lait", nil, object{"id": "café au lait"})
	})
	r.step("created", r.created)
	r.step("boom", func(ctx context.Context) error {
		err := r.client.Fetch(ctx, "POST", "/api/boom", object{}, nil)
		if strings.Contains(fmt.Sprint(err), "kaboom") {
			return errors.New("the answer tells the cause")
		}
		return wants(err, nen.ErrInternal)
	})
	r.step("stream-post", r.streamPost)
	r.step("stream-get", func(ctx context.Context) error {
		chunks, err := r.stream(ctx, "GET", "/api/chat", nil)
		return first(err, equal(chunks, []string{"secure ", "streaming ", "works "}))
	})
	r.step("identity", r.identity)
	r.step("rotate", r.rotate)
	r.step("recover", r.recover)
	r.step("terminate", r.terminate)
}

func (r *run) head(ctx context.Context) error {
	request, err := r.client.NewRequest(ctx, "HEAD", "/api/secure-data", nil)
	if err != nil {
		return err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return err
	}
	return first(equal(response.StatusCode, http.StatusOK), response.Body.Close())
}

func (r *run) created(ctx context.Context) error {
	request, err := r.client.NewRequest(ctx, "POST", "/api/created", secret)
	if err != nil {
		return err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer any
	err = json.NewDecoder(response.Body).Decode(&answer)
	return first(err, equal(response.StatusCode, http.StatusCreated), equal[any](answer, object{"created": secret}))
}

func (r *run) streamPost(ctx context.Context) error {
	const delay = 200 * time.Millisecond
	wish := object{"prompt": "one two three", "delayMs": delay.Milliseconds()}
	stream, err := r.client.Stream(ctx, "POST", "/api/chat", wish)
	if err != nil {
		return err
	}
	defer stream.Close()
	var chunks []string
	var last time.Time
	for chunk, err := range stream.Chunks() {
		if err != nil {
			return err
		}
		// A chunk that was held back until the next one, or the end, comes together with it.
		if time.Since(last) <= delay/2 {
			return fmt.Errorf("%q was not delivered before the server went on", chunk)
		}
		last = time.Now()
		chunks = append(chunks, string(chunk))
	}
	exact, err := r.stream(ctx, "POST", "/api/chat", object{"prompt": "a __FIN__ b", "exact": true})
	return first(err, equal(chunks, []string{"one ", "two ", "three "}), equal(strings.Join(exact, ""), "a__FIN__b"))
}

func (r *run) identity(ctx context.Context) error {
	identity, err := nen.GenerateIdentity()
	if err != nil {
		return err
	}
	known, err := nen.NewClient(r.base, nen.WithIdentity(identity))
	if err != nil {
		return err
	}
	defer known.Close()
	key, err := identity.PublicKey()
	if err != nil {
		return err
	}
	var answer any
	if err := known.Fetch(ctx, "POST", "/api/whoami", object{}, &answer); err != nil {
		return err
	}
	return first(
		equal[any](answer, object{"identity": base64.StdEncoding.EncodeToString(key)}),
		r.fetch(ctx, "POST", "/api/whoami", object{}, object{"identity": nil}),
		known.Terminate(ctx),
	)
}

func (r *run) rotate(ctx context.Context) error {
	old := r.client.SessionID()
	_, before, err := r.bare(ctx, "GET", "/api/secure-data", old)
	if err != nil {
		return err
	}
	if err := r.client.Rotate(ctx); err != nil {
		return err
	}
	_, after, err := r.bare(ctx, "GET", "/api/secure-data", old)
	r.network.forget()
	return first(
		err,
		equal(code(before), "ISO-3005"), // alive: only the nonce is missing
		equal(code(after), "ISO-2002"),
		equal(r.client.SessionID() != old, true),
		r.fetch(ctx, "POST", "/api/secure-data", secret, echo(secret)),
		equal(r.network.log(), []string{"200 /api/secure-data"}), // under the new session, without another one
	)
}

func (r *run) recover(ctx context.Context) error {
	for _, calls := range []int{1, 16} {
		if status, _, err := r.bare(ctx, "POST", "/api/nen/terminate", r.client.SessionID()); err != nil || status != 200 {
			return fmt.Errorf("terminate: %d %w", status, err)
		}
		r.network.forget()
		// Each call is under way when the session is found dead.
		r.network.hold(calls)
		results := make(chan error, calls)
		for i := range calls {
			go func() { results <- r.fetch(ctx, "POST", "/api/secure-data", float64(i), echo(float64(i))) }()
		}
		for range calls {
			if err := <-results; err != nil {
				return err
			}
		}
		want := slices.Concat(
			slices.Repeat([]string{"200 /api/nen/handshake"}, 1),
			slices.Repeat([]string{"200 /api/secure-data"}, calls),
			slices.Repeat([]string{"401 /api/secure-data"}, calls),
		)
		if err := equal(slices.Sorted(slices.Values(r.network.log())), want); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) terminate(ctx context.Context) error {
	sid := r.client.SessionID()
	live, err := r.client.Status(ctx)
	if err != nil {
		return err
	}
	_, before, err := r.bare(ctx, "GET", "/api/nen/status", sid)
	if err != nil {
		return err
	}
	if err := r.client.Terminate(ctx); err != nil {
		return err
	}
	still, err := r.client.Status(ctx)
	if err != nil {
		return err
	}
	status, after, err := r.bare(ctx, "GET", "/api/nen/status", sid)
	return first(
		err,
		equal(live, true), equal(before, object{"valid": true}),
		equal(still, false), equal(status, http.StatusUnauthorized), equal(after, object{"valid": false}),
	)
}

// The lies of the fault server: what each must give, and for a stream the chunks before it.
var lies = []struct {
	name   string
	code   nen.Code
	stream bool
	chunks []string
}{
	{name: "tampered", code: nen.ErrCryptoDecryptFailed},
	{name: "plaintext", code: nen.ErrWireInvalidPayloadFormat},
	{name: "reflected", code: nen.ErrReplayNonceReused},
	{name: "truncated", code: nen.ErrStreamTruncated, stream: true, chunks: []string{"one ", "two ", "three ", "four "}},
	{name: "no-stream-nonce", code: nen.ErrStreamMissingNonceHeader, stream: true},
	{name: "reordered", code: nen.ErrCryptoDecryptFailed, stream: true, chunks: []string{"one "}},
}

func (r *run) faults() {
	response, err := http.Get(r.base + "/api/faults")
	if err != nil {
		r.step("faults", func(context.Context) error { return err })
		return
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return
	}
	for _, lie := range lies {
		r.step("fault-"+lie.name, func(ctx context.Context) error {
			if err := r.client.Handshake(ctx); err != nil {
				return err
			}
			path := "/api/faults/" + lie.name
			r.network.forget()
			var chunks []string
			var err error
			if lie.stream {
				chunks, err = r.stream(ctx, "POST", path, secret)
			} else {
				err = r.client.Fetch(ctx, "POST", path, secret, nil)
			}
			return first(wants(err, lie.code), equal(chunks, lie.chunks), equal(r.network.log(), []string{"200 " + path}))
		})
	}
	r.step("fault-stale-clock", func(ctx context.Context) error {
		const path = "/api/faults/stale-clock"
		r.network.forget()
		return first(
			r.fetch(ctx, "POST", path, secret, echo(secret)),
			equal(r.network.log(), []string{"401 " + path, "200 " + path}),
		)
	})
}

// fetch sends a request and compares the answer.
func (r *run) fetch(ctx context.Context, method, path string, body, want any) error {
	var answer any
	if err := r.client.Fetch(ctx, method, path, body, &answer); err != nil {
		return err
	}
	return equal(answer, want)
}

// stream reads a stream to its end.
func (r *run) stream(ctx context.Context, method, path string, body any) (chunks []string, err error) {
	stream, err := r.client.Stream(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	for chunk, err := range stream.Chunks() {
		if err != nil {
			return chunks, err
		}
		chunks = append(chunks, string(chunk))
	}
	return chunks, nil
}

// bare sends a request past the client, which only names a session.
func (r *run) bare(ctx context.Context, method, path, sid string) (int, object, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.base+path, nil)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("X-Nen-Session", sid)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	var answer object
	err = json.NewDecoder(response.Body).Decode(&answer)
	return response.StatusCode, answer, err
}

// code finds the code in the body of a refusal.
func code(refusal object) string {
	inner, _ := refusal["error"].(object)
	code, _ := inner["code"].(string)
	return code
}

// A network remembers what the client asked and was answered, as "STATUS /path".
type network struct {
	mu      sync.Mutex
	entries []string
	held    *sync.WaitGroup
}

func (n *network) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.entries = append(n.entries, fmt.Sprintf("%d %s", response.StatusCode, request.URL.Path))
	held := n.held
	n.mu.Unlock()
	if held != nil && response.StatusCode == http.StatusUnauthorized {
		held.Done()
		held.Wait()
	}
	return response, nil
}

func (n *network) log() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.entries)
}

func (n *network) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.entries, n.held = nil, nil
}

// hold delivers refusals only when this many have come.
func (n *network) hold(refusals int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held = &sync.WaitGroup{}
	n.held.Add(refusals)
}

func equal[T any](got, want T) error {
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}

func wants(err error, code nen.Code) error {
	if !errors.Is(err, code) {
		return fmt.Errorf("got %v, want %v", err, code)
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
