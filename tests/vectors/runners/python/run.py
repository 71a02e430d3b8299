"""Holds the Python package against every vector of `tests/vectors`, or of the folder that `NEN_VECTORS` names.

Prints a line for each that fails, `not ok <file>/<name>: why`, and at the end how many passed and failed.
"""  # noqa: INP001 - a program, not a package

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import nen
from nen import _native

Value = TypeVar("Value")
ZERO = bytes(nen.NONCE_SIZE)


class MismatchError(Exception):
    """Why a vector fails."""


def equal(got: object, expected: object) -> None:
    """Hold a value against the one that is expected. True is not 1 here."""
    if type(got) is not type(expected) or got != expected:
        msg = f"got {got!r}, expected {expected!r}"
        raise MismatchError(msg)


class Vector:
    """What a vector, a file of them or a part of one holds. A member that is missing or has another form raises."""

    def __init__(self, members: object) -> None:
        self._members = _of(dict, members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def value(self, name: str) -> object:
        """Return a member of any form."""
        return self._members[name]

    def text(self, name: str) -> str:
        """Return a text."""
        return _of(str, self._members[name])

    def number(self, name: str) -> int:
        """Return a whole number."""
        number = _of(int, self._members[name])
        if number < 0:
            raise ValueError(name)
        return number

    def flag(self, name: str) -> bool | None:
        """Return a flag; None if there is none."""
        return _of(bool, self._members[name]) if name in self else None

    def count(self, name: str) -> int | None:
        """Return a whole number; None if there is none."""
        return self.number(name) if name in self else None

    def octets(self, name: str) -> bytes:
        """Return bytes that stand there as text or in hex."""
        return self.text(name).encode() if name in self else bytes.fromhex(self.text(f"{name}Hex"))

    def many(self, name: str) -> list[bytes]:
        """Return the same for a list."""
        if name in self:
            return [_of(str, text).encode() for text in _of(list, self._members[name])]
        return [bytes.fromhex(text) for text in _of(list, self._members[f"{name}Hex"])]

    def parts(self, name: str) -> list[Vector]:
        """Return a list of parts."""
        return [Vector(part) for part in _of(list, self._members[name])]

    def expect(self, attempt: Callable[[], Value], good: Callable[[Value], None]) -> None:
        """Hold an outcome against the one that is expected: the code of an error, or what `good` says."""
        try:
            value = attempt()
        except nen.NenError as error:
            if "error" not in self:
                raise MismatchError(str(error)) from error
            equal(error.code, self.text("error"))
            return
        if "error" in self:
            msg = "no error came"
            raise MismatchError(msg)
        good(value)


def _of(kind: type[Value], value: object) -> Value:
    if type(value) is not kind:
        raise TypeError(kind)
    return value


def session_of(part: Vector) -> nen.Session:
    """Read a record."""
    return nen.Session.from_record(part.text("sid"), part.octets("record"), ttl_ms=0)


def client_of(file: Vector, **options: Any) -> nen.Client:  # noqa: ANN401 - those of the client
    """Make a client that shook hands."""
    client = nen.Client(**options)
    handshake = _native.derandomized_handshake(file.octets("clientDraws"))
    client.establish(handshake, 200, file.octets("answer"), now_ms=file.number("nowMs"))
    return client


# ── the two keys of a session ───────────────────────────────────────────────────────────────────────────────────────


def canonical_string(file: Vector, vector: Vector) -> None:
    """Sign, and compare with an HMAC of the canonical string."""

    def sign() -> bytes:
        method, target = vector.text("method"), vector.text("target")
        return session_of(file).sign(method, target, vector.number("timestampMs"), vector.octets("nonce"))

    def compare(signature: bytes) -> None:
        key = b64decode(json.loads(file.text("record"))["hmacKey"], validate=True)
        tag = hmac.digest(key, vector.octets("canonical"), "sha256")
        equal(b64encode(tag).decode(), vector.text("signature"))
        equal(b64encode(signature).decode(), vector.text("signature"))

    vector.expect(sign, compare)


def sealed(file: Vector, vector: Vector) -> None:
    """Open, and seal again."""
    session, nonce = session_of(file), vector.octets("nonce")

    def compare(plaintext: bytes) -> None:
        equal(plaintext, vector.octets("plaintext"))
        equal(session.seal(nonce, plaintext), vector.octets("sealed"))

    vector.expect(lambda: session.open(nonce, vector.octets("sealed")), compare)


# ── handshakes and identities ───────────────────────────────────────────────────────────────────────────────────────


def spki_of(session: nen.Session) -> bytes:
    """Return the identity of a session, or nothing."""
    return session.identity.spki if session.identity else b""


def handshake(_: Vector, vector: Vector) -> None:
    """Exchange keys from given randomness, on both sides."""
    now_ms, body = vector.number("nowMs"), vector.octets("body")
    server = nen.Server(session_ttl_ms=vector.number("sessionTtlMs"))
    theirs, answer = _native.derandomized_accept(server, vector.octets("serverDraws"), body, now_ms)
    equal(answer, vector.octets("answer"))
    equal(theirs.to_record(), vector.octets("record"))
    equal(spki_of(theirs), vector.octets("identity"))

    begun = _native.derandomized_handshake(vector.octets("clientDraws"))
    equal(b64encode(begun.public_key).decode(), Vector(json.loads(body)).text("pk"))
    ours = begun.finish(200, vector.octets("answer"), now_ms=now_ms)
    for session in (ours, theirs):
        equal(session.id, vector.text("sid"))
        equal(b64encode(session.sign("GET", "/", now_ms, ZERO)).decode(), vector.text("signature"))
        equal(session.seal(ZERO, b"nen"), vector.octets("sealed"))


def handshake_request(file: Vector, vector: Vector) -> None:
    """Answer a client that shakes hands."""
    identities: Any = "required" if vector.flag("requireIdentity") else None
    if "allowedHex" in vector:
        identities = [nen.IdentityKey.from_spki(key) for key in vector.many("allowed")]
    server, store, now_ms = nen.Server(identities=identities), nen.MemorySessionStore(), file.number("nowMs")

    def compare(answer: nen.Answer) -> None:
        sid = Vector(json.loads(answer.body)).text("sid")
        record = store.get(sid, now_ms=now_ms)
        equal(spki_of(nen.Session.from_record(sid, record or b"")), vector.octets("identity"))

    post = "handshake", "POST", "/api/nen/handshake"
    vector.expect(lambda: server.respond(store, *post, [], vector.octets("body"), now_ms=now_ms), compare)


def handshake_answer(file: Vector, vector: Vector) -> None:
    """Finish a handshake by what a server answers."""
    begun, now_ms = _native.derandomized_handshake(file.octets("clientDraws")), file.number("nowMs")

    def compare(session: nen.Session) -> None:
        equal(session.id, vector.text("sid"))
        equal(session.seal(bytes(nen.NONCE_SIZE), b"nen"), vector.octets("sealed"))

    vector.expect(lambda: begun.finish(vector.number("status"), vector.octets("body"), now_ms=now_ms), compare)


def identity_key(_: Vector, vector: Vector) -> None:
    """Load a key, secret or public."""

    def compare(identity: nen.Identity) -> None:
        equal(identity.to_pkcs8(), vector.octets("pkcs8"))
        equal(identity.public_key.spki, vector.octets("spki"))

    if "pkcs8Hex" in vector:
        vector.expect(lambda: nen.Identity.from_pkcs8(vector.octets("pkcs8")), compare)
    else:
        vector.expect(lambda: nen.IdentityKey.from_spki(vector.octets("spki")), lambda _: equal("a key", "an error"))


def identity_signature(_: Vector, vector: Vector) -> None:
    """Verify the signature of an identity."""
    key, message = nen.IdentityKey.from_spki(vector.octets("spki")), vector.octets("message")
    vector.expect(
        lambda: _native.verify_identity_signature(key, message, vector.octets("signature")), lambda nothing: nothing
    )


# ── servers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Host:
    """A server and its store, asked at once or in steps, as stores that are not in this process are."""

    def __init__(self, file: Vector, vector: Vector, *, in_steps: bool) -> None:
        self.server = nen.Server(
            strict=vector.flag("strict"),
            nonces_for_session=vector.flag("noncesForSession"),
            require_signed_lifecycle=vector.flag("requireSignedLifecycle"),
            max_body=vector.count("maxBody"),
        )
        self._store = nen.MemorySessionStore(max_nonces_per_session=vector.count("maxNoncesPerSession"))
        for part in file.parts("sessions"):
            session = session_of(part)
            self._store.set(session.id, session.to_record(), session.expires_ms or 0, now_ms=0)
        self._in_steps = in_steps

    def respond(self, now_ms: int, *request: Any) -> nen.Answer:  # noqa: ANN401 - those of `Server.respond`
        """Answer a session endpoint."""
        if not self._in_steps:
            return self.server.respond(self._store, *request, now_ms=now_ms)
        call = self.server.begin_respond(*request, now_ms=now_ms)
        self._drive(call, now_ms)
        return call.result()

    def admit(self, now_ms: int, *request: Any) -> nen.Exchange:  # noqa: ANN401 - those of `Server.admit`
        """Let a request in."""
        if not self._in_steps:
            return self.server.admit(self._store, *request, now_ms=now_ms)
        call = self.server.begin_admit(*request, now_ms=now_ms)
        self._drive(call, now_ms)
        return call.result()

    def _drive(self, call: nen.AdmitCall | nen.EndpointCall, now_ms: int) -> None:
        while (question := call.step()) is not None:
            name, arguments = question
            clock = {} if name == "delete" else {"now_ms": now_ms}
            call.resume(getattr(self._store, name)(*arguments, **clock))


def server(file: Vector, vector: Vector) -> None:
    """Send one request after the other."""
    for in_steps in (False, True):
        host = Host(file, vector, in_steps=in_steps)
        for number, request in enumerate(vector.parts("steps"), 1):
            try:
                step(host, request)
            except MismatchError as why:  # noqa: PERF203 - the step is named
                way = ", the store asked in steps" if in_steps else ""
                msg = f"step {number}{way}: {why}"
                raise MismatchError(msg) from why


def step(host: Host, request: Vector) -> None:
    """Send one request, and see what comes."""
    now_ms, method, target = request.number("nowMs"), request.text("method"), request.octets("target")
    body = request.octets("body") if "body" in request or "bodyHex" in request else b""
    headers = [tuple(line.split(b": ", 1)) for line in request.many("headers")]
    route = host.server.route(method, target)

    def compare(answer: nen.Answer) -> None:
        equal(answer.status, request.number("status"))
        if "members" in request:
            equal({name.encode() for name in json.loads(answer.body)}, set(request.many("members")))
            return
        equal(answer.body, request.octets("answer"))

    def opened(plaintext: bytes | None) -> None:
        if plaintext is None:
            equal(False, request.value("plaintext"))  # noqa: FBT003 - what stands there
        else:
            equal(plaintext, request.octets("plaintext"))

    if route == "not-found":
        equal(404, request.number("status"))
    elif route is not None:
        request.expect(lambda: host.respond(now_ms, route, method, target, headers, body), compare)
    else:
        request.expect(lambda: host.admit(now_ms, method, target, headers).open(body), opened)


# ── clients ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def answer(file: Vector, vector: Vector) -> None:
    """Read the answer to a call."""
    client, now_ms = client_of(file), file.number("nowMs")
    call = nen.Call(vector.text("method"), "/")
    call.seal(client, now_ms=now_ms)

    def compare(outcome: nen.Outcome) -> None:
        if outcome.kind != "answer":
            equal(outcome.kind, vector.text("outcome"))
        elif outcome.json is None:
            equal(False, vector.value("plaintext"))  # noqa: FBT003 - what stands there
        else:
            equal(outcome.json, vector.octets("plaintext"))

    vector.expect(
        lambda: call.open(client, vector.number("status"), None, vector.octets("body"), now_ms=now_ms), compare
    )


def lifecycle_answer(file: Vector, vector: Vector) -> None:
    """Read the answer to a call about the session."""
    client, now_ms = client_of(file), file.number("nowMs")
    calls = {
        "status": nen.LifecycleCall.status,
        "terminate": nen.LifecycleCall.terminate,
        "rotate": nen.LifecycleCall.rotate,
    }
    action = vector.text("action")
    call = calls[action](f"/api/nen/{action}")
    call.seal(client, now_ms=now_ms)

    def compare(outcome: nen.LifecycleOutcome) -> None:
        if outcome.kind == "done":
            equal(outcome.value, vector.value("done"))
        else:
            equal(outcome.kind, vector.text("outcome"))

    vector.expect(
        lambda: call.open(client, vector.number("status"), None, vector.octets("body"), now_ms=now_ms), compare
    )


def stream(file: Vector, vector: Vector) -> None:
    """Open a stream that comes in one piece, and one that comes byte by byte."""
    client, header = client_of(file, max_chunk=vector.count("maxChunk")), vector.text("nonceHeader")
    call = nen.Call("GET", "/")
    call.seal(client, now_ms=file.number("nowMs"))
    is_whole = "frames" in vector
    body = b"" if is_whole else vector.octets("body")
    if is_whole:
        session = client.session
        chunks = [*vector.many("chunks"), b"__FIN__"]
        for frame, nonce, chunk in zip(vector.many("frames"), vector.many("nonces"), chunks, strict=True):
            equal(b64encode(session.seal(nonce, chunk)) if session else None, frame)
            body += b"data: " + frame + b"\n\n"
    is_complete = is_whole or vector.flag("complete")
    for size in (max(len(body), 1), 1):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        got: list[bytes] = []
        vector.expect(
            partial(read, call, client, header, pieces, got),
            lambda _: equal(is_complete, True),  # noqa: FBT003 - what is expected
        )
        equal(got, vector.many("chunks"))


def read(call: nen.Call, client: nen.Client, header: str, pieces: list[bytes], got: list[bytes]) -> None:
    """Open a stream as its pieces come, to its end."""
    opener = call.open_stream(client, header)
    for piece in pieces:
        opener.push(piece)
        while (chunk := opener.next_chunk()) is not None:
            got.append(chunk)
    opener.end()


# ── stores ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def record(_: Vector, vector: Vector) -> None:
    """Read a record, and write it again."""
    sid, keys = vector.text("sid"), [key.decode() for key in vector.many("storeKeys")]

    def compare(session: nen.Session) -> None:
        equal(session.to_record(), vector.octets("plain"))
        again = _native.read_record(keys[:1], sid, _native.write_record(keys, session), ttl_ms=0)
        equal(again.to_record(), vector.octets("plain"))

    ttl_ms = vector.number("ttlMs")
    vector.expect(lambda: _native.read_record(keys, sid, vector.octets("record"), ttl_ms=ttl_ms), compare)


def shared_key(_: Vector, vector: Vector) -> None:
    """Name the keys of a store that is shared."""
    sid, nonce = vector.text("sid"), vector.octets("nonce")
    equal(nen.record_key(sid), vector.text("recordKey"))
    equal(nen.nonce_key(sid, nonce), vector.text("nonceKey"))
    # What the keys are for: a claim of one is one of the other.
    store = nen.MemorySessionStore()
    equal([store.claim_nonce(sid, nonce, 0, now_ms=0) for _ in range(2)], [True, False])


def error(_: Vector, vector: Vector) -> None:
    """Tell of a failure."""
    row = nen.ERRORS[vector.text("name")]
    equal((row.http_status, row.name), (vector.number("status"), vector.text("symbol")))
    raised = nen.NenError(row.code)
    equal(raised.http_status, vector.number("status"))
    equal(raised.to_json(), vector.octets("body"))


CHECKS: Mapping[str, Callable[[Vector, Vector], None]] = {
    "answer": answer,
    "canonicalString": canonical_string,
    "error": error,
    "handshake": handshake,
    "handshakeAnswer": handshake_answer,
    "handshakeRequest": handshake_request,
    "identityKey": identity_key,
    "identitySignature": identity_signature,
    "lifecycleAnswer": lifecycle_answer,
    "record": record,
    "sealed": sealed,
    "server": server,
    "sharedKey": shared_key,
    "stream": stream,
}


class Tally:
    """How many passed and failed."""

    def __init__(self) -> None:
        self.passed = self.failed = 0

    def count(self, name: str, check: Callable[[], None]) -> None:
        """Make a check, and say why it fails."""
        try:
            check()
        except MismatchError as why:
            self._fail(name, str(why))
        except Exception as cause:  # noqa: BLE001 - whatever a vector of a wrong form leads to
            self._fail(name, f"a member is missing or has the wrong form ({type(cause).__name__}: {cause})")
        else:
            self.passed += 1

    def _fail(self, name: str, why: str) -> None:
        self.failed += 1
        print(f"not ok {name}: {why}")  # noqa: T201 - the outcome of a program

    def count_file(self, stem: str, text: bytes) -> None:
        """Make the checks of one file."""
        try:
            file = Vector(json.loads(text))
            kind = file.text("kind")
            named = [(vector.text("name"), vector) for vector in file.parts("vectors")]
        except (KeyError, TypeError, ValueError) as cause:
            return self._fail(stem, f"it is no file of vectors ({type(cause).__name__}: {cause})")
        if not named:
            return self._fail(stem, "it has no vectors")
        for name, vector in named:
            if kind in CHECKS:
                self.count(f"{stem}/{name}", partial(CHECKS[kind], file, vector))
            else:
                self._fail(f"{stem}/{name}", f"no runner for {kind}")
        return None


def main() -> int:
    """Find the files, and hold the package against them."""
    directory = Path(os.environ.get("NEN_VECTORS") or Path(__file__).parents[2])
    found = {path.name: path.read_bytes() for path in sorted(directory.glob("*.json")) if path.name != "schema.json"}
    tally = Tally()
    digests = "".join(f"{hashlib.sha256(text).hexdigest()}  {name}\n" for name, text in found.items())
    tally.count("SHA256SUMS", lambda: equal((directory / "SHA256SUMS").read_bytes(), digests.encode()))
    for name, text in found.items():
        tally.count_file(name.removesuffix(".json"), text)
    print(f"{tally.passed} passed, {tally.failed} failed")  # noqa: T201 - the outcome of a program
    return 0 if tally.passed and not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main())
