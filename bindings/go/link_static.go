//go:build nen_static

package nen

// #cgo pkg-config: nen-static
import "C"
