package nen

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

type answerState int

const (
	answerPending   answerState = iota // the handler has not said anything
	answerWhole                        // it is being collected
	answerStreaming                    // its head is on the wire
	answerSent                         // nothing more can be said: it was refused, or the handler has returned
)

// An answer is the ResponseWriter of a protected request. It has no Unwrap, since whoever got at the connection's own
// writer could send plaintext. Like any ResponseWriter it is used by one goroutine at a time.
type answer struct {
	wire      http.ResponseWriter
	header    http.Header // the handler's
	head      bool        // the method is HEAD
	exchange  exchange
	maxLength int
	refuse    func(error)

	state  answerState
	status int
	fixed  http.Header  // the handler's headers as they were when it sent them
	body   bytes.Buffer // of a whole answer
	sealer streamSealer // of a stream
}

var errAnswerSealed = errors.New("nen: the answer is complete, or was refused")

// Header returns the handler's headers.
func (a *answer) Header() http.Header {
	return a.header
}

// WriteHeader decides how the answer travels.
func (a *answer) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic("nen: invalid WriteHeader code " + strconv.Itoa(status)) // As net/http does.
	}
	if a.state != answerPending || status < http.StatusOK && status != http.StatusSwitchingProtocols {
		return
	}
	a.state, a.status, a.fixed = answerWhole, status, a.header.Clone()
	if a.fixed.Get("Content-Type") != "" {
		a.decide()
	}
}

// decide starts a stream if the answer is one by its type.
func (a *answer) decide() {
	form, err := answerForm(a.status, a.fixed)
	switch {
	case err != nil:
		a.fail(err)
	case form == formStream:
		a.startStream()
	}
}

// Write takes a part of a whole answer, or seals a chunk of a stream.
func (a *answer) Write(data []byte) (int, error) {
	if a.state == answerPending {
		a.WriteHeader(http.StatusOK)
	}
	switch a.state {
	case answerWhole:
		if len(data) > a.maxLength-a.body.Len() {
			a.fail(&Error{Code: ErrInternal, Detail: "the handler's answer has more bytes than WithMaxAnswer allows"})
			return 0, errAnswerSealed
		}
		return a.body.Write(data)
	case answerStreaming:
		return a.writeChunk(data)
	default:
		return 0, errAnswerSealed
	}
}

// Flush sends the chunks of a stream that were written. A whole answer is sent when the handler returns.
func (a *answer) Flush() {
	_ = a.FlushError()
}

// FlushError is Flush, and tells whether the client is still there. What a writer below cannot flush comes late, and
// whole.
func (a *answer) FlushError() error {
	if a.state != answerStreaming {
		return nil
	}
	if err := http.NewResponseController(a.wire).Flush(); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// SetReadDeadline is that of the connection, as [http.ResponseController] sets it.
func (a *answer) SetReadDeadline(deadline time.Time) error {
	return http.NewResponseController(a.wire).SetReadDeadline(deadline)
}

// SetWriteDeadline is that of the connection, as [http.ResponseController] sets it.
func (a *answer) SetWriteDeadline(deadline time.Time) error {
	return http.NewResponseController(a.wire).SetWriteDeadline(deadline)
}

// startStream sends the head of a sealed stream.
func (a *answer) startStream() {
	sealer, err := a.exchange.stream()
	if err != nil {
		a.fail(err)
		return
	}
	a.sealer = sealer
	nonce, err := sealer.nonceHeader()
	if err != nil {
		a.fail(err)
		return
	}
	a.copyHeader()
	for name, value := range streamHeaders {
		a.wire.Header().Set(name, value)
	}
	a.wire.Header().Set(streamNonceHeader, nonce)
	a.state = answerStreaming
	a.wire.WriteHeader(a.status)
}

// The most bytes of one chunk. Readers take a multiple of it unless told otherwise.
const chunkSize = 1 << 20

func (a *answer) writeChunk(data []byte) (int, error) {
	if a.head {
		return len(data), nil
	}
	written := 0
	for chunk := range slices.Chunk(data, chunkSize) {
		frame, err := a.sealer.seal(chunk)
		if err != nil {
			return written, err
		}
		if _, err := a.wire.Write(frame); err != nil {
			return written, err
		}
		written += len(chunk)
	}
	return written, nil
}

// finish completes the answer when the handler has returned.
func (a *answer) finish() {
	if a.state == answerPending {
		a.WriteHeader(http.StatusOK)
	}
	switch a.state {
	case answerWhole:
		a.sendWhole()
	case answerStreaming:
		frame, err := a.sealer.finish()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		a.state = answerSent
		if !a.head {
			// An error means that the client has gone.
			_, _ = a.wire.Write(frame)
		}
	}
}

func (a *answer) sendWhole() {
	form, err := a.wholeForm()
	if err != nil {
		a.fail(err)
		return
	}
	status, sealed, err := a.exchange.seal(form, a.status, a.body.Bytes())
	if err != nil {
		a.fail(err)
		return
	}
	a.state = answerSent
	a.copyHeader()
	header := a.wire.Header()
	header.Set("Content-Type", jsonType)
	header.Set("Cache-Control", "no-store")
	if length := a.sealedLength(form, len(sealed)); length >= 0 {
		header.Set("Content-Length", strconv.Itoa(length))
	}
	a.wire.WriteHeader(status)
	if !a.head {
		_, _ = a.wire.Write(sealed)
	}
}

// wholeForm is how a whole answer travels. If the handler named no type, what it wrote tells.
func (a *answer) wholeForm() (form, error) {
	if a.fixed.Get("Content-Type") != "" {
		return answerForm(a.status, a.fixed)
	}
	written := "text/plain"
	if a.body.Len() == 0 || json.Valid(a.body.Bytes()) {
		written = jsonType
	}
	a.fixed.Set("Content-Type", written)
	form, err := answerForm(a.status, a.fixed)
	if form == formStream {
		form = formText
	}
	return form, err
}

// sealedLength is the Content-Length of the sealed answer, -1 if it cannot be known: a handler of HEAD may have told
// what it would have written, of which only JSON is sealed as it is.
func (a *answer) sealedLength(form form, actual int) int {
	announced, err := strconv.Atoi(a.fixed.Get("Content-Length"))
	switch {
	case !a.head || a.body.Len() > 0 || err != nil || announced <= 0:
		return actual
	case form == formJSON && announced <= a.maxLength:
		return sealedSize(announced)
	}
	return -1
}

// copyHeader puts those of the handler's headers on the wire that travel.
func (a *answer) copyHeader() {
	for name, values := range visible(a.fixed, hiddenAnswerHeaders) {
		if !strings.HasPrefix(name, http.TrailerPrefix) { // net/http would send it as a trailer, in the clear.
			a.wire.Header()[name] = values
		}
	}
}

// fail answers with an error instead.
func (a *answer) fail(err error) {
	a.state = answerSent
	a.body.Reset()
	a.refuse(err)
}

// recover answers for a handler that panicked, unless something was sent, or nothing shall be.
func (a *answer) recover(r *http.Request) {
	cause := recover()
	switch {
	case cause == nil:
	case cause == http.ErrAbortHandler || a.state == answerStreaming:
		panic(cause)
	default:
		logPanic(r, cause)
		if a.state != answerSent {
			a.fail(&Error{Code: ErrInternal, Detail: "the handler panicked"})
		}
	}
}

// release wipes the keys of a stream, and what was collected.
func (a *answer) release() {
	a.sealer.close()
	clear(a.body.Bytes())
}
