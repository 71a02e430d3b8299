package nen_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	nen "github.com/withnen/nen/bindings/go"
)

// newExampleServer runs a handler for an example.
func newExampleServer(handler http.Handler) *httptest.Server {
	return httptest.NewServer(nen.Middleware(nen.WithLogger(discard()))(handler))
}

func ExampleMiddleware() {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/secure-data", func(w http.ResponseWriter, r *http.Request) {
		var order struct{ Card string }
		if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
			http.Error(w, "the body does not fit", http.StatusUnprocessableEntity)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]int{"digits": len(order.Card)})
	})
	protect := nen.Middleware(nen.WithProtect("/api/*"), nen.WithLogger(discard()))
	server := httptest.NewServer(protect(mux)) // or http.ListenAndServe(address, protect(mux))
	defer server.Close()

	client, err := nen.NewClient(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	var answer struct{ Digits int }
	order := map[string]string{"card": "4111111111111111"}
	if err := client.Fetch(context.Background(), "POST", "/api/secure-data", order, &answer); err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Digits)
	// Output: 16
}

func ExampleNewStreamWriter() {
	server := newExampleServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stream, err := nen.NewStreamWriter(w)
		if err != nil {
			http.Error(w, "this endpoint is not protected", http.StatusInternalServerError)
			return
		}
		for _, word := range []string{"secure ", "streaming ", "works"} {
			if _, err := stream.WriteString(word); err != nil {
				return // The client has gone.
			}
		}
	}))
	defer server.Close()

	client, err := nen.NewClient(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	stream, err := client.Stream(context.Background(), "GET", "/api/chat", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close()
	text, err := io.ReadAll(stream)
	fmt.Println(string(text), err)
	// Output: secure streaming works <nil>
}

func ExampleClient_Stream() {
	server := newExampleServer(words)
	defer server.Close()
	client, err := nen.NewClient(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	stream, err := client.Stream(context.Background(), "POST", "/api/chat", map[string]string{"prompt": "count"})
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close()
	for chunk, err := range stream.Chunks() {
		if errors.Is(err, nen.ErrStreamTruncated) {
			log.Fatal("what was printed is authentic, but not all of it came")
		} else if err != nil {
			log.Fatal(err)
		}
		fmt.Print(string(chunk))
	}
	// Output: one __FIN__ three
}

func ExampleNewTransport() {
	server := newExampleServer(echo)
	defer server.Close()
	transport, err := nen.NewTransport(http.DefaultTransport, server.URL)
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: transport}
	response, err := client.Post(server.URL+"/api/secure-data", "application/json", strings.NewReader(`{"secret":42}`))
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct{ Received struct{ Secret int } }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.StatusCode, nen.IsSealed(response), answer.Received.Secret)
	// Output: 200 true 42
}

func ExampleClient_Fetch() {
	server := newExampleServer(http.NotFoundHandler())
	defer server.Close()
	client, err := nen.NewClient(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	err = client.Fetch(context.Background(), "GET", "/api/nobody", nil, nil)
	var answered *nen.HTTPError
	var refused *nen.Error
	switch {
	case errors.As(err, &answered):
		fmt.Println("the application said", answered.StatusCode)
	case errors.As(err, &refused):
		fmt.Println("the protocol said", refused.Code, refused.Hint())
	}
	// Output: the application said 404
}

func ExamplePeerFromContext() {
	server := newExampleServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, _ := nen.PeerFromContext(r.Context())
		reply(w, len(peer.Identity))
	}))
	defer server.Close()
	identity, err := nen.GenerateIdentity()
	if err != nil {
		log.Fatal(err)
	}
	client, err := nen.NewClient(server.URL, nen.WithIdentity(identity))
	if err != nil {
		log.Fatal(err)
	}
	var length int
	if err := client.Fetch(context.Background(), "POST", "/api/whoami", map[string]string{}, &length); err != nil {
		log.Fatal(err)
	}
	fmt.Println("a public key of", length, "bytes")
	// Output: a public key of 1974 bytes
}

func ExampleCode() {
	fmt.Println(nen.ErrAuthSignatureInvalid, nen.ErrAuthSignatureInvalid.HTTPStatus())
	// Output: ISO-3002: The request signature is not valid. 401
}

func ExampleNewServer() {
	server, err := nen.NewServer(
		nen.WithProtect("/api/*"),
		nen.WithSessionTTL(15*time.Minute),
		nen.WithLogger(slog.New(slog.NewJSONHandler(os.Stderr, nil))),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	protected := httptest.NewServer(server.Middleware(echo))
	defer protected.Close()
	response, err := http.Get(protected.URL + "/plain")
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	fmt.Println(response.Status)
	// Output: 200 OK
}

func ExampleClient_Do() {
	server := newExampleServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "{\"language\":%q}", r.Header.Get("Accept-Language"))
	}))
	defer server.Close()
	client, err := nen.NewClient(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	request, err := client.NewRequest(context.Background(), "POST", "/api/orders", map[string]int{"amount": 1840})
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Accept-Language", "pt") // Headers are not sealed.
	response, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fmt.Println(response.StatusCode, string(body), err)
	// Output: 201 {"language":"pt"} <nil>
}

func ExampleClient_Rotate() {
	server := newExampleServer(echo)
	defer server.Close()
	client, err := nen.NewClient(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()
	if err := client.Handshake(ctx); err != nil {
		log.Fatal(err)
	}
	before := client.SessionID()
	if err := client.Rotate(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the same session:", client.SessionID() == before)
	// Output: the same session: false
}

func ExampleIdentityFromPKCS8() {
	identity, err := nen.GenerateIdentity()
	if err != nil {
		log.Fatal(err)
	}
	secret, err := identity.PKCS8() // To be kept where secrets are kept.
	if err != nil {
		log.Fatal(err)
	}

	identity, err = nen.IdentityFromPKCS8(secret)
	clear(secret)
	if err != nil {
		log.Fatal(err)
	}
	defer identity.Close()
	client, err := nen.NewClient("https://api.example.com", nen.WithIdentity(identity))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	public, err := identity.PublicKey() // For WithAllowedIdentities, on the server.
	fmt.Println(len(public), err)
	// Output: 1974 <nil>
}

// An auditedStore tells of every session that begins and keeps it in another store.
type auditedStore struct{ nen.Store }

func (a auditedStore) Set(ctx context.Context, sid string, record []byte, expires time.Time) error {
	fmt.Println("a session of", time.Until(expires).Round(time.Minute))
	return a.Store.Set(ctx, sid, record, expires)
}

func ExampleStore() {
	store := auditedStore{nen.NewMemoryStore(nen.MemoryLimits{})}
	server := httptest.NewServer(nen.Middleware(nen.WithStore(store), nen.WithLogger(discard()))(echo))
	defer server.Close()
	client, err := nen.NewClient(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err := client.Handshake(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output: a session of 1h0m0s
}
