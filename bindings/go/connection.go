package nen

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
)

// A connection is what [Client] and [Transport] have in common: the session with one server and what is done with it.
type connection struct {
	core      clientCore
	base      baseURL
	send      func(*http.Request) (*http.Response, error) // follows no redirect
	prefix    string
	maxAnswer int
	logger    func() *slog.Logger
	changes   *flights
}

func newConnection(base string, config clientConfig, send func(*http.Request) (*http.Response, error)) (*connection, error) {
	address, err := parseBaseURL(base)
	if err != nil {
		return nil, err
	}
	core, err := newClientCore(config.identity, config.correctClock, config.maxChunk)
	if err != nil {
		return nil, err
	}
	return &connection{core, address, usable(send), config.prefix, config.maxAnswer, config.log, newFlights()}, nil
}

// usable lets through responses with a body that ends. That of a connection that changed its protocol does not, and no
// context ends it either.
func usable(send func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(request *http.Request) (*http.Response, error) {
		response, err := send(request)
		if err != nil {
			return nil, err
		}
		if response.Body == nil { // Of a transport that is not net/http's.
			response.Body = http.NoBody
		}
		if response.StatusCode == http.StatusSwitchingProtocols {
			response.Body.Close()
			return nil, errors.New("nen: the connection changed its protocol, which was not asked for")
		}
		return response, nil
	}
}

func clientConfigOf(options []ClientOption) (clientConfig, error) {
	config := clientConfig{commonConfig: defaults(), correctClock: true}
	for _, option := range options {
		if option == nil {
			return config, errNilOption
		}
		if err := option.applyToClient(&config); err != nil {
			return config, err
		}
	}
	return config, nil
}

// handshake exchanges keys with the server. The first is the one that calls may be waiting for.
func (c *connection) handshake(ctx context.Context) error {
	sid, err := c.core.sessionID()
	switch {
	case err != nil:
		return err
	case sid == "":
		return c.reestablish(ctx, "")
	}
	return c.changes.join(ctx, "handshake", c.exchangeKeys)
}

// reestablish makes a session in place of the one with this id, or of none, unless that was done meanwhile.
func (c *connection) reestablish(ctx context.Context, sid string) error {
	return c.changes.join(ctx, "reestablish "+sid, func(ctx context.Context) error {
		if current, err := c.core.sessionID(); err != nil || current != sid {
			return err
		}
		if sid != "" {
			c.log(ctx, slog.LevelInfo, "nen: the server has lost the session, a new one is made")
		}
		return c.exchangeKeys(ctx)
	})
}

// connect makes the first session.
func (c *connection) connect(ctx context.Context) error {
	sid, err := c.core.sessionID()
	if err != nil || sid != "" {
		return err
	}
	return c.reestablish(ctx, "")
}

func (c *connection) rotate(ctx context.Context) error {
	return c.changes.join(ctx, "rotate", func(ctx context.Context) error {
		_, err := c.lifecycle(ctx, routeRotate)
		return err
	})
}

func (c *connection) terminate(ctx context.Context) error {
	return c.changes.join(ctx, "terminate", func(ctx context.Context) error {
		if sid, err := c.core.sessionID(); err != nil || sid == "" {
			return err
		}
		_, err := c.lifecycle(ctx, routeTerminate)
		return err
	})
}

func (c *connection) status(ctx context.Context) (bool, error) {
	if sid, err := c.core.sessionID(); err != nil || sid == "" {
		return false, err
	}
	return c.lifecycle(ctx, routeStatus)
}

func (c *connection) exchangeKeys(ctx context.Context) error {
	exchange, body, err := c.core.handshake()
	if err != nil {
		return err
	}
	defer exchange.close()
	answer, err := c.ask(ctx, http.MethodPost, "/handshake", http.Header{}, body)
	if err != nil {
		return keyExchangeError(ctx, err)
	}
	defer clear(answer.body) // It holds the HMAC key.
	if err := c.core.establish(exchange, answer); err != nil {
		return err
	}
	c.log(ctx, slog.LevelDebug, "nen: session established")
	return nil
}

