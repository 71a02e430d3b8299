package nen

// #include <nen.h>
import "C"

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
)

// serveEndpoint answers a session endpoint.
func (s *Server) serveEndpoint(w http.ResponseWriter, r *http.Request, where address, endpoint route) {
	if endpoint == routeNotFound {
		http.NotFound(w, r)
		return
	}
	var body []byte
	var err error
	if endpoint == routeHandshake || endpoint == routeRotate {
		if body, err = readBody(w, r, C.NEN_MAX_HANDSHAKE_BODY); err != nil {
			s.refuse(w, r, where, err)
			return
		}
	}
	status, answer, err := s.respond(r.Context(), endpoint, newSignedRequest(r.Method, where.signed, r.Header), body)
	if err != nil {
		s.refuse(w, r, where, err)
		return
	}
	s.logEndpoint(r, endpoint)
	sendWhole(w, r.Method, status, answer)
	clear(answer) // That of a handshake or a rotation holds the HMAC key.
}

// serveProtected opens a request and seals its answer.
func (s *Server) serveProtected(w http.ResponseWriter, r *http.Request, where address, next http.Handler) {
	if isWebSocket(r) {
		s.logWebSocket(r, where)
		http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
		return
	}
	exchange, err := s.admit(r.Context(), newSignedRequest(r.Method, where.signed, r.Header))
	if err != nil {
		s.refuse(w, r, where, err)
		return
	}
	defer exchange.close()
	opened, err := s.open(w, r, exchange)
	if err != nil {
		s.refuse(w, r, where, err)
		return
	}
	answer := &answer{
		wire:      w,
		header:    http.Header{},
		head:      r.Method == http.MethodHead,
		exchange:  exchange,
		maxLength: s.config.maxAnswer,
		refuse:    func(err error) { s.refuse(w, r, where, err) },
	}
	defer answer.release()
	defer answer.recover(r)
	next.ServeHTTP(answer, opened)
	answer.finish()
}

// open makes of an admitted request the plain JSON request that the handler sees.
func (s *Server) open(w http.ResponseWriter, r *http.Request, exchange exchange) (*http.Request, error) {
	sealed, err := readBody(w, r, s.maxBody)
	if err != nil {
		return nil, err
	}
	plaintext, err := exchange.open(sealed)
	if err != nil {
		return nil, err
	}
	// Most handlers do not ask.
	peer := sync.OnceValues(exchange.peer)
	opened := r.WithContext(context.WithValue(r.Context(), peerKey{}, peer))
	opened.Method = strings.ToUpper(r.Method) // As it was signed, whatever it travelled in.
	opened.Header = visible(r.Header, hiddenRequestHeaders)
	// Nothing but HTTP goes through here.
	opened.Header.Del("Upgrade")
	opened.Header.Del("Connection")
	opened.TransferEncoding, opened.Trailer = nil, nil
	opened.ContentLength, opened.Body = int64(len(plaintext)), http.NoBody
	if len(plaintext) > 0 {
		opened.Body = io.NopCloser(bytes.NewReader(plaintext))
		opened.Header.Set("Content-Type", jsonType)
		opened.Header.Set("Content-Length", strconv.Itoa(len(plaintext)))
	}
	return opened, nil
}

// readBody reads a body of at most limit bytes. A client that goes away meanwhile is not answered.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	tooLong := &Error{Code: ErrWireInvalidPayloadFormat, Detail: "the body has more bytes than are taken"}
	if r.ContentLength > limit {
		return nil, tooLong
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, ok := err.(*http.MaxBytesError); ok {
		return nil, tooLong
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return body, nil
}

func isWebSocket(r *http.Request) bool {
	return strings.Contains(strings.ToLower(strings.Join(r.Header.Values("Upgrade"), ",")), "websocket")
}

// refuse answers with an error: its code and message go to the client, its detail, cause and hint to the log.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, where address, err error) {
	known := asError(err)
	s.logRefused(r, where, known)
	status, body := errorAnswer(known.Code)
	sendWhole(w, r.Method, status, body)
}

// sendWhole sends an answer that no cache may keep. HEAD gets the same headers and no body.
func sendWhole(w http.ResponseWriter, method string, status int, body []byte) {
	header := w.Header()
	header.Set("Content-Type", jsonType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if method != http.MethodHead {
		// An error means that the client has gone.
		_, _ = w.Write(body)
	}
}

// logPanic writes what net/http would, had the panic come to it, to where it would.
func logPanic(r *http.Request, cause any) {
	logf := log.Printf
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && server.ErrorLog != nil {
		logf = server.ErrorLog.Printf
	}
	logf("http: panic serving %v: %v\n%s", r.RemoteAddr, cause, debug.Stack())
}
