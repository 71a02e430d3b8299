package nen_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	nen "github.com/withnen/nen/bindings/go"
)

// A remote store is one that the library does not know: it is asked step by step.
type remote struct {
	nen.Store
	fail func(ctx context.Context, what string) error
}

func newRemote() *remote {
	return &remote{nen.NewMemoryStore(nen.MemoryLimits{}), func(context.Context, string) error { return nil }}
}

func (r *remote) Get(ctx context.Context, sid string) ([]byte, error) {
	if err := r.fail(ctx, "get"); err != nil {
		return nil, err
	}
	return r.Store.Get(ctx, sid)
}

func (r *remote) Set(ctx context.Context, sid string, record []byte, expires time.Time) error {
	if err := r.fail(ctx, "set"); err != nil {
		return err
	}
	return r.Store.Set(ctx, sid, record, expires)
}

func (r *remote) Delete(ctx context.Context, sid string) error {
	if err := r.fail(ctx, "delete"); err != nil {
		return err
	}
	return r.Store.Delete(ctx, sid)
}

func (r *remote) ClaimNonce(ctx context.Context, sid string, nonce [nen.NonceSize]byte, until time.Time) (bool, error) {
	if err := r.fail(ctx, "claim"); err != nil {
		return false, err
	}
	return r.Store.ClaimNonce(ctx, sid, nonce, until)
}

func TestServersShareARemoteStore(t *testing.T) {
	store := newRemote()
	one, _ := serve(t, echo, nen.WithStore(store))
	two, _ := serve(t, echo, nen.WithStore(store))
	var turn atomic.Int32
	client := connect(t, one, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if turn.Add(1)%2 == 0 {
			r.URL.Host = strings.TrimPrefix(two, "http://")
		}
		return next.RoundTrip(r)
	}))
	ctx := t.Context()
	for range 4 {
		fetch(t, client, "POST", "/", 1)
		fetch(t, client, "GET", "/", nil)
	}
	first := client.SessionID()
	for range 2 {
		if err := client.Rotate(ctx); err != nil {
			t.Fatal(err)
		}
		equal(t, "status", must(client.Status(ctx)), true)
	}
	_, code := bare(t, "GET", one, http.Header{"X-Nen-Session": {first}})
	equal(t, "rotated session", code, "ISO-2002")
	last := client.SessionID()
	if err := client.Terminate(ctx); err != nil {
		t.Fatal(err)
	}
	_, code = bare(t, "GET", two, http.Header{"X-Nen-Session": {last}})
	equal(t, "terminated session", code, "ISO-2002")
}

func TestOneOfManyCopiesIsAdmitted(t *testing.T) {
	const copies = 16
	for name, store := range map[string]nen.Store{"memory": nen.NewMemoryStore(nen.MemoryLimits{}), "remote": newRemote()} {
		t.Run(name, func(t *testing.T) {
			one, _ := serve(t, echo, nen.WithStore(store))
			two, _ := serve(t, echo, nen.WithStore(store))
			ok, replayed := race(t, copies, one, two)
			equal(t, "admitted", ok, 1)
			equal(t, "refused as replays", replayed, copies-1)
		})
	}
}

// race sends copies of one request to two servers at once, and counts those that were admitted and refused as replays.
func race(t *testing.T, copies int, one, two string) (ok, replayed int) {
	t.Helper()
	results := make(chan string, copies)
	client := connect(t, one, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "/api/nen/") {
			return next.RoundTrip(r)
		}
		var group sync.WaitGroup
		for i := range copies {
			group.Go(func() {
				status, code := bare(t, r.Method, []string{one, two}[i%2], r.Header.Clone())
				results <- http.StatusText(status) + code
			})
		}
		group.Wait()
		return nil, errors.New("that was it")
	}))
	if err := client.Fetch(t.Context(), "GET", "/", nil, nil); !strings.Contains(err.Error(), "that was it") {
		t.Fatal(err)
	}
	for range copies {
		switch result := <-results; result {
		case "OK":
			ok++
		case "ConflictISO-5001":
			replayed++
		default:
			t.Errorf("got %s", result)
		}
	}
	return ok, replayed
}

