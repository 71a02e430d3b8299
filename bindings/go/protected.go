package nen

import (
	"bytes"
	"context"
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

// roundTrip seals a request, sends it, and opens the answer, over as many attempts as the protocol allows. The request
// is not changed; its body is closed.
func (c *connection) roundTrip(request *http.Request, expected expectation) (*http.Response, error) {
	plaintext, err := plainBody(request)
	if err != nil {
		return nil, err
	}
	if err := c.base.check(request.URL); err != nil {
		return nil, err
	}
	ctx := request.Context()
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	method := request.Method
	if method == "" {
		method = http.MethodGet
	}
	target, _, _ := strings.Cut(request.URL.RequestURI(), "?") // What net/http puts in the request line.
	call, err := c.core.call(method, target)
	if err != nil {
		return nil, err
	}
	defer call.close()
	for {
		sealed, err := call.seal(plaintext)
		if err != nil {
			return nil, err
		}
		response, err := c.send(withSealed(request, sealed))
		if err != nil {
			return nil, err
		}
		opened, outcome, err := c.open(call, request, response, expected)
		if err != nil || opened != nil {
			return opened, err
		}
		if outcome == outcomeReestablish {
			if err := c.reestablish(ctx, sealed.sid); err != nil {
				return nil, err
			}
		}
	}
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
	success := response.StatusCode/100 == 2
	if success && request.Method != http.MethodHead && (expected == expectStream || expected == expectEither && isStream(response)) {
		opener, err := call.openStream(response.Header)
		if err != nil {
			response.Body.Close()
			return nil, 0, err
		}
		return openedResponse(request, response, newStream(request.Context(), opener, response.Body), -1), outcomeAnswer, nil
	}
	answer, err := c.receive(response)
	if err != nil {
		return nil, 0, err
	}
	if expected == expectStream {
		outcome, err := call.refuseStream(answer)
		return nil, outcome, err
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

// isStream tells whether an answer means to be a stream; whether it is one, its nonce and its chunks show.
func isStream(response *http.Response) bool {
	mediaType, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	return mediaType == "text/event-stream" || response.Header.Get(streamNonceHeader) != ""
}

type sealedKey struct{}

// IsSealed reports whether a response of a [Client] or [Transport] is the endpoint's own answer. Only its body is
// authentic: the protocol does not seal status and headers. Other responses, which are never 2xx, come from something in
// between (a proxy's 502, a redirect), and nothing of them is authentic. An answer to HEAD has no body that could show
// whose it is.
func IsSealed(response *http.Response) bool {
	if response == nil || response.Request == nil {
		return false
	}
	sealed, _ := response.Request.Context().Value(sealedKey{}).(bool)
	return sealed
}

// openedResponse is the response with its plain body; a negative length is that of a stream.
func openedResponse(request *http.Request, response *http.Response, body io.ReadCloser, length int) *http.Response {
	opened := *response
	opened.Request = request.WithContext(context.WithValue(request.Context(), sealedKey{}, true))
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
	foreign.Request = request.WithContext(context.WithValue(request.Context(), sealedKey{}, false))
	foreign.Body = io.NopCloser(bytes.NewReader(body))
	return &foreign
}
