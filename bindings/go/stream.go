package nen

import (
	"context"
	"errors"
	"io"
	"iter"
)

// A Stream is the plaintext of a sealed stream, as it arrives. It is read by one goroutine at a time; Close may be
// called by another. Its zero value is not usable: [Client.Stream] makes one.
//
// Errors of reading: io.EOF when all of it was read; [ErrStreamTruncated] if the stream broke off: what was read is
// authentic, but not all of it came; [ErrCryptoDecryptFailed] for a chunk that was changed, moved, dropped or
// repeated.
type Stream struct {
	ctx     context.Context
	opener  streamOpener
	body    io.ReadCloser
	rest    []byte // of a chunk that a Read had no room for
	room    []byte
	failure error // what every further read returns
}

const transportRead = 32 << 10

func newStream(ctx context.Context, opener streamOpener, body io.ReadCloser) *Stream {
	return &Stream{ctx: ctx, opener: opener, body: body, room: make([]byte, transportRead)}
}

// Read reads the text of the stream.
func (s *Stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(s.rest) == 0 {
		chunk, err := s.next()
		if err != nil {
			return 0, err
		}
		s.rest = chunk
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Chunks iterates over the chunks, as the server wrote them; after an error, which comes with no chunk, it ends.
// Leaving the loop leaves the stream open.
func (s *Stream) Chunks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if rest := s.rest; len(rest) > 0 {
			s.rest = nil
			if !yield(rest, nil) {
				return
			}
		}
		for {
			chunk, err := s.next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					yield(nil, err)
				}
				return
			}
			if !yield(chunk, nil) {
				return
			}
		}
	}
}

// Close ends the stream, also before its end, and its request with it.
func (s *Stream) Close() error {
	s.opener.close()
	return s.body.Close()
}

// next is the next chunk, or why there is none.
func (s *Stream) next() ([]byte, error) {
	if s.failure != nil {
		return nil, s.failure
	}
	chunk, err := s.receive()
	if err != nil {
		s.failure = err
		_ = s.Close()
	}
	return chunk, err
}

func (s *Stream) receive() ([]byte, error) {
	for {
		state, chunk, err := s.opener.next()
		switch {
		case err != nil:
			return nil, err
		case state == streamChunk:
			return chunk, nil
		case state == streamFinished:
			return nil, io.EOF
		}
		n, err := s.body.Read(s.room)
		if n > 0 {
			if err := s.opener.push(s.room[:n]); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, s.ended(err)
		}
	}
}

// ended tells what it means that the transport has nothing more.
func (s *Stream) ended(cause error) error {
	if err := s.opener.end(); err != nil && errors.Is(cause, io.EOF) || errors.Is(err, ErrClosed) {
		return err
	}
	if err := s.ctx.Err(); err != nil {
		return err
	}
	return &Error{Code: ErrStreamTruncated, Detail: "the transport broke", Cause: cause}
}
