package nen

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	flags "flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var vectorsFlag = flags.String("vectors", "", "run the test vectors of this folder, print what fails, count, and end")

// TestVectors holds the package against every vector of tests/vectors. With the flag -vectors it is their runner: it
// prints a line for each that fails, "not ok <file>/<name>: why", and at the end how many passed and failed.
func TestVectors(t *testing.T) {
	defer func() { clock = time.Now }()
	if *vectorsFlag != "" {
		tally := runVectors(*vectorsFlag, func(line string) { fmt.Println(line) })
		fmt.Printf("%d passed, %d failed\n", tally.passed, tally.failed)
		if tally.passed > 0 && tally.failed == 0 {
			os.Exit(0)
		}
		os.Exit(1)
	}
	tally := runVectors(filepath.Join("..", "..", "tests", "vectors"), func(line string) { t.Error(line) })
	if tally.passed == 0 {
		t.Error("there are no vectors")
	}
}

type vectorTally struct{ passed, failed int }

func runVectors(directory string, report func(line string)) (tally vectorTally) {
	count := func(name string, check func() error) {
		if err := recovered(check); err != nil {
			tally.failed++
			report(fmt.Sprintf("not ok %s: %s", name, printableLine(err)))
			return
		}
		tally.passed++
	}
	paths, err := filepath.Glob(filepath.Join(directory, "*.json"))
	if err != nil {
		panic(err)
	}
	var sums strings.Builder
	for _, path := range paths { // Glob sorts them.
		name := filepath.Base(path)
		if name == "schema.json" {
			continue
		}
		content := must(os.ReadFile(path))
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), name)
		stem := strings.TrimSuffix(name, ".json")
		file := vector{}
		decoder := json.NewDecoder(bytes.NewReader(content))
		decoder.UseNumber()
		if err := decoder.Decode(&file); err != nil {
			count(stem, func() error { return err })
			continue
		}
		vectors, _ := file["vectors"].([]any)
		if len(vectors) == 0 {
			count(stem, func() error { return errors.New("it holds no vectors") })
		}
		for _, each := range vectors {
			of, _ := each.(map[string]any)
			name, _ := of["name"].(string)
			count(stem+"/"+name, func() error { return checkVector(file, of) })
		}
	}
	count("SHA256SUMS", func() error {
		listed, err := os.ReadFile(filepath.Join(directory, "SHA256SUMS"))
		return errors.Join(err, same(string(listed), sums.String()))
	})
	return tally
}

func checkVector(file, of vector) error {
	kind := file.text("kind")
	check, ok := vectorChecks[kind]
	if !ok {
		return fmt.Errorf("no runner for %s", kind)
	}
	return check(file, of)
}

// recovered makes an error of what a vector lacks.
func recovered(check func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("a member is missing or has the wrong form: %v", cause)
		}
	}()
	return check()
}

func printableLine(err error) string {
	return printable(strings.ReplaceAll(err.Error(), "\n", "; "))
}

var vectorChecks = map[string]func(file, of vector) error{
	"answer":            checkAnswer,
	"canonicalString":   checkCanonicalString,
	"error":             checkError,
	"handshake":         checkHandshake,
	"handshakeAnswer":   checkHandshakeAnswer,
	"handshakeRequest":  checkHandshakeRequest,
	"identityKey":       checkIdentityKey,
	"identitySignature": checkIdentitySignature,
	"lifecycleAnswer":   checkLifecycleAnswer,
	"record":            checkRecord,
	"sealed":            checkSealed,
	"server":            checkServer,
	"sharedKey":         checkSharedKey,
	"stream":            checkStream,
}

// ── what a vector holds ─────────────────────────────────────────────────────────────────────────────────────────────

// A vector is a JSON object. A member that it lacks, or of another type, is a panic.
type vector map[string]any

func (v vector) has(name string) bool {
	_, ok := v[name]
	return ok
}

func (v vector) text(name string) string { return v[name].(string) }

func (v vector) flag(name string) bool { return v.has(name) && v[name].(bool) }

func (v vector) number(name string) int64 { return must(v[name].(json.Number).Int64()) }

func (v vector) numberOr(name string, otherwise int) int {
	if !v.has(name) {
		return otherwise
	}
	return int(v.number(name))
}

// octets are bytes, as text or in hex.
func (v vector) octets(name string) []byte {
	if v.has(name) {
		return []byte(v.text(name))
	}
	return must(hex.DecodeString(v.text(name + "Hex")))
}

