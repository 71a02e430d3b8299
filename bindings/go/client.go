package nen

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// A Client talks to the protected endpoints of one server, over one session that all calls share. It shakes hands on
// first use. Any number of goroutines may use it at once. Its zero value is not usable: [NewClient] makes one.
//
// Errors are [*Error] for whatever the protocol refuses, whoever said so; and what the HTTP client returns if the
// server cannot be reached or the context ends.
type Client struct {
	connection *connection
}

// NewClient makes a client of the server at a URL of http or https, with a path if the server is mounted under one.
func NewClient(baseURL string, options ...ClientOption) (*Client, error) {
	config, err := clientConfigOf(options)
	if err != nil {
		return nil, err
	}
	sender := http.Client{}
	if config.http != nil {
		sender = *config.http
	}
	// A signature is for one path of one server: a redirect is an answer, not an instruction.
	sender.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if sender.Transport == nil {
		sender.Transport = http.DefaultTransport
	}
	sender.Transport = locationCheck{sender.Transport}
	connection, err := newConnection(baseURL, config, sender.Do)
	if err != nil {
		return nil, err
	}
	return &Client{connection}, nil
}

// A locationCheck takes off a Location that is no URL, at which http.Client would fail before it asks CheckRedirect.
type locationCheck struct{ http.RoundTripper }

func (l locationCheck) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := l.RoundTripper.RoundTrip(request)
	if err == nil {
		if _, err := request.URL.Parse(response.Header.Get("Location")); err != nil {
			response.Header.Del("Location")
		}
	}
	return response, err
}

// Handshake exchanges keys with the server. Calls at the same time share one handshake, which goes on if only some of
// them are cancelled. Other methods call it when it is needed.
//
// Errors: [ErrHandshakeFailed], [ErrHandshakeNetwork], [ErrHandshakeBadResponse], and what the server refuses it with.
func (c *Client) Handshake(ctx context.Context) error {
	return c.connection.handshake(ctx)
}

// Fetch sends in as JSON to a protected endpoint, a nil one as no body, and decodes the answer into out, unless that
// is nil. The path is under the base URL, percent-encoded.
//
// Errors: [*HTTPError] for an answer that is not 2xx; what the server refuses the request with, and what Handshake
// returns; [ErrCryptoPayloadNotJSON] if in is no JSON; [ErrWireInvalidPayloadFormat] for an answer that is a stream,
// too long or not sealed; [ErrCryptoDecryptFailed] for one that was changed. An answer that does not fit out is an
// error that wraps the one of encoding/json, whose text may quote the answer.
func (c *Client) Fetch(ctx context.Context, method, path string, in, out any) error {
	request, err := c.NewRequest(ctx, method, path, in)
	if err != nil {
		return err
	}
	response, err := c.connection.roundTrip(request, expectWhole)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return &HTTPError{response.StatusCode, response.Header, IsSealed(response), body}
	}
	if out == nil || len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return &misfit{out, err}
	}
	return nil
}

// A misfit is an answer that could not be decoded. Its text leaves out that of its cause, which may quote plaintext.
type misfit struct {
	out   any
	cause error
}

func (m *misfit) Error() string {
	return fmt.Sprintf("nen: the answer does not fit %T", m.out)
}

func (m *misfit) Unwrap() error {
	return m.cause
}

// NewRequest makes a request for [Client.Do], with in as its JSON body, a nil one as none.
func (c *Client) NewRequest(ctx context.Context, method, path string, in any) (*http.Request, error) {
	address, err := c.connection.base.resolve(path)
	if err != nil {
		return nil, err
	}
	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return nil, fmt.Errorf("nen: the request's body: %w", err)
		}
	}
	return newRequest(ctx, method, address, http.Header{}, body), nil
}

// Do sends a request to a protected endpoint, as [http.Client.Do] does, and returns the response with its plain body,
// whatever its status. Its body is to be closed.
//
// net/http sends an idempotent request (GET, HEAD, OPTIONS, TRACE, or one with an Idempotency-Key) again if a
// connection breaks before its answer; it is then sealed anew, once. Of any other request that met this nobody knows
// whether it was carried out.
//
// Errors: as Fetch, but for [*HTTPError].
func (c *Client) Do(request *http.Request) (*http.Response, error) {
	return c.connection.roundTrip(request, expectEither)
}

// Stream sends in, as Fetch does, to a protected endpoint that answers with a stream, which is to be closed. It ends
// with the context, too.
//
// Errors: [ErrStreamRequestFailed], which wraps an [*HTTPError], for an answer that is not 2xx;
// [ErrStreamMissingNonceHeader] for one that is no stream; what the server refuses it with. Those of reading are
// listed at [Stream].
func (c *Client) Stream(ctx context.Context, method, path string, in any) (*Stream, error) {
	request, err := c.NewRequest(ctx, method, path, in)
	if err != nil {
		return nil, err
	}
	response, err := c.connection.roundTrip(request, expectStream)
	if err != nil {
		return nil, err
	}
	if stream, ok := response.Body.(*Stream); ok {
		return stream, nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	return nil, &Error{
		Code:   ErrStreamRequestFailed,
		Detail: "the stream request was not answered with a stream",
		Cause:  &HTTPError{response.StatusCode, response.Header, IsSealed(response), body},
	}
}

// Rotate replaces the session by a new one. Requests in flight are answered under the old keys. A session that the
// server no longer has is replaced by a handshake. If it fails, the old session stays.
//
// Errors: as Handshake; [ErrSessionNotInitialized] without a session.
func (c *Client) Rotate(ctx context.Context) error {
	return c.connection.rotate(ctx)
}

// Terminate ends the session, on the server and here. Without a session it does nothing. A call that begins meanwhile
// shakes hands anew.
//
// Errors: what the server refuses it with, for example [ErrStoreUnavailable]; the session stays then.
func (c *Client) Terminate(ctx context.Context) error {
	return c.connection.terminate(ctx)
}

// Status reports whether the server has a live session of this client.
//
// Errors: what the server refuses to tell it with, for example [ErrStoreUnavailable].
func (c *Client) Status(ctx context.Context) (bool, error) {
	return c.connection.status(ctx)
}

// SessionID is the id of the current session; empty before the handshake, after Terminate and after Close.
func (c *Client) SessionID() string {
	sid, err := c.connection.core.sessionID()
	if err != nil {
		return ""
	}
	return sid
}

// Close wipes the keys of the session, which lives on at the server until its end; Terminate ends it there.
func (c *Client) Close() error {
	c.connection.core.close()
	return nil
}

// An HTTPError is an answer to [Client.Fetch] or [Client.Stream] that is not 2xx. That is no failure of the protocol.
type HTTPError struct {
	// StatusCode is the HTTP status.
	StatusCode int
	// Header are the answer's headers.
	Header http.Header
	// Sealed tells whether Body is the endpoint's own answer (a 404 or 422 of the application). If not, something in
	// between answered (a proxy's 502, a redirect), and nothing of it is authentic.
	Sealed bool
	// Body is the answer: the decrypted JSON if it is sealed. The error's text does not hold it.
	Body []byte
}

// Error tells who answered with which status.
func (e *HTTPError) Error() string {
	who := "something that is not the endpoint, or cannot seal,"
	if e.Sealed {
		who = "the endpoint"
	}
	return fmt.Sprintf("nen: %s answered with HTTP status %d", who, e.StatusCode)
}