func TestAStoreThatFailsIsNotALostSession(t *testing.T) {
	for _, what := range []string{"get", "set", "delete", "claim"} {
		for how, fail := range map[string]func(context.Context) error{
			"error":   func(context.Context) error { return errors.New("connection refused") },
			"timeout": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			"panic":   func(context.Context) error { panic("nil map") },
			"deaf":    func(context.Context) error { time.Sleep(200 * time.Millisecond); return nil },
		} {
			t.Run(what+" "+how, func(t *testing.T) {
				store := newRemote()
				var broken atomic.Bool
				store.fail = func(ctx context.Context, asked string) error {
					if asked == what && broken.Load() {
						return fail(ctx)
					}
					return nil
				}
				url, log := serve(t, echo, nen.WithStore(store), nen.WithStoreTimeout(20*time.Millisecond))
				client := connect(t, url)
				if err := client.Handshake(t.Context()); err != nil {
					t.Fatal(err)
				}
				sid := client.SessionID()
				broken.Store(true)
				ask := map[string]func(context.Context) error{
					"get":    func(ctx context.Context) error { return client.Fetch(ctx, "GET", "/", nil, nil) },
					"claim":  func(ctx context.Context) error { return client.Fetch(ctx, "GET", "/", nil, nil) },
					"set":    client.Rotate,
					"delete": client.Rotate,
				}[what]
				err := wantCode(t, ask(t.Context()), nen.ErrStoreUnavailable)
				equal(t, "status", err.HTTPStatus(), 503)
				if !strings.Contains(log.String(), "cause=") {
					t.Errorf("the log does not tell why: %s", log)
				}
				broken.Store(false)
				equal(t, "session", client.SessionID(), sid)
				fetch(t, client, "GET", "/", nil)
			})
		}
	}
}

func TestAStoreMayBeFull(t *testing.T) {
	store := newRemote()
	store.Store = nen.NewMemoryStore(nen.MemoryLimits{MaxSessions: 1, MaxNoncesPerSession: 2})
	url, _ := serve(t, echo, nen.WithStore(store), nen.WithStoreTimeout(time.Minute)) // It may be late on a busy machine.
	client := connect(t, url)
	fetch(t, client, "GET", "/", nil)
	fetch(t, client, "GET", "/", nil)
	wantCode(t, client.Fetch(t.Context(), "GET", "/", nil, nil), nen.ErrReplayCacheFull)
	wantCode(t, connect(t, url).Handshake(t.Context()), nen.ErrStoreUnavailable)
}

func TestAMemoryStoreCountsSweepsAndCloses(t *testing.T) {
	store := nen.NewMemoryStore(nen.MemoryLimits{MaxSessions: 10})
	url, _ := serve(t, echo, nen.WithStore(store), nen.WithSessionTTL(10*time.Millisecond))
	if err := connect(t, url).Handshake(t.Context()); err != nil {
		t.Fatal(err)
	}
	sessions, nonces, err := store.Len()
	if sessions != 1 || nonces != 0 || err != nil {
		t.Errorf("got %d, %d, %v", sessions, nonces, err)
	}
	for sessions > 0 {
		if err := store.Sweep(); err != nil {
			t.Fatal(err)
		}
		sessions, _, _ = store.Len()
	}
	_ = store.Close()
	if _, err := store.Get(t.Context(), "00000000-0000-4000-8000-000000000000"); !errors.Is(err, nen.ErrClosed) {
		t.Errorf("got %v", err)
	}
	wantCode(t, connect(t, url).Handshake(t.Context()), nen.ErrInternal)
}

