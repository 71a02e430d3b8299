package nen

import (
	"errors"
	"io"
	"net/http"
)

// A StreamWriter sends a sealed stream, chunk by chunk. It is used by one goroutine at a time, until the handler
// returns.
type StreamWriter struct {
	answer *answer
}

var _ io.StringWriter = (*StreamWriter)(nil)

// NewStreamWriter makes a sealed stream of the answer to a protected request, and sends its head at once, with the
// status of 2xx that w.WriteHeader set, or 200. The stream is complete when the handler returns; one that must break
// it off panics with [http.ErrAbortHandler], and the client gets [ErrStreamTruncated].
//
// It fails if the path is not protected, or if the handler has begun to answer in another way.
func NewStreamWriter(w http.ResponseWriter) (*StreamWriter, error) {
	a := answerOf(w)
	if a == nil {
		return nil, errors.New("nen: the path of this request is not protected, so that nothing would be sealed")
	}
	if a.state == answerPending {
		a.WriteHeader(http.StatusOK)
	}
	if a.state == answerWhole && a.body.Len() == 0 {
		a.fixed.Set("Content-Type", streamHeaders["Content-Type"])
		a.decide()
	}
	if a.state != answerStreaming {
		return nil, errors.New("nen: the answer was begun in another way than as a stream")
	}
	return &StreamWriter{a}, a.FlushError()
}

// answerOf finds the writer of a protected request under those that middleware may have put around it.
func answerOf(w http.ResponseWriter) *answer {
	for {
		switch writer := w.(type) {
		case *answer:
			return writer
		case interface{ Unwrap() http.ResponseWriter }:
			w = writer.Unwrap()
		default:
			return nil
		}
	}
}

// Write sends a chunk; what is longer than 1 MiB, as several. It fails if the client has gone.
func (s *StreamWriter) Write(chunk []byte) (int, error) {
	n, err := s.answer.Write(chunk)
	if err == nil {
		err = s.answer.FlushError()
	}
	return n, err
}

// WriteString sends a chunk of text.
func (s *StreamWriter) WriteString(chunk string) (int, error) {
	return s.Write([]byte(chunk))
}
