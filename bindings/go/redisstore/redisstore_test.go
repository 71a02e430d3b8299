package redisstore_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	nen "github.com/withnen/nen/bindings/go"
	"github.com/withnen/nen/bindings/go/redisstore"
)

const sid = "00000000-0000-4000-8000-000000000000"

// A redisServer is a real one, on a free port, that keeps what it is told on the disk.
type redisServer struct {
	t       *testing.T
	port    int
	dir     string
	process *exec.Cmd
}

func startRedis(t *testing.T) *redisServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	server := &redisServer{t: t, port: listener.Addr().(*net.TCPAddr).Port, dir: t.TempDir()}
	server.start()
	t.Cleanup(server.kill)
	return server
}

func (s *redisServer) start() {
	s.t.Helper()
	s.process = exec.Command("redis-server", "--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir,
		"--appendonly", "yes", "--appendfsync", "always", "--save", "")
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	client := s.client()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for client.Ping(ctx).Err() != nil {
		if ctx.Err() != nil {
			s.t.Fatal("redis-server did not start")
		}
	}
}

func (s *redisServer) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

func (s *redisServer) client() *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))})
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}

// serve runs a server of its own that shares the Redis.
func (s *redisServer) serve(options ...nen.ServerOption) string {
	s.t.Helper()
	options = append([]nen.ServerOption{
		nen.WithStore(redisstore.New(s.client())), nen.WithLogger(slog.New(slog.DiscardHandler)),
	}, options...)
	server := httptest.NewServer(nen.Middleware(options...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(w, r.Body)
	})))
	s.t.Cleanup(server.Close)
	return server.URL
}

func connect(t *testing.T, url string, transport http.RoundTripper) *nen.Client {
	t.Helper()
	client, err := nen.NewClient(url, nen.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

type tap func(*http.Request) (*http.Response, error)

func (f tap) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// toward sends requests to another server than they are for.
func toward(url string) tap {
	return func(r *http.Request) (*http.Response, error) {
		r.URL.Host = strings.TrimPrefix(url, "http://")
		return http.DefaultTransport.RoundTrip(r)
	}
}

func TestASessionIsGoodAtEveryServer(t *testing.T) {
	server := startRedis(t)
	one, two := server.serve(), server.serve()
	where := one
	client := connect(t, one, tap(func(r *http.Request) (*http.Response, error) { return toward(where)(r) }))
	ctx := t.Context()
	if err := client.Handshake(ctx); err != nil {
		t.Fatal(err)
	}
	first := client.SessionID()
	where = two
	var answer int
	if err := client.Fetch(ctx, "POST", "/", 7, &answer); err != nil || answer != 7 {
		t.Fatal(answer, err)
	}
	if err := client.Rotate(ctx); err != nil {
		t.Fatal(err)
	}
	if client.SessionID() == first {
		t.Error("the session was not rotated")
	}
	where = one
	if live, err := client.Status(ctx); !live || err != nil {
		t.Error(live, err)
	}
	if err := client.Terminate(ctx); err != nil {
		t.Fatal(err)
	}
	keys, err := server.client().Keys(ctx, "nen:session:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if !strings.Contains(key, ":n:") {
			t.Errorf("%s is left", key)
		}
	}
}

func TestEveryKeyExpires(t *testing.T) {
	server := startRedis(t)
	client := connect(t, server.serve(nen.WithSessionTTL(time.Minute), nen.WithWindow(20*time.Second)), nil)
	ctx := t.Context()
	if err := client.Fetch(ctx, "POST", "/", 1, nil); err != nil {
		t.Fatal(err)
	}
	db := server.client()
	keys, err := db.Keys(ctx, "*").Result()
	if err != nil || len(keys) != 2 {
		t.Fatal(keys, err)
	}
	for _, key := range keys {
		ttl, err := db.PTTL(ctx, key).Result()
		longest, what := time.Minute, "a session"
		if strings.Contains(key, ":n:") {
			longest, what = 20*time.Second+nen.RemoteClockSlack, "a nonce"
		}
		if err != nil || ttl <= longest-10*time.Second || ttl > longest {
			t.Errorf("%s lives for %v: %v", what, ttl, err)
		}
	}
}

func TestOneOfManyCopiesIsAdmittedAtTwoServers(t *testing.T) {
	const copies = 16
	server := startRedis(t)
	one, two := server.serve(), server.serve()
	counts := map[string]int{}
	client := connect(t, one, tap(func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "/api/nen/") {
			return http.DefaultTransport.RoundTrip(r)
		}
		var mu sync.Mutex
		var group sync.WaitGroup
		for i := range copies {
			group.Go(func() {
				response, err := toward([]string{one, two}[i%2])(r.Clone(r.Context()))
				if err != nil {
					t.Error(err)
					return
				}
				defer response.Body.Close()
				body, _ := io.ReadAll(response.Body)
				mu.Lock()
				defer mu.Unlock()
				counts[response.Status]++
				if response.StatusCode != 200 && !bytes.Contains(body, []byte("ISO-5001")) {
					t.Errorf("got %s", body)
				}
			})
		}
		group.Wait()
		return nil, errors.New("that was it")
	}))
	_ = client.Fetch(t.Context(), "GET", "/", nil, nil)
	if counts["200 OK"] != 1 || counts["409 Conflict"] != copies-1 {
		t.Errorf("got %v", counts)
	}
}