func TestKeysOfASharedStore(t *testing.T) {
	const sid = "00000000-0000-4000-8000-000000000000"
	equal(t, "record", must(nen.RecordKey(sid)), "nen:session:"+sid)
	equal(t, "nonce", must(nen.NonceKey(sid, [nen.NonceSize]byte{})), "nen:session:"+sid+":n:AAAAAAAAAAAAAAAA")
	if _, err := nen.RecordKey("*"); err == nil {
		t.Error("a pattern was taken for a session id")
	}
	if _, err := nen.NonceKey("*", [nen.NonceSize]byte{}); err == nil {
		t.Error("a pattern was taken for a session id")
	}
}

// A record of the TypeScript servers names no end.
func endless(record []byte) []byte {
	var fields map[string]any
	if err := json.Unmarshal(record, &fields); err != nil {
		panic(err)
	}
	delete(fields, "expiresAt")
	return must(json.Marshal(fields))
}

// A kept store hands out records as they were written, whatever end they name.
type kept struct {
	*remote
	mu      sync.Mutex
	records map[string][]byte
}

func (k *kept) Get(_ context.Context, sid string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.records[sid], nil
}

func (k *kept) Set(_ context.Context, sid string, record []byte, _ time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.records[sid] = endless(record)
	return nil
}

