package nen

/*
#include <nen.h>

#cgo noescape nen_stream_opener_push
#cgo noescape nen_stream_opener_next
#cgo noescape nen_stream_sealer_seal
#cgo noescape nen_stream_sealer_finish
#cgo noescape nen_stream_sealer_nonce_header
#cgo nocallback nen_stream_opener_push
#cgo nocallback nen_stream_opener_next
#cgo nocallback nen_stream_sealer_seal
*/
import "C"

import "unsafe"

// A streamOpener opens the chunks of a stream, on the client.
type streamOpener struct {
	*handle[*C.nen_stream_opener]
}

func newStreamOpener(opener *C.nen_stream_opener) streamOpener {
	return streamOpener{newHandle(opener, func(opener *C.nen_stream_opener) { C.nen_stream_opener_free(opener) })}
}

// push takes in bytes as they come.
func (o streamOpener) push(bytes []byte) error {
	data, length := octets(bytes)
	return use(o.handle, func(opener *C.nen_stream_opener) C.int32_t {
		return C.nen_stream_opener_push(opener, data, length)
	})
}

type streamState C.int32_t

const (
	streamChunk    streamState = C.NEN_STREAM_CHUNK
	streamFinished streamState = C.NEN_STREAM_FINISHED
)

// next is the next chunk that was completed.
func (o streamOpener) next() (streamState, []byte, error) {
	var state C.int32_t
	var chunk C.nen_buffer
	err := use(o.handle, func(opener *C.nen_stream_opener) C.int32_t {
		return C.nen_stream_opener_next(opener, &state, &chunk)
	})
	if err != nil {
		return 0, nil, err
	}
	return streamState(state), take(&chunk), nil
}

// end is an error unless the end mark came.
func (o streamOpener) end() error {
	return use(o.handle, func(opener *C.nen_stream_opener) C.int32_t { return C.nen_stream_opener_end(opener) })
}

// A streamSealer seals the chunks of a stream, on the server.
type streamSealer struct {
	*handle[*C.nen_stream_sealer]
}

func newStreamSealer(sealer *C.nen_stream_sealer) streamSealer {
	return streamSealer{newHandle(sealer, func(sealer *C.nen_stream_sealer) { C.nen_stream_sealer_free(sealer) })}
}

// nonceHeader is the value of the header that announces the stream.
func (s streamSealer) nonceHeader() (string, error) {
	var room [C.NEN_NONCE_TEXT_SIZE]C.char
	err := use(s.handle, func(sealer *C.nen_stream_sealer) C.int32_t {
		return C.nen_stream_sealer_nonce_header(sealer, unsafe.SliceData(room[:]), C.NEN_NONCE_TEXT_SIZE)
	})
	return field(room[:]), err
}

// seal makes of one chunk what to send.
func (s streamSealer) seal(chunk []byte) ([]byte, error) {
	var frame C.nen_buffer
	data, length := octets(chunk)
	err := use(s.handle, func(sealer *C.nen_stream_sealer) C.int32_t {
		return C.nen_stream_sealer_seal(sealer, data, length, &frame)
	})
	if err != nil {
		return nil, err
	}
	return take(&frame), nil
}

// finish makes the end mark.
func (s streamSealer) finish() ([]byte, error) {
	var frame C.nen_buffer
	err := use(s.handle, func(sealer *C.nen_stream_sealer) C.int32_t {
		return C.nen_stream_sealer_finish(sealer, &frame)
	})
	if err != nil {
		return nil, err
	}
	return take(&frame), nil
}
