package nen

import (
	"net/http"
	"path"
	"strings"
	"unicode/utf8"
)

// An address is the paths of one request. The client signed the external path as it travelled, percent-encoded.
// Handlers route by a decoded path below their mount point; a protected route must not become reachable by another
// spelling of its path, so that these decide what is protected.
type address struct {
	signed   string   // the external path as it travelled: what the client signed
	target   string   // the path below the mount point, percent-encoded: finds the session endpoints
	readings []string // the same as routers may read it
}

func addressOf(r *http.Request, externalPrefix string) address {
	encoded := r.URL.EscapedPath()
	signed := encoded
	// The request line is exact. The URL was stripped of the mount point, and is written anew if it was odd.
	if line := originForm(r.RequestURI); line != "" {
		signed, _, _ = strings.Cut(line, "?")
	}
	decoded := r.URL.Path
	if decoded == "" {
		decoded, encoded = "/", "/"
	}
	return address{
		signed:   externalPrefix + signed,
		target:   encoded,
		readings: []string{decoded, encoded, path.Clean(decoded), path.Clean(encoded)},
	}
}

// originForm is a request target without the scheme and the authority that a proxy may get (RFC 9112 section 3.2.2);
// empty if it is no path.
func originForm(target string) string {
	if _, rest, ok := strings.Cut(target, "://"); ok && !strings.HasPrefix(target, "/") {
		at := strings.IndexAny(rest, "/?")
		if at < 0 || rest[at] == '?' {
			return "/"
		}
		return rest[at:]
	}
	if strings.HasPrefix(target, "/") {
		return target
	}
	return ""
}

// encodedPath tells whether this is a path as it stands in a request line.
func encodedPath(path string) bool {
	odd := func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '?' || c == '#' }
	return strings.HasPrefix(path, "/") && !strings.ContainsFunc(path, odd)
}

// A pathRule tells whether a path is protected.
type pathRule func(path string) bool

// or adds another rule, if there is one already.
func (rule pathRule) or(other pathRule) pathRule {
	if rule == nil {
		return other
	}
	return func(path string) bool { return rule(path) || other(path) }
}

// protects asks the rule about every reading of the address. Whatever is doubtful is protected.
func (rule pathRule) protects(where address) bool {
	if rule == nil {
		return true
	}
	for _, reading := range where.readings {
		if !strings.HasPrefix(reading, "/") || doubtful(reading) {
			return true
		}
		plain := strings.TrimRight(oneSlash(reading), "/")
		if rule(reading) || rule(plain+"/") || plain != "" && rule(plain) {
			return true
		}
	}
	return false
}

// doubtful tells whether a path holds control characters or is not UTF-8, on which routers differ.
func doubtful(path string) bool {
	control := func(c rune) bool { return c < ' ' || c == 0x7f }
	return strings.ContainsFunc(path, control) || !utf8.ValidString(path)
}

// oneSlash makes one slash of several, on which routers differ.
func oneSlash(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return path
}

func matchAny(patterns []string) pathRule {
	var all [][]string
	for _, pattern := range patterns {
		all = append(all, strings.Split(pattern, "*"))
		if parent, ok := strings.CutSuffix(pattern, "/*"); ok {
			all = append(all, strings.Split(parent, "*"))
		}
	}
	return func(path string) bool {
		for _, literals := range all {
			if matches(path, literals) {
				return true
			}
		}
		return false
	}
}

// matches tells whether a path is these literals with anything in between, in time linear in the path.
func matches(path string, literals []string) bool {
	last := len(literals) - 1
	if last == 0 {
		return path == literals[0]
	}
	rest, ok := strings.CutPrefix(path, literals[0])
	if !ok {
		return false
	}
	for _, literal := range literals[1:last] {
		if _, rest, ok = strings.Cut(rest, literal); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, literals[last])
}
