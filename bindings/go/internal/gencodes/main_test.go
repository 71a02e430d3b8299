package main

import (
	"bytes"
	"os"
	"testing"
)

func TestTheConstantsAreThoseOfTheLibrary(t *testing.T) {
	generated, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	committed, err := os.ReadFile("../../codes.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(generated, committed) {
		t.Error("codes.go is out of date: run `go generate`")
	}
}