// list is octets of each of a list.
func (v vector) list(name string) [][]byte {
	decode := func(item string) []byte { return []byte(item) }
	if !v.has(name) {
		name += "Hex"
		decode = func(item string) []byte { return must(hex.DecodeString(item)) }
	}
	items := [][]byte{}
	for _, item := range v[name].([]any) {
		items = append(items, decode(item.(string)))
	}
	return items
}

func (v vector) objects(name string) []vector {
	var items []vector
	for _, item := range v[name].([]any) {
		items = append(items, item.(map[string]any))
	}
	return items
}

// setClock has the package take the vector's time for now.
func (v vector) setClock() {
	now := time.UnixMilli(v.number("nowMs"))
	clock = func() time.Time { return now }
}

// expect holds an outcome against the one that is expected: the code of an error, or what good says.
func (v vector) expect(err error, good func() error) error {
	if !v.has("error") {
		if err != nil {
			return err
		}
		return good()
	}
	if err == nil {
		return errors.New("no error came")
	}
	var known *Error
	if !errors.As(err, &known) {
		return err
	}
	return same(known.String(), v.text("error"))
}

// opened holds an opened body against plaintext, which is false if there is none.
func (v vector) opened(plaintext []byte) error {
	if len(plaintext) == 0 {
		return same(v["plaintext"], any(false))
	}
	return sameBytes(plaintext, v.octets("plaintext"))
}

func same[T comparable](got, expected T) error {
	if got != expected {
		return fmt.Errorf("got %v, expected %v", got, expected)
	}
	return nil
}

func sameBytes(got, expected []byte) error {
	return same(string(got), string(expected))
}