func TestARecordWithoutAnEndLivesAsLongAsASession(t *testing.T) {
	for name, c := range map[string]struct {
		options []nen.ServerOption
		alive   bool
	}{
		"an hour, as no option says otherwise": {nil, true},
		"as the option says":                   {[]nen.ServerOption{nen.WithSessionTTL(time.Millisecond)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			store := &kept{remote: newRemote(), records: map[string][]byte{}}
			url, _ := serve(t, echo, append(c.options, nen.WithStore(store))...)
			client := connect(t, url, tapped(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
				time.Sleep(2 * time.Millisecond)
				return next.RoundTrip(r)
			}))
			if err := client.Fetch(t.Context(), "GET", "/", nil, nil); (err == nil) != c.alive {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAMemoryStoreKeepsARecordUntilTheGivenTime(t *testing.T) {
	store := &kept{remote: newRemote(), records: map[string][]byte{}}
	url, _ := serve(t, echo, nen.WithStore(store))
	client := connect(t, url)
	if err := client.Handshake(t.Context()); err != nil {
		t.Fatal(err)
	}
	sid := client.SessionID()
	var fields struct {
		SharedSecret []byte `json:"sharedSecret"`
		HMACKey      []byte `json:"hmacKey"`
		CreatedAt    int64  `json:"createdAt"`
	}
	if err := json.Unmarshal(store.records[sid], &fields); err != nil {
		t.Fatal(err)
	}
	fields.CreatedAt -= time.Hour.Milliseconds()
	record := must(json.Marshal(fields))
	memory := nen.NewMemoryStore(nen.MemoryLimits{})
	ctx := t.Context()
	has := func() bool { return must(memory.Get(ctx, sid)) != nil }
	set := func(expires time.Time) {
		if err := memory.Set(ctx, sid, record, expires); err != nil {
			t.Fatal(err)
		}
	}
	set(time.Now().Add(time.Hour))
	equal(t, "before its end", has(), true)
	set(time.Now().Add(-time.Hour))
	equal(t, "after its end", has(), false)
	end := time.Now().Add(50 * time.Millisecond)
	set(end)
	equal(t, "before its end", has(), true)
	time.Sleep(time.Until(end) + time.Millisecond)
	equal(t, "after its end", has(), false)
}

func TestAClientThatHasGoneIsNoFailureOfTheStore(t *testing.T) {
	store := newRemote()
	asked := make(chan struct{})
	var once sync.Once
	store.fail = func(ctx context.Context, what string) error {
		if what == "get" {
			once.Do(func() { close(asked) })
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	log := &record{}
	server := must(nen.NewServer(nen.WithLogger(slog.New(slog.NewTextHandler(log, nil))), nen.WithStore(store),
		nen.WithStoreTimeout(time.Minute)))
	ctx, cancel := context.WithCancel(t.Context())
	request := httptest.NewRequest("GET", "/", nil).WithContext(ctx)
	request.Header.Set("X-Nen-Session", "00000000-0000-4000-8000-000000000000")
	request.Header.Set("X-Nen-Timestamp", "1763750000000")
	request.Header.Set("X-Nen-Nonce", "AAAAAAAAAAAAAAAA")
	request.Header.Set("X-Nen-Signature", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	ended := make(chan any)
	go func() {
		defer func() { ended <- recover() }()
		server.Middleware(echo).ServeHTTP(httptest.NewRecorder(), request)
	}()
	<-asked
	cancel()
	equal(t, "ended by", <-ended, any(http.ErrAbortHandler))
	equal(t, "logged", log.String(), "")
}

func TestAServerLeavesOpenAStoreThatWasPassed(t *testing.T) {
	store := nen.NewMemoryStore(nen.MemoryLimits{})
	server := must(nen.NewServer(nen.WithStore(store), nen.WithLogger(discard())))
	_ = server.Close()
	if _, _, err := store.Len(); err != nil {
		t.Errorf("it closed one that was passed: %v", err)
	}
}

func TestTheSizesInTheDocumentation(t *testing.T) {
	equal(t, "bytes of a nonce", nen.NonceSize, 12)
	equal(t, "slack", nen.RemoteClockSlack, 30*time.Second)
}

func TestWhatIsNoStoreKeyIsRefused(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for _, keys := range [][]string{
		{}, {""}, {"plain", ""}, {key, "none"}, {"Plain"}, {key[:40]}, {key + key}, {key + "," + key}, {" " + key}, {key + "\x00"},
	} {
		_, err := nen.NewServer(nen.WithStoreKeys(keys...))
		if err == nil {
			t.Errorf("%q are taken", keys)
			continue
		}
		if text := err.Error(); !strings.Contains(text, "WithStoreKeys") || strings.Contains(text, key[:40]) {
			t.Errorf("got %s", text)
		}
	}
}

func TestAServerShowsNoStoreKey(t *testing.T) {
	secret := []byte("thirty-two bytes, none of random")
	key := base64.StdEncoding.EncodeToString(secret)
	option := nen.WithStoreKeys(key)
	server := must(nen.NewServer(option))
	defer server.Close()
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		shown := fmt.Sprintf(format+format, server, option)
		if strings.Contains(shown, key) || strings.Contains(shown, string(secret)) {
			t.Errorf("%s shows it", format)
		}
	}
}

func TestAMemoryStoreTakesNoNoticeOfStoreKeys(t *testing.T) {
	url, _ := serve(t, echo, nen.WithStoreKeys(base64.StdEncoding.EncodeToString(make([]byte, 32))))
	client := connect(t, url)
	fetch(t, client, "GET", "/", nil)
	if err := client.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	fetch(t, client, "GET", "/", nil)
}

func TestNoncesCanBeRememberedForTheWholeSession(t *testing.T) {
	const ttl, window = time.Hour, 30 * time.Second
	for name, c := range map[string]struct {
		options []nen.ServerOption
		long    time.Duration
	}{
		"for the window":  {nil, window},
		"for the session": {[]nen.ServerOption{nen.WithNoncesForSession()}, ttl},
	} {
		t.Run(name, func(t *testing.T) {
			claims := &claims{remote: newRemote()}
			url, _ := serve(t, echo, append(c.options, nen.WithStore(claims), nen.WithSessionTTL(ttl), nen.WithWindow(window))...)
			fetch(t, connect(t, url), "GET", "/", nil)
			if left := time.Until(claims.until); left > c.long || left < c.long-window/2 {
				t.Errorf("a nonce is remembered for %v", left)
			}
		})
	}
}

// A claims store notes until when the last nonce is to be remembered.
type claims struct {
	*remote
	until time.Time
}

func (c *claims) ClaimNonce(ctx context.Context, sid string, nonce [nen.NonceSize]byte, until time.Time) (bool, error) {
	c.until = until
	return c.remote.ClaimNonce(ctx, sid, nonce, until)
}
