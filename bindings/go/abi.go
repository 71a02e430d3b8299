package nen

/*
#include <nen.h>

#cgo noescape nen_buffer_free
#cgo nocallback nen_buffer_free
#cgo nocallback nen_last_detail
*/
import "C"

import (
	"bytes"
	"fmt"
	"runtime"
	"time"
	"unsafe"
)

// A library of another ABI reads arguments that were not meant that way, so that nothing can be done with it.
var abiChecked = func() bool {
	if loaded := C.nen_abi_version(); loaded != C.NEN_ABI_VERSION {
		panic(fmt.Sprintf("nen: built for version %d of libnen's ABI, and loaded a library of version %d (release %s)",
			int(C.NEN_ABI_VERSION), uint32(loaded), LibraryVersion()))
	}
	return true
}()

// constant is a text of libnen's that does not change. Go makes abiChecked before any variable that is made by this.
func constant(text func() *C.char) string {
	_ = abiChecked
	return C.GoString(text())
}

// LibraryVersion is the release of the libnen in use, for example "0.1.0".
func LibraryVersion() string {
	return C.GoString(C.nen_version())
}

// call calls a function of libnen and makes an error of its result. The library keeps the detail of an error per
// thread, so that the goroutine must stay on its own until it was read.
func call(function func() C.int32_t) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if code := function(); code != C.NEN_OK {
		return &Error{Code: Code(code), Detail: C.GoString(C.nen_last_detail())}
	}
	return nil
}

// octets passes a slice to libnen, which reads it during the call and does not keep it.
func octets(b []byte) (*C.uint8_t, C.size_t) {
	return (*C.uint8_t)(unsafe.SliceData(b)), C.size_t(len(b))
}

// text passes a string to libnen, as octets does a slice.
func text(s string) (*C.char, C.size_t) {
	return (*C.char)(unsafe.Pointer(unsafe.StringData(s))), C.size_t(len(s))
}

// optional passes a header whose absence is an empty string.
func optional(s string) (*C.char, C.size_t) {
	if s == "" {
		return nil, 0
	}
	return text(s)
}

// take copies what libnen handed out, which is wiped and freed.
func take(buffer *C.nen_buffer) []byte {
	defer C.nen_buffer_free(buffer)
	return bytes.Clone(unsafe.Slice((*byte)(buffer.data), buffer.len))
}

// field reads a text that libnen wrote into room of a fixed size.
func field(room []C.char) string {
	octets := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(room))), len(room))
	text, _, _ := bytes.Cut(octets, []byte{0})
	return string(text)
}

// clock tells the time. Test vectors play at a time of their own.
var clock = time.Now

func now() C.uint64_t {
	return milliseconds(clock())
}

func milliseconds(t time.Time) C.uint64_t {
	return C.uint64_t(max(t.UnixMilli(), 0))
}
