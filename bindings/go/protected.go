package nen

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// What a caller expects as the answer.
type expectation int

const (
	expectWhole  expectation = iota
	expectStream             // a 2xx answer is a stream, or none of the protocol
	expectEither             // the headers of the answer tell
)

// roundTrip seals a request, sends it, and opens the answer. The request is not changed; its body is closed.
func (c *connection) roundTrip(request *http.Request, expected expectation) (*http.Response, error) {
	plaintext, err := plainBody(request)
	if err != nil {
		return nil, err
	}
	if err := c.base.check(request.URL); err != nil {
		return nil, err
	}
	return answered(func() (*http.Response, error) { return c.attempts(request, plaintext, expected) })
}

// attempts makes as many attempts as the protocol allows.
func (c *connection) attempts(request *http.Request, plaintext []byte, expected expectation) (*http.Response, error) {
	ctx := request.Context()
	target, _, _ := strings.Cut(request.URL.RequestURI(), "?") // What net/http puts in the request line.
	call, err := c.core.call(cmp.Or(request.Method, http.MethodGet), target)
	if err != nil {
		return nil, err
	}
	defer call.close()
	for {
		sealed, err := c.seal(ctx, call, plaintext)
		if err != nil {
			return nil, err
		}
		var sent copies
		response, err := c.send(withSealed(request.WithContext(sent.count(ctx)), sealed))
		if err != nil {
			return nil, err
		}
		opened, outcome, err := c.open(call, request, response, expected)
		if err != nil || opened != nil {
			return opened, sent.explain(response.StatusCode, err)
		}
		switch outcome {
		case outcomeReestablish:
			if err := c.reestablish(ctx, sealed.sid); err != nil {
				return nil, err
			}
		case outcomeRepeat:
			c.logRepeat(ctx, sealed.sid)
		}
	}
}

// seal seals the next attempt, in the session there is, or in a new one. Another goroutine may terminate that
// meanwhile, but hardly several times.
func (c *connection) seal(ctx context.Context, call coreCall, plaintext []byte) (sealed sealedRequest, err error) {
	for range 3 {
		if err := c.connect(ctx); err != nil {
			return sealedRequest{}, err
		}
		if sealed, err = call.seal(plaintext); !errors.Is(err, ErrSessionNotInitialized) {
			break
		}
	}
	return sealed, err
}

// plainBody reads the body of a request, which is sealed as a whole, and so is there for another attempt.
func plainBody(request *http.Request) ([]byte, error) {
	if request.Body == nil {
		return nil, nil
	}
	defer request.Body.Close()
	return io.ReadAll(request.Body)
}

func withSealed(request *http.Request, sealed sealedRequest) *http.Request {
	attempt := request.Clone(request.Context())
	if attempt.Header == nil {
		attempt.Header = http.Header{}
	}
	maps.Copy(attempt.Header, sealed.header)
	setBody(attempt, sealed.body)
	return attempt
}

// open reads the answer to an attempt. Without a response there is to be another one.
func (c *connection) open(
	call coreCall, request *http.Request, response *http.Response, expected expectation,
) (*http.Response, outcome, error) {
	if response.StatusCode/100 == 2 && request.Method != http.MethodHead {
		switch {
		case expected == expectStream || expected == expectEither && isStream(response):
			stream, err := openStream(call, request, response)
			return stream, outcomeAnswer, err
		case expected == expectWhole && isStream(response): // It may be endless.
			response.Body.Close()
			detail := "the endpoint answered with a stream: use Stream or Do"
			return nil, 0, &Error{Code: ErrWireInvalidPayloadFormat, Detail: detail}
		}
	}
	answer, err := c.receive(response)
	if err != nil {
		return nil, 0, err
	}
	outcome, plaintext, err := call.open(answer)
	if err != nil {
		return nil, 0, err
	}
	switch outcome {
	case outcomeAnswer:
		body := io.NopCloser(bytes.NewReader(plaintext))
		return openedResponse(request, response, body, len(plaintext)), outcome, nil
	case outcomeForeign:
		return foreignResponse(request, response, answer.body), outcome, nil
	}
	return nil, outcome, nil
}

func openStream(call coreCall, request *http.Request, response *http.Response) (*http.Response, error) {
	opener, err := call.openStream(response.Header)
	if err == nil {
		return openedResponse(request, response, newStream(request.Context(), opener, response.Body), -1), nil
	}
	response.Body.Close()
	if known := asError(err); known.Code == ErrStreamMissingNonceHeader && !isStream(response) {
		known.Detail = "the endpoint answered with a whole body: use Fetch"
	}
	return nil, err
}

// isStream tells whether an answer means to be a stream; whether it is one, its nonce and its chunks show.
func isStream(response *http.Response) bool {
	mediaType, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	return mediaType == "text/event-stream" || response.Header.Get(streamNonceHeader) != ""
}

type sealedKey struct{}

// IsSealed reports whether a response, as a [Client] or [Transport] returned it, is the endpoint's own answer. Only
// its body is authentic: the protocol does not seal status and headers. Other responses, which are never 2xx except
// to HEAD, come from something in between (a proxy's 502, a redirect), and nothing of them is authentic. An answer to
// HEAD has no body that could show whose it is.
func IsSealed(response *http.Response) bool {
	if response == nil || response.Request == nil || response.Request.Method == http.MethodHead {
		return false
	}
	// The context of a request passes to those that are made of it, so that it has to name the response.
	sealed, _ := response.Request.Context().Value(sealedKey{}).(*http.Response)
	return sealed == response
}

// openedResponse is the response with its plain body; a negative length is that of a stream.
func openedResponse(request *http.Request, response *http.Response, body io.ReadCloser, length int) *http.Response {
	opened := *response
	opened.Request = request.WithContext(context.WithValue(request.Context(), sealedKey{}, &opened))
	opened.Header = visible(response.Header, hiddenAnswerHeaders)
	opened.TransferEncoding, opened.Trailer, opened.Uncompressed = nil, nil, false
	opened.ContentLength, opened.Body = int64(length), body
	switch {
	case request.Method == http.MethodHead:
		opened.Body, opened.ContentLength = http.NoBody, -1
	case length < 0:
		opened.Header.Set("Content-Type", "application/octet-stream")
	default:
		opened.Header.Set("Content-Type", jsonType)
		opened.Header.Set("Content-Length", strconv.Itoa(length))
	}
	return &opened
}

func foreignResponse(request *http.Request, response *http.Response, body []byte) *http.Response {
	foreign := *response
	foreign.Request = request
	foreign.Body = io.NopCloser(bytes.NewReader(body))
	return &foreign
}