func TestARedisThatIsGoneIsNotALostSession(t *testing.T) {
	const timeout = 300 * time.Millisecond
	server := startRedis(t)
	client := connect(t, server.serve(nen.WithStoreTimeout(timeout)), tap(func(r *http.Request) (*http.Response, error) {
		response, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && response.StatusCode == http.StatusUnauthorized {
			t.Error("a client was told that its session is gone")
		}
		return response, err
	}))
	ctx := t.Context()
	if err := client.Fetch(ctx, "POST", "/", 1, nil); err != nil {
		t.Fatal(err)
	}
	session := client.SessionID()
	server.kill()
	for range 3 {
		begun := time.Now()
		err := client.Fetch(ctx, "POST", "/", 1, nil)
		if !errors.Is(err, nen.ErrStoreUnavailable) {
			t.Fatalf("got %v", err)
		}
		if took := time.Since(begun); took > timeout+time.Second {
			t.Errorf("it took %v", took)
		}
	}
	server.start()
	// Its client may be waiting before it connects anew.
	for deadline := time.Now().Add(10 * time.Second); ; {
		err := client.Fetch(ctx, "POST", "/", 1, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, nen.ErrStoreUnavailable) || time.Now().After(deadline) {
			t.Fatalf("got %v", err)
		}
	}
	if client.SessionID() != session {
		t.Error("the session was made anew")
	}
}

func TestACommandThatWasSentTwiceIsNoReplay(t *testing.T) {
	server := startRedis(t)
	ctx := t.Context()
	until := time.Now().Add(time.Minute)
	plain := redisstore.New(server.client())
	repeating := server.client()
	repeating.AddHook(twice{})
	store := redisstore.New(repeating)
	if fresh, err := store.ClaimNonce(ctx, sid, [nen.NonceSize]byte{1}, until); !fresh || err != nil {
		t.Errorf("our own claim: %t, %v", fresh, err)
	}
	if fresh, err := store.ClaimNonce(ctx, sid, [nen.NonceSize]byte{1}, until); fresh || err != nil {
		t.Errorf("a replay: %t, %v", fresh, err)
	}
	if fresh, err := plain.ClaimNonce(ctx, sid, [nen.NonceSize]byte{1}, until); fresh || err != nil {
		t.Errorf("a replay at another server: %t, %v", fresh, err)
	}
	if fresh, err := plain.ClaimNonce(ctx, sid, [nen.NonceSize]byte{2}, until); !fresh || err != nil {
		t.Errorf("another nonce: %t, %v", fresh, err)
	}
}

// twice sends each command two times, as go-redis does when the first answer was lost.
type twice struct{}

func (twice) DialHook(next redis.DialHook) redis.DialHook { return next }

func (twice) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (twice) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		_ = next(ctx, command)
		command.SetErr(nil)
		return next(ctx, command)
	}
}

func TestAClaimWhoseEndHasPassedIsAReplay(t *testing.T) {
	server := startRedis(t)
	store, ctx := redisstore.New(server.client()), t.Context()
	for _, past := range []time.Duration{time.Millisecond, 29 * time.Second, time.Hour} {
		fresh, err := store.ClaimNonce(ctx, sid, [nen.NonceSize]byte{}, time.Now().Add(-past))
		if fresh || err != nil {
			t.Errorf("%v ago: %t, %v", past, fresh, err)
		}
	}
}

// newKey is a store key, whose bytes are all the same.
func newKey(octet byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{octet}, 32))
}

// record is what Redis holds of a session.
func (s *redisServer) record(sid string) string {
	s.t.Helper()
	record, err := s.client().Get(s.t.Context(), "nen:session:"+sid).Result()
	if err != nil {
		s.t.Fatal(err)
	}
	return record
}

// ask tells what a server says of a session: its status, and the code of a refusal.
func ask(t *testing.T, url, sid string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "GET", url+"/api/nen/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Nen-Session", sid)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body struct {
		Valid bool
		Error struct{ Code string }
	}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	if body.Valid {
		return "lives"
	}
	return strings.TrimSpace(strconv.Itoa(response.StatusCode) + " " + body.Error.Code)
}