// The session endpoints of the lifecycle.
var endpoints = map[route]struct{ method, path string }{
	routeRotate:    {http.MethodPost, "/rotate"},
	routeTerminate: {http.MethodPost, "/terminate"},
	routeStatus:    {http.MethodGet, "/status"},
}

func (c *connection) lifecycle(ctx context.Context, what route) (bool, error) {
	return answered(func() (bool, error) { return c.lifecycleAttempts(ctx, what) })
}

func (c *connection) lifecycleAttempts(ctx context.Context, what route) (bool, error) {
	endpoint := endpoints[what]
	address, err := c.base.resolve(c.prefix + endpoint.path)
	if err != nil {
		return false, err
	}
	call, err := c.core.lifecycleCall(what, address.EscapedPath())
	if err != nil {
		return false, err
	}
	defer call.close()
	for {
		sealed, err := call.seal()
		if err != nil {
			return false, err
		}
		var sent copies
		answer, err := c.ask(sent.count(ctx), endpoint.method, endpoint.path, sealed.header, sealed.body)
		if err != nil && what == routeRotate {
			return false, keyExchangeError(ctx, err)
		}
		if err != nil {
			return false, err
		}
		outcome, done, err := call.open(answer)
		clear(answer.body) // That of a rotation holds the HMAC key.
		switch {
		case err != nil:
			return false, sent.explain(answer.status, err)
		case outcome == outcomeDone:
			return done, nil
		case outcome == outcomeReestablish:
			c.log(ctx, slog.LevelInfo, "nen: the server has lost the session, a new one is made")
			return true, c.exchangeKeys(ctx)
		case outcome == outcomeRepeat:
			c.logRepeat(ctx, sealed.sid)
		}
	}
}

// ask sends a request to a session endpoint and reads the answer.
func (c *connection) ask(ctx context.Context, method, path string, header http.Header, body []byte) (received, error) {
	address, err := c.base.resolve(c.prefix + path)
	if err != nil {
		return received{}, err
	}
	response, err := c.send(newRequest(ctx, method, address, header, body))
	if err != nil {
		return received{}, err
	}
	return c.receive(response)
}

// newRequest makes a request that carries bytes, or nothing.
func newRequest(ctx context.Context, method string, address *url.URL, header http.Header, body []byte) *http.Request {
	request := (&http.Request{Method: method, URL: address, Host: address.Host, Header: header}).WithContext(ctx)
	setBody(request, body)
	return request
}

// setBody gives a request the bytes that libnen sealed, or no body.
func setBody(request *http.Request, body []byte) {
	request.Header.Del("Content-Length")
	request.TransferEncoding, request.Trailer = nil, nil
	request.ContentLength = int64(len(body))
	request.Body, request.GetBody = http.NoBody, nil
	if len(body) > 0 {
		request.Header.Set("Content-Type", jsonType)
		// The transport sends it anew on another connection if nothing went out on the first.
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		request.Body, _ = request.GetBody()
	}
}

// receive reads an answer, up to the limit, and closes it.
func (c *connection) receive(response *http.Response) (received, error) {
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(c.maxAnswer)+1))
	if err != nil {
		return received{}, err
	}
	if len(body) > c.maxAnswer {
		return received{}, &Error{Code: ErrWireInvalidPayloadFormat, Detail: "the answer has more bytes than WithMaxAnswer allows"}
	}
	return received{response.StatusCode, response.Header.Get("Date"), body}, nil
}

// keyExchangeError tells that the server could not be reached by what is no error of the protocol; an endless answer
// is no handshake.
func keyExchangeError(ctx context.Context, err error) error {
	var known *Error
	switch {
	case err == nil || ctx.Err() != nil || errors.Is(err, ErrClosed):
		return err
	case !errors.As(err, &known):
		return &Error{Code: ErrHandshakeNetwork, Cause: err}
	case known.Code == ErrWireInvalidPayloadFormat:
		return &Error{Code: ErrHandshakeBadResponse, Cause: err}
	}
	return err
}
