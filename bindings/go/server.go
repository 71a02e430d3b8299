package nen

import (
	"cmp"
	"context"
	"net/http"
	"time"
)

const defaultStoreTimeout = 2 * time.Second

// A Server answers the session endpoints, opens requests to protected paths and seals what handlers answer. Any number
// of goroutines may use it at once. Its zero value is not usable: [NewServer] makes one.
type Server struct {
	core     serverCore
	config   serverConfig
	ownStore *MemoryStore // nil if one was passed
	maxBody  int64        // of a sealed body, in bytes
}

// NewServer makes a server. It fails if an option cannot be.
func NewServer(options ...ServerOption) (*Server, error) {
	config := serverConfig{commonConfig: defaults(), storeTimeout: defaultStoreTimeout}
	for _, option := range options {
		if option == nil {
			return nil, errNilOption
		}
		if err := option.applyToServer(&config); err != nil {
			return nil, err
		}
	}
	if config.storeKeys.handle == nil {
		if err := WithStoreKeys(plainRecords).applyToServer(&config); err != nil {
			return nil, err
		}
	}
	config.policy.prefix = config.commonConfig.prefix
	core, err := newServerCore(config.policy)
	if err != nil {
		return nil, err
	}
	maxBody, err := core.maxBody()
	if err != nil {
		return nil, err
	}
	server := &Server{core: core, config: config, maxBody: maxBody}
	if config.store == nil {
		server.ownStore = NewMemoryStore(MemoryLimits{})
		server.config.store = server.ownStore
	}
	return server, nil
}

// Middleware makes a middleware of a server with these options. It panics if an option cannot be, so that it can stand
// where handlers are put together.
func Middleware(options ...ServerOption) func(http.Handler) http.Handler {
	server, err := NewServer(options...)
	if err != nil {
		panic(err)
	}
	return server.Middleware
}

// Middleware puts the server in front of a handler.
//
// The handler sees plain JSON requests, without the protocol's headers, and who sent them by [PeerFromContext]. What
// it answers is sealed by this rule:
//
//   - JSON, by its Content-Type, or nothing, is sealed whole. The status is kept; only 204 and 205 become 200 with a
//     sealed null.
//   - Without a Content-Type, what was written is sealed whole: as it is if that is JSON, else as a JSON string.
//   - Anything else with a status of 2xx is sealed as a stream, each Write as one chunk of at most 1 MiB. They are
//     sent by Flush; [NewStreamWriter] does both at once. Write bare chunks, without server-sent event framing: that
//     is added here.
//   - Other text with a status of 3xx or 4xx is sealed as a JSON string; with 5xx it becomes [ErrInternal].
//
// Whole answers are kept in memory until the handler returns, [WithMaxAnswer] bytes at most; Flush does nothing to
// them. Headers stay, except those that speak of the plain body or let it be cached. Trailers and informational
// answers (1xx) do not travel. The connection cannot be taken over, so that WebSockets are refused.
//
// A handler that panics is answered with [ErrInternal] and nothing of the cause, which is logged as net/http does it.
// If it panics in the middle of a stream, or with [http.ErrAbortHandler], the panic goes on, and the client sees the
// answer as cut off ([ErrStreamTruncated]). Put middleware that recovers from panics behind this one.
//
// Requests to other paths are not touched.
func (s *Server) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		where := addressOf(r, s.config.externalPrefix)
		endpoint, err := s.core.route(r.Method, where.target)
		switch {
		case err != nil:
			s.refuse(w, r, where, err)
		case endpoint != routeApplication:
			s.serveEndpoint(w, r, where, endpoint)
		case s.config.protects.protects(where):
			s.serveProtected(w, r, where, next)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// Close frees what the server holds, but not a store that was passed to it. Requests that come later are answered with
// [ErrInternal].
func (s *Server) Close() error {
	s.core.close()
	s.config.storeKeys.close()
	if s.ownStore != nil {
		return s.ownStore.Close()
	}
	return nil
}

func (s *Server) admit(ctx context.Context, r *signedRequest) (exchange, error) {
	if memory, ok := s.config.store.(*MemoryStore); ok {
		return s.core.admit(memory, r)
	}
	return s.core.admitFrom(s.storage(ctx), r)
}

func (s *Server) respond(ctx context.Context, endpoint route, r *signedRequest, body []byte) (int, []byte, error) {
	if memory, ok := s.config.store.(*MemoryStore); ok {
		return s.core.respond(memory, endpoint, r, body)
	}
	return s.core.respondFrom(s.storage(ctx), endpoint, r, body)
}

func (s *Server) storage(ctx context.Context) storage {
	return storage{ctx, s.config.store, s.config.storeTimeout, cmp.Or(s.config.ttl, defaultSessionTTL), s.config.storeKeys}
}