// sameResult compares what is had from a function that can fail.
func sameResult(got []byte, err error, expected []byte) error {
	return errors.Join(err, sameBytes(got, expected))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func encoded(octets []byte) []byte {
	return []byte(base64.StdEncoding.EncodeToString(octets))
}

func object(text []byte) vector {
	read := vector{}
	if err := json.Unmarshal(text, &read); err != nil {
		panic(err)
	}
	return read
}

func sessionOf(of vector) coreSession {
	return must(sessionOfRecord(of.text("sid"), of.text("record")))
}

func newTestServer(options ...ServerOption) *Server {
	return must(NewServer(options...))
}

// shakenClient is a client that shook hands.
func shakenClient(file vector, maxChunk int) clientCore {
	client := must(newClientCore(nil, true, maxChunk))
	handshake, _, err := derandomizedHandshake(file.octets("clientDraws"))
	if err == nil {
		err = client.establish(handshake, received{status: http.StatusOK, body: file.octets("answer")})
	}
	if err != nil {
		panic(err)
	}
	return client
}

// ── the two keys of a session ───────────────────────────────────────────────────────────────────────────────────────

func checkCanonicalString(file, of vector) error {
	session := sessionOf(file)
	defer session.close()
	signature, err := session.sign(of.text("method"), of.text("target"), uint64(of.number("timestampMs")), of.octets("nonce"))
	return of.expect(err, func() error {
		key := must(base64.StdEncoding.DecodeString(object(file.octets("record")).text("hmacKey")))
		tag := hmac.New(sha256.New, key)
		tag.Write(of.octets("canonical"))
		return errors.Join(
			sameBytes(encoded(tag.Sum(nil)), of.octets("signature")),
			sameBytes(encoded(signature), of.octets("signature")),
		)
	})
}

func checkSealed(file, of vector) error {
	session := sessionOf(file)
	defer session.close()
	plaintext, err := session.open(of.octets("nonce"), of.octets("sealed"))
	return of.expect(err, func() error {
		sealed, err := session.seal(of.octets("nonce"), plaintext)
		return errors.Join(sameBytes(plaintext, of.octets("plaintext")), sameResult(sealed, err, of.octets("sealed")))
	})
}

// ── handshakes and identities ───────────────────────────────────────────────────────────────────────────────────────

func checkHandshake(_, of vector) error {
	of.setClock()
	server := newTestServer(WithSessionTTL(time.Duration(of.number("sessionTtlMs")) * time.Millisecond))
	defer server.Close()
	theirs, answer, err := server.core.acceptDerandomized(of.octets("serverDraws"), of.octets("body"))
	if err != nil {
		return err
	}
	defer theirs.close()
	identity, err := theirs.identity()
	if err := sameResult(identity, err, of.octets("identity")); err != nil {
		return err
	}
	record, err := theirs.record()
	if err := sameResult(record, err, of.octets("record")); err != nil {
		return err
	}
	started, body, err := derandomizedHandshake(of.octets("clientDraws"))
	if err != nil {
		return err
	}
	defer started.close()
	ours, err := started.finish(received{status: http.StatusOK, body: of.octets("answer")})
	if err != nil {
		return err
	}
	defer ours.close()
	failures := []error{
		sameBytes(answer, of.octets("answer")),
		same(object(body).text("pk"), object(of.octets("body")).text("pk")),
	}
	for _, session := range []coreSession{ours, theirs} {
		var zero [NonceSize]byte
		id, err := session.id()
		failures = append(failures, err, same(id, of.text("sid")))
		signature, err := session.sign("GET", "/", uint64(of.number("nowMs")), zero[:])
		failures = append(failures, sameResult(encoded(signature), err, of.octets("signature")))
		sealed, err := session.seal(zero[:], []byte("nen"))
		failures = append(failures, sameResult(sealed, err, of.octets("sealed")))
	}
	return errors.Join(failures...)
}

func checkHandshakeRequest(file, of vector) error {
	file.setClock()
	var options []ServerOption
	if of.has("allowedHex") {
		options = append(options, WithAllowedIdentities(of.list("allowed")...))
	} else if of.flag("requireIdentity") {
		options = append(options, WithRequiredIdentity())
	}
	server := newTestServer(options...)
	defer server.Close()
	session, _, err := server.core.accept(of.octets("body"))
	defer session.close()
	return of.expect(err, func() error {
		identity, err := session.identity()
		return sameResult(identity, err, of.octets("identity"))
	})
}

func checkHandshakeAnswer(file, of vector) error {
	file.setClock()
	started, _, err := derandomizedHandshake(file.octets("clientDraws"))
	if err != nil {
		return err
	}
	defer started.close()
	session, err := started.finish(received{status: int(of.number("status")), body: of.octets("body")})
	defer session.close()
	return of.expect(err, func() error {
		id, err := session.id()
		if err != nil {
			return err
		}
		sealed, err := session.seal(make([]byte, NonceSize), []byte("nen"))
		return errors.Join(same(id, of.text("sid")), sameResult(sealed, err, of.octets("sealed")))
	})
}

func checkIdentityKey(_, of vector) error {
	if !of.has("pkcs8Hex") {
		_, err := NewServer(WithAllowedIdentities(of.octets("spki")))
		return of.expect(err, func() error { return errors.New("no error came") })
	}
	identity, err := IdentityFromPKCS8(of.octets("pkcs8"))
	return of.expect(err, func() error {
		defer identity.Close()
		secret, secretErr := identity.PKCS8()
		public, publicErr := identity.PublicKey()
		return errors.Join(
			sameResult(secret, secretErr, of.octets("pkcs8")),
			sameResult(public, publicErr, of.octets("spki")),
		)
	})
}

func checkIdentitySignature(_, of vector) error {
	newTestServer(WithAllowedIdentities(of.octets("spki"))).Close()
	err := verifyIdentity(of.octets("spki"), of.octets("message"), of.octets("signature"))
	return of.expect(err, func() error { return nil })
}

// ── servers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// askedInSteps is a store that libnen does not know, as applications have them.
type askedInSteps struct{ Store }

func checkServer(file, of vector) error {
	for _, inSteps := range []bool{false, true} {
		memory := NewMemoryStore(MemoryLimits{MaxNoncesPerSession: of.numberOr("maxNoncesPerSession", 0)})
		defer memory.Close()
		var store Store = memory
		if inSteps {
			store = askedInSteps{memory}
		}
		if err := runSteps(file, of, store); err != nil {
			return fmt.Errorf("in steps %v: %w", inSteps, err)
		}
	}
	return nil
}

func runSteps(file, of vector, store Store) error {
	options := []ServerOption{WithStore(store)}
	if of.has("strict") && !of.flag("strict") {
		options = append(options, WithUnsignedRequests())
	}
	if of.flag("noncesForSession") {
		options = append(options, WithNoncesForSession())
	}
	if of.flag("requireSignedLifecycle") {
		options = append(options, WithSignedLifecycle())
	}
	if of.has("maxBody") {
		options = append(options, WithMaxBody(int(of.number("maxBody"))))
	}
	server := newTestServer(options...)
	defer server.Close()
	clock = func() time.Time { return time.UnixMilli(0) }
	for _, kept := range file.objects("sessions") {
		session := sessionOf(kept)
		defer session.close()
		if err := session.save(server.storage(context.Background())); err != nil {
			return err
		}
	}
	for i, request := range of.objects("steps") {
		if err := runStep(server, request); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

func runStep(server *Server, of vector) error {
	of.setClock()
	method, target := of.text("method"), of.text("target")
	var body []byte
	if of.has("body") || of.has("bodyHex") {
		body = of.octets("body")
	}
	header := http.Header{}
	for _, line := range of.list("headers") {
		name, value, ok := strings.Cut(string(line), ": ")
		if !ok {
			return errors.New("a header has no name")
		}
		header.Add(name, value)
	}
	endpoint, err := server.core.route(method, target)
	if err != nil {
		return err
	}
	request := newSignedRequest(method, target, header)
	switch endpoint {
	case routeNotFound:
		return same(http.StatusNotFound, int(of.number("status")))
	case routeApplication:
		exchange, err := server.admit(context.Background(), request)
		var plaintext []byte
		if err == nil {
			defer exchange.close()
			plaintext, err = exchange.open(body)
		}
		return of.expect(err, func() error { return of.opened(plaintext) })
	default:
		status, answer, err := server.respond(context.Background(), endpoint, request, body)
		return of.expect(err, func() error {
			if of.has("members") {
				return errors.Join(same(status, int(of.number("status"))), sameMembers(answer, of.list("members")))
			}
			return errors.Join(same(status, int(of.number("status"))), sameBytes(answer, of.octets("answer")))
		})
	}
}

// sameMembers compares the names of the members of a JSON object.
func sameMembers(object []byte, names [][]byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return err
	}
	expected := make([]string, 0, len(names))
	for _, name := range names {
		expected = append(expected, string(name))
	}
	slices.Sort(expected)
	return same(strings.Join(slices.Sorted(maps.Keys(members)), ","), strings.Join(expected, ","))
}

// ── clients ─────────────────────────────────────────────────────────────────────────────────────────────────────────

func checkAnswer(file, of vector) error {
	file.setClock()
	client := shakenClient(file, 0)
	defer client.close()
	call := must(client.call(of.text("method"), "/"))
	defer call.close()
	if _, err := call.seal(nil); err != nil {
		return err
	}
	result, plaintext, err := call.open(received{status: int(of.number("status")), body: of.octets("body")})
	return of.expect(err, func() error {
		switch result {
		case outcomeAnswer:
			return of.opened(plaintext)
		case outcomeForeign:
			return same("foreign", of.text("outcome"))
		case outcomeReestablish:
			return same("reestablish", of.text("outcome"))
		}
		return errors.New("to be repeated")
	})
}

func checkLifecycleAnswer(file, of vector) error {
	file.setClock()
	client := shakenClient(file, 0)
	defer client.close()
	action := of.text("action")
	endpoint, ok := map[string]route{"status": routeStatus, "terminate": routeTerminate, "rotate": routeRotate}[action]
	if !ok {
		return fmt.Errorf("no action %s", action)
	}
	call := must(client.lifecycleCall(endpoint, endpointPrefix+"/"+action))
	defer call.close()
	if _, err := call.seal(); err != nil {
		return err
	}
	result, done, err := call.open(received{status: int(of.number("status")), body: of.octets("body")})
	return of.expect(err, func() error {
		switch result {
		case outcomeDone:
			return same(any(done), of["done"])
		case outcomeReestablish:
			return same("reestablish", of.text("outcome"))
		}
		return errors.New("to be repeated")
	})
}

func checkStream(file, of vector) error {
	file.setClock()
	client := shakenClient(file, of.numberOr("maxChunk", 0))
	defer client.close()
	body := []byte(nil)
	if of.has("frames") {
		var err error
		if body, err = framed(client, of); err != nil {
			return err
		}
	} else {
		body = of.octets("body")
	}
	// In one piece, and byte by byte.
	for _, size := range []int{max(len(body), 1), 1} {
		chunks, err := readStream(client, of.text("nonceHeader"), body, size)
		expected := of.list("chunks")
		if err := same(len(chunks), len(expected)); err != nil {
			return fmt.Errorf("chunks: %w", err)
		}
		for i, chunk := range chunks {
			if err := sameBytes(chunk, expected[i]); err != nil {
				return err
			}
		}
		complete := func() error { return same(of.has("frames") || of.flag("complete"), true) }
		if err := of.expect(err, complete); err != nil {
			return err
		}
	}
	return nil
}

// framed is a stream of given frames, each of which is what sealing its chunk gives.
func framed(client clientCore, of vector) ([]byte, error) {
	session := must(client.session())
	defer session.close()
	var body []byte
	frames, nonces, chunks := of.list("frames"), of.list("nonces"), append(of.list("chunks"), []byte("__FIN__"))
	if len(frames) != len(chunks) || len(nonces) != len(chunks) {
		return nil, errors.New("there are not as many frames and nonces as chunks")
	}
	for i, frame := range frames {
		sealed, err := session.seal(nonces[i], chunks[i])
		if err := sameResult(encoded(sealed), err, frame); err != nil {
			return nil, err
		}
		body = fmt.Appendf(body, "data: %s\n\n", frame)
	}
	return body, nil
}

// readStream opens a stream that comes in pieces of this size.
func readStream(client clientCore, nonceHeader string, body []byte, size int) (chunks [][]byte, err error) {
	call := must(client.call(http.MethodPost, "/"))
	defer call.close()
	if _, err := call.seal(nil); err != nil {
		return nil, err
	}
	opener, err := call.openStream(http.Header{streamNonceHeader: {nonceHeader}})
	if err != nil {
		return nil, err
	}
	defer opener.close()
	for len(body) > 0 {
		piece := body[:min(size, len(body))]
		body = body[len(piece):]
		if err := opener.push(piece); err != nil {
			return chunks, err
		}
		for {
			state, chunk, err := opener.next()
			if err != nil {
				return chunks, err
			}
			if state != streamChunk {
				break
			}
			chunks = append(chunks, chunk)
		}
	}
	return chunks, opener.end()
}

// ── stores ──────────────────────────────────────────────────────────────────────────────────────────────────────────

func checkRecord(_, of vector) error {
	keysOf := func(items [][]byte) storeKeys {
		return must(newStoreKeys(string(bytes.Join(items, []byte(",")))))
	}
	all, first := keysOf(of.list("storeKeys")), keysOf(of.list("storeKeys")[:1])
	defer all.close()
	defer first.close()
	ttl := time.Duration(of.number("ttlMs")) * time.Millisecond
	session, err := all.openRecord(of.text("sid"), of.octets("record"), ttl)
	defer session.close()
	return of.expect(err, func() error {
		plain, err := session.record()
		if err := sameResult(plain, err, of.octets("plain")); err != nil {
			return err
		}
		written, err := all.sealRecord(session)
		if err != nil {
			return err
		}
		again, err := first.openRecord(of.text("sid"), written, 0)
		if err != nil {
			return err
		}
		defer again.close()
		plain, err = again.record()
		return sameResult(plain, err, of.octets("plain"))
	})
}

func checkSharedKey(_, of vector) error {
	nonce := [NonceSize]byte(of.octets("nonce"))
	record, err := RecordKey(of.text("sid"))
	if err := errors.Join(err, same(record, of.text("recordKey"))); err != nil {
		return err
	}
	claim, err := NonceKey(of.text("sid"), nonce)
	if err := errors.Join(err, same(claim, of.text("nonceKey"))); err != nil {
		return err
	}
	// What the keys are for: a claim of one is one of the other.
	clock = func() time.Time { return time.UnixMilli(0) }
	store := NewMemoryStore(MemoryLimits{})
	defer store.Close()
	for _, fresh := range []bool{true, false} {
		said, err := store.ClaimNonce(context.Background(), of.text("sid"), nonce, clock())
		if err := errors.Join(err, same(said, fresh)); err != nil {
			return err
		}
	}
	return nil
}

func checkError(_, of vector) error {
	for code := range Codes() {
		if code.String() == of.text("name") {
			status, body := errorAnswer(code)
			return errors.Join(
				same(code.HTTPStatus(), int(of.number("status"))),
				same(code.Name(), of.text("symbol")),
				same(status, int(of.number("status"))),
				sameBytes(body, of.octets("body")),
			)
		}
	}
	return errors.New("no such code")
}
