package nen_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	nen "github.com/withnen/nen/bindings/go"
)

func TestEveryCodeIsDescribed(t *testing.T) {
	count := 0
	for code := range nen.Codes() {
		count++
		equal(t, "code", code.String(), fmt.Sprintf("ISO-%04d", int32(code)))
		for what, text := range map[string]string{
			"name": code.Name(), "category": code.Category(), "message": code.Message(), "hint": code.Hint(),
		} {
			if text == "" {
				t.Errorf("%v has no %s", code, what)
			}
		}
		if status := code.HTTPStatus(); status < 400 || status > 599 {
			t.Errorf("%v has the status %d", code, status)
		}
	}
	if count < 20 {
		t.Errorf("there are %d codes", count)
	}
}

func TestAnErrorIsItsCodeAndItsCause(t *testing.T) {
	cause := errors.New("no route to host")
	err := fmt.Errorf("asking: %w", &nen.Error{Code: nen.ErrStoreUnavailable, Detail: "it is down", Cause: cause})
	if !errors.Is(err, nen.ErrStoreUnavailable) || !errors.Is(err, cause) || errors.Is(err, nen.ErrInternal) {
		t.Error("errors.Is does not tell")
	}
	known := wantCode(t, err, nen.ErrStoreUnavailable)
	equal(t, "name", known.Name(), "STORE_UNAVAILABLE")
	equal(t, "status", known.HTTPStatus(), 503)
	for _, part := range []string{"ISO-9001", known.Message(), "it is down", "no route to host"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
}

func TestACodeThatIsNoneHasNoTexts(t *testing.T) {
	none := nen.Code(12345)
	equal(t, "texts", none.String()+none.Name()+none.Category()+none.Message()+none.Hint(), "")
}

func TestTheLibraryTellsItsRelease(t *testing.T) {
	if !strings.Contains(nen.LibraryVersion(), ".") {
		t.Errorf("got %q", nen.LibraryVersion())
	}
}