// shakeHands makes a session, and hands out its id and its HMAC key, which travels in the answer.
func shakeHands(t *testing.T, url string) (sid string, key []byte) {
	t.Helper()
	client := connect(t, url, tap(func(r *http.Request) (*http.Response, error) {
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		answer, err := io.ReadAll(response.Body)
		var body struct{ HMAC []byte }
		if err := errors.Join(err, json.Unmarshal(answer, &body), response.Body.Close()); err != nil {
			t.Error(err)
		}
		key = body.HMAC
		response.Body = io.NopCloser(bytes.NewReader(answer))
		return response, nil
	}))
	if err := client.Handshake(t.Context()); err != nil || len(key) != 32 {
		t.Fatal(len(key), err)
	}
	return client.SessionID(), key
}

func TestSealedRecordsShowNoKey(t *testing.T) {
	server := startRedis(t)
	for keys, plain := range map[string]bool{"plain": true, newKey(1): false} {
		sid, key := shakeHands(t, server.serve(nen.WithStoreKeys(keys)))
		record := server.record(sid)
		if strings.Contains(record, base64.StdEncoding.EncodeToString(key)) != plain ||
			strings.Contains(record, "sharedSecret") != plain {
			t.Errorf("sealed: %t", plain)
		}
		if strings.Contains(record, hex.EncodeToString(key)) || strings.Contains(record, string(key)) {
			t.Error("the key is there in another form")
		}
	}
}

func TestStoreKeysAreReplacedWhileSessionsLive(t *testing.T) {
	const lives, disagree = "lives", "503 ISO-9001"
	for what, keys := range map[string]struct{ old, new string }{
		"a key":                {newKey(1), newKey(2)},
		"records in the clear": {"plain", newKey(2)},
	} {
		t.Run(what, func(t *testing.T) {
			redis := startRedis(t)
			before := redis.serve(nen.WithStoreKeys(keys.old))
			last := redis.serve(nen.WithStoreKeys(keys.old, keys.new))
			first := redis.serve(nen.WithStoreKeys(keys.new, keys.old))
			after := redis.serve(nen.WithStoreKeys(keys.new))
			inOld, _ := shakeHands(t, last)
			inNew, _ := shakeHands(t, first)
			for _, c := range []struct {
				server, url          string
				saysOfOld, saysOfNew string
			}{
				{"before", before, lives, disagree},
				{"last", last, lives, lives},
				{"first", first, lives, lives},
				{"after", after, disagree, lives},
			} {
				if old, new := ask(t, c.url, inOld), ask(t, c.url, inNew); old != c.saysOfOld || new != c.saysOfNew {
					t.Errorf("%s: got %s, %s", c.server, old, new)
				}
			}
		})
	}
}

func TestASealedRecordIsOfOneSession(t *testing.T) {
	redis := startRedis(t)
	url := redis.serve(nen.WithStoreKeys(newKey(1)))
	one, _ := shakeHands(t, url)
	other, _ := shakeHands(t, url)
	if err := redis.client().Set(t.Context(), "nen:session:"+other, redis.record(one), time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	if said := ask(t, url, other); said != "503 ISO-9001" {
		t.Errorf("got %s", said)
	}
}

func TestServersThatDisagreeSaySoInTheLog(t *testing.T) {
	redis := startRedis(t)
	var log bytes.Buffer
	sid, key := shakeHands(t, redis.serve(nen.WithStoreKeys(newKey(1))))
	server := redis.serve(nen.WithStoreKeys(newKey(2)), nen.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if said := ask(t, server, sid); said != "503 ISO-9001" {
		t.Errorf("got %s", said)
	}
	if text := log.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "no store key opens it") {
		t.Errorf("got %s", text)
	}
	for _, secret := range []string{newKey(1), newKey(2), base64.StdEncoding.EncodeToString(key), redis.record(sid)} {
		if strings.Contains(log.String(), secret) {
			t.Error("the log holds what is secret")
		}
	}
}

func TestAStoreTakesNothingButSessionIDs(t *testing.T) {
	store := redisstore.New(redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}))
	ctx := t.Context()
	_, get := store.Get(ctx, "*")
	_, claim := store.ClaimNonce(ctx, "*", [nen.NonceSize]byte{}, time.Now())
	for what, err := range map[string]error{
		"get": get, "claim": claim, "set": store.Set(ctx, "*", nil, time.Now()), "delete": store.Delete(ctx, "*"),
	} {
		var known *nen.Error
		if !errors.As(err, &known) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}
