package redisstore_test

import (
	"log"
	"net/http"

	"github.com/redis/go-redis/v9"
	nen "github.com/withnen/nen/bindings/go"
	"github.com/withnen/nen/bindings/go/redisstore"
)

func Example() {
	store := redisstore.New(redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"}))
	protect := nen.Middleware(nen.WithProtect("/api/*"), nen.WithStore(store))
	log.Fatal(http.ListenAndServe("127.0.0.1:8000", protect(http.DefaultServeMux)))
}
