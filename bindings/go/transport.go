package nen

import (
	"errors"
	"net/http"
)

// A Transport is an [http.RoundTripper] for the protected endpoints of one server, so that programs written for
// [http.Client] need no other change. It shakes hands on first use, seals the body of each request, which must be
// JSON or none, and opens the answer: the response has the plain body, as JSON or as a stream that is read as it
// comes, and [IsSealed] tells whether it is the endpoint's own.
//
// It fails closed: whatever the protocol refuses is an [*Error], and so is an error that the server answers with.
// Reading a stream that breaks off ends with [ErrStreamTruncated]. A session that the server lost is made anew, once
// for all requests under way, and the request repeated. Requests to any other server are refused, since what they
// carry is not for it. So are those that follow a redirect: it is not authentic, and who sent it would choose the
// path that is signed. With a CheckRedirect that returns [http.ErrUseLastResponse] it is the answer.
//
// Any number of goroutines may use it at once. Its zero value is not usable: [NewTransport] makes one.
type Transport struct {
	connection *connection
	base       http.RoundTripper
}

var _ http.RoundTripper = (*Transport)(nil)

// NewTransport makes a transport over another one, [http.DefaultTransport] if that is nil, to the server at a URL of
// http or https, with a path if the server is mounted under one.
func NewTransport(base http.RoundTripper, baseURL string, options ...ClientOption) (*Transport, error) {
	config, err := clientConfigOf(options)
	if err != nil {
		return nil, err
	}
	if config.http != nil {
		return nil, errors.New("nen: WithHTTPClient is for NewClient: a transport sends by its base")
	}
	if base == nil {
		base = http.DefaultTransport
	}
	connection, err := newConnection(baseURL, config, base.RoundTrip)
	if err != nil {
		return nil, err
	}
	return &Transport{connection, base}, nil
}

var errRedirected = errors.New("nen: a redirect is not authentic and is not followed; " +
	"set CheckRedirect to return http.ErrUseLastResponse to have it as the answer")

// RoundTrip seals a request, sends it and opens the answer.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Response != nil { // It is made to follow that one.
		if request.Body != nil {
			request.Body.Close()
		}
		return nil, errRedirected
	}
	return t.connection.roundTrip(request, expectEither)
}

// CloseIdleConnections closes the idle connections of the transport below, if it can; [http.Client] calls it.
func (t *Transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// Close wipes the keys of the session, which lives on at the server until its end.
func (t *Transport) Close() error {
	t.connection.core.close()
	return nil
}
