// Server is the Go server among the interop peers: net/http, protected the way the documentation says. The environment
// variable PORT is its port; NEN_REDIS_URL, if it is set, the Redis that keeps its sessions, and NEN_STORE_KEYS the keys
// that seal them there, separated by commas.
package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	nen "github.com/withnen/nen/bindings/go"
	"github.com/withnen/nen/bindings/go/redisstore"
)

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	store, err := newStore(os.Getenv("NEN_REDIS_URL"))
	if err != nil {
		return err
	}
	options := []nen.ServerOption{nen.WithProtect("/api/*"), nen.WithStore(store)}
	if keys, isSet := os.LookupEnv("NEN_STORE_KEYS"); isSet {
		options = append(options, nen.WithStoreKeys(strings.Split(keys, ",")...))
	}
	protected, err := nen.NewServer(options...)
	if err != nil {
		return err
	}
	defer protected.Close()
	server := &http.Server{Handler: protected.Middleware(routes()), ReadHeaderTimeout: 10 * time.Second}

	listener, err := net.Listen("tcp", "127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "0"))
	if err != nil {
		return err
	}
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(stopped, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
	})
	fmt.Printf("listening on http://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func newStore(redisURL string) (nen.Store, error) {
	if redisURL == "" {
		return nen.NewMemoryStore(nen.MemoryLimits{}), nil
	}
	options, err := redis.ParseURL(redisURL)
	if err != nil {
		return nil, err
	}
	return redisstore.New(redis.NewClient(options)), nil
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/secure-data", secureData)
	mux.HandleFunc("POST /plain/secure-data", secureData)
	mux.HandleFunc("GET /api/notes/{id}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]string{"id": r.PathValue("id")})
	})
	mux.HandleFunc("POST /api/created", func(w http.ResponseWriter, r *http.Request) {
		if body, ok := read[any](w, r); ok {
			answer(w, http.StatusCreated, map[string]any{"created": body})
		}
	})
	mux.HandleFunc("POST /api/boom", func(http.ResponseWriter, *http.Request) { panic("kaboom") })
	mux.HandleFunc("POST /api/whoami", func(w http.ResponseWriter, r *http.Request) {
		var identity *string
		if peer, ok := nen.PeerFromContext(r.Context()); ok && peer.Identity != nil {
			identity = new(string)
			*identity = base64.StdEncoding.EncodeToString(peer.Identity)
		}
		answer(w, http.StatusOK, map[string]*string{"identity": identity})
	})
	mux.HandleFunc("GET /api/chat", chat)
	mux.HandleFunc("POST /api/chat", chat)
	return mux
}

func secureData(w http.ResponseWriter, r *http.Request) {
	if body, ok := read[any](w, r); ok {
		answer(w, http.StatusOK, map[string]any{"message": "Securely processed", "received": body})
	}
}

func chat(w http.ResponseWriter, r *http.Request) {
	wish, ok := read[struct {
		Prompt  string
		Exact   bool
		DelayMs int
	}](w, r)
	if !ok {
		return
	}
	stream, err := nen.NewStreamWriter(w)
	if err != nil {
		http.Error(w, "this endpoint streams sealed chunks only", http.StatusInternalServerError)
		return
	}
	for i, word := range strings.Fields(cmp.Or(wish.Prompt, "secure streaming works")) {
		if i > 0 && wish.DelayMs > 0 {
			select {
			case <-time.After(time.Duration(wish.DelayMs) * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
		if !wish.Exact {
			word += " "
		}
		if _, err := stream.WriteString(word); err != nil {
			return // The client has gone.
		}
	}
}

// read decodes the body, of which there may be none, and answers for a body that does not fit.
func read[T any](w http.ResponseWriter, r *http.Request) (T, bool) {
	var body T
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil && !errors.Is(err, io.EOF) {
		http.Error(w, "the body does not fit", http.StatusUnprocessableEntity)
		return body, false
	}
	return body, true
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // It fails only if the client has gone.
}
