"""The protocol without I/O, on an explicit clock."""

from __future__ import annotations

import copy
import json
import pickle
import secrets
from base64 import b64encode
from typing import Any

import pytest

import nen

NOW = 1_763_750_000_000
HOUR = 3_600_000
SID = "3f2b8c1e-4d5a-4b6c-8d7e-9f0a1b2c3d4e"
KEY = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk="
RECORD = f'{{"sharedSecret":"{KEY}","hmacKey":"{KEY}","createdAt":{NOW}}}'.encode()


@pytest.fixture
def session() -> nen.Session:
    return nen.Session.from_record(SID, RECORD)


class World:
    """A server and a client in one process."""

    def __init__(self, *, identity: nen.Identity | None = None, **options: Any) -> None:
        self.server = nen.Server(**options)
        self.store = nen.MemorySessionStore()
        self.client = nen.Client(identity=identity)
        handshake = self.client.handshake()
        answer = self.respond("handshake", [], handshake.body)
        self.client.establish(handshake, answer.status, answer.body, now_ms=NOW)

    def respond(self, endpoint: str, headers: Any, body: bytes = b"", *, now: int = NOW) -> nen.Answer:
        method, target = "GET" if endpoint == "status" else "POST", f"/api/nen/{endpoint}"
        return self.server.respond(self.store, endpoint, method, target, headers, body, now_ms=now)

    def admit(self, headers: Any, *, now: int = NOW, target: bytes | str = b"/a") -> nen.Exchange:
        return self.server.admit(self.store, "POST", target, headers, now_ms=now)


def test_a_whole_exchange() -> None:
    world = World()
    call = nen.Call("post", "/a?q=1")
    request = call.seal(world.client, b'{"x":1}', now_ms=NOW)
    exchange = world.admit([(name.lower().encode(), value.encode()) for name, value in request.headers])
    assert exchange.session.id == dict(request.headers)[nen.SESSION_HEADER]
    assert request.body is not None
    assert exchange.open(request.body) == b'{"x":1}'
    assert exchange.open(b"") is None
    answer = exchange.seal(201, b"[2]")
    outcome = call.open(world.client, answer.status, None, answer.body, now_ms=NOW)
    assert (answer.status, outcome.kind, outcome.json) == (201, "answer", b"[2]")
    assert exchange.seal(204, b"").status == 200


@pytest.mark.parametrize("pairs", ["str", "lists", "generator"])
def test_headers_come_in_any_shape(pairs: str) -> None:
    world = World()
    headers: Any = nen.Call("POST", "/a").seal(world.client, now_ms=NOW).headers
    if pairs == "lists":
        headers = [[name.encode(), value.encode()] for name, value in headers]
    elif pairs == "generator":
        headers = (pair for pair in headers)
    assert world.admit(headers).max_body == 8 * 1024 * 1024


@pytest.mark.parametrize("headers", [None, [1], [(b"a",)], [(1, 2)], [("a", None)]])
def test_headers_of_no_shape_are_a_type_error(headers: Any) -> None:
    with pytest.raises((TypeError, IndexError)):
        World().admit(headers)


@pytest.mark.parametrize("target", [b"/\xff", "/é", "/a b", "", "\ud800", b"/a\n/b"])
def test_a_target_that_cannot_travel_is_refused_in_its_turn(target: bytes | str) -> None:
    world = World()
    headers = nen.Call("POST", "/a").seal(world.client, now_ms=NOW).headers
    with pytest.raises(nen.AuthError, match="ISO-3002"):
        world.admit(headers, target=target)
    with pytest.raises(nen.SessionError, match="ISO-2003"):
        world.admit([], target=target)


def test_a_session_ends_with_its_time() -> None:
    world = World()
    assert world.client.session is not None
    assert world.client.session.expires_ms is None
    for now, lives in [(NOW + HOUR - 1, True), (NOW + HOUR, False)]:
        headers = nen.LifecycleCall.status("/api/nen/status").seal(world.client, now_ms=now).headers
        assert json.loads(world.respond("status", headers, now=now).body) == {"valid": lives}
    headers = nen.Call("POST", "/a").seal(world.client, now_ms=NOW + HOUR).headers
    with pytest.raises(nen.SessionError, match="ISO-2002"):
        world.admit(headers, now=NOW + HOUR)
    assert world.store.sessions == 1
    world.store.sweep(now_ms=NOW + HOUR)
    assert world.store.sessions == 0


@pytest.mark.parametrize(
    ("offset", "code"), [(30_000, None), (30_001, "ISO-3003"), (-30_000, None), (-30_001, "ISO-3003")]
)
def test_the_window_of_timestamps(offset: int, code: str | None) -> None:
    world = World()
    headers = nen.Call("POST", "/a").seal(world.client, now_ms=NOW).headers
    if code is None:
        world.admit(headers, now=NOW + offset)
    else:
        with pytest.raises(nen.AuthError, match=code):
            world.admit(headers, now=NOW + offset)


def test_nonces_are_forgotten_when_their_requests_could_no_longer_pass() -> None:
    world = World()
    headers = nen.Call("POST", "/a").seal(world.client, now_ms=NOW).headers
    world.admit(headers)
    with pytest.raises(nen.ReplayError, match="ISO-5001"):
        world.admit(headers, now=NOW + 30_000)
    assert world.store.nonces == 1
    world.store.sweep(now_ms=NOW + 40_001)
    assert world.store.nonces == 0
    with pytest.raises(nen.AuthError, match="ISO-3003"):
        world.admit(headers, now=NOW + 40_001)


def test_a_client_reports_what_goes_wrong() -> None:
    world = World()
    with pytest.raises(nen.SessionError, match="ISO-2001"):
        nen.Call("GET", "/a").seal(nen.Client())
    call = nen.Call("POST", "/a")
    with pytest.raises(nen.SessionError, match="ISO-2001"):
        call.open(world.client, 200, None, b"{}")
    with pytest.raises(nen.CryptoError, match="ISO-4003"):
        call.seal(world.client, b"no json")
    request = call.seal(world.client, b"1", now_ms=NOW)
    assert request.body is not None
    exchange = world.admit(request.headers)
    for body, code in [(b"[1]", "ISO-6001"), (b'{"ct":"!","n":"AAAAAAAAAAAAAAAA"}', "ISO-6002")]:
        with pytest.raises(nen.WireError, match=code):
            call.open(world.client, 200, None, body)
    ours = json.loads(request.body) | {"n": dict(request.headers)[nen.NONCE_HEADER]}
    with pytest.raises(nen.ReplayError, match="ISO-5001"):
        call.open(world.client, 200, None, json.dumps(ours).encode())
    tampered = exchange.seal(200, b"1").body.replace(b'{"ct":"', b'{"ct":"AAAA')
    with pytest.raises(nen.CryptoError, match="ISO-4001"):
        call.open(world.client, 200, None, tampered)
    with pytest.raises(nen.CryptoError, match="ISO-4003"):
        call.open(world.client, 200, None, exchange.seal(200, b"no json").body)
    assert call.open(world.client, 502, None, b"<html>").kind == "foreign"
    assert call.open(world.client, 401, None, nen.NenError("ISO-2002").to_json()).kind == "reestablish"
    with pytest.raises(nen.StreamError, match="ISO-7002"):
        call.refuse_stream(world.client, 404, None, b"")
    with pytest.raises(nen.StreamError, match="ISO-7001"):
        call.open_stream(world.client, None)


def test_a_handshake_serves_once() -> None:
    handshake = nen.ClientHandshake()
    assert len(handshake.public_key) == nen.KEM_PUBLIC_KEY_SIZE
    with pytest.raises(nen.HandshakeError, match="ISO-1004"):
        handshake.finish(200, b"{}")
    with pytest.raises(RuntimeError, match="already finished"):
        nen.Client().establish(handshake, 200, b"{}")


def test_identities() -> None:
    identity = nen.Identity.generate()
    der = identity.to_pkcs8()
    assert len(der) == nen.IDENTITY_PKCS8_SIZE
    twin = nen.Identity.from_pkcs8(der)
    assert twin.public_key == identity.public_key
    assert hash(twin.public_key) == hash(identity.public_key)
    key = identity.public_key
    assert len(key.spki) == nen.IDENTITY_PUBLIC_KEY_SIZE
    assert nen.IdentityKey.from_spki(key.spki) == key
    assert pickle.loads(pickle.dumps(key)) == key  # noqa: S301 - our own
    assert key != nen.Identity.generate().public_key
    assert key != "key"
    for call in (lambda: nen.Identity.from_pkcs8(der[:-1]), lambda: nen.IdentityKey.from_spki(key.spki[:-1])):
        with pytest.raises(nen.AuthError, match="ISO-3004"):
            call()
    world = World(identity=identity, identities="required")
    exchange = world.admit(nen.Call("POST", "/a").seal(world.client, now_ms=NOW).headers)
    assert exchange.session.identity == key
    with pytest.raises(nen.AuthError, match="ISO-3004"):
        World(identities="required")


def test_single_operations(session: nen.Session) -> None:
    nonce = secrets.token_bytes(nen.NONCE_SIZE)
    for plaintext in (b"", b"x", b"x" * 5000):
        sealed = session.seal(nonce, plaintext)
        assert len(sealed) == len(plaintext) + nen.TAG_SIZE
        assert session.open(nonce, sealed) == plaintext
        with pytest.raises(nen.CryptoError, match="ISO-4001"):
            session.open(nonce, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    for wrong in (b"", nonce[:-1], nonce + b"x"):
        with pytest.raises(ValueError, match="12 bytes"):
            session.seal(wrong, b"")
    nonce = b"\x05" * 12
    signature = session.sign("POST", "/a", NOW, nonce)
    assert len(signature) == nen.SIGNATURE_SIZE
    session.verify("POST", b"/a", str(NOW), "BQUFBQUFBQUFBQUF", signature)
    for method, target, signed in [("PUT", "/a", signature), ("POST", "/b", signature), ("POST", "/a", b"")]:
        with pytest.raises(nen.AuthError, match="ISO-3002"):
            session.verify(method, target, str(NOW), "BQUFBQUFBQUFBQUF", signed)


def test_records(session: nen.Session) -> None:
    assert (session.id, session.created_ms, session.expires_ms) == (SID, NOW, NOW + HOUR)
    assert nen.Session.from_record(SID, RECORD, ttl_ms=5).expires_ms == NOW + 5
    record = json.loads(session.to_record())
    assert record == {"sharedSecret": KEY, "hmacKey": KEY, "createdAt": NOW, "expiresAt": NOW + HOUR}
    with pytest.raises(nen.InternalError, match="ISO-9001"):
        nen.Session.from_record(SID, b"{}")
    with pytest.raises(ValueError, match="UUIDv4"):
        nen.Session.from_record("no id", RECORD)


def test_streams(session: nen.Session) -> None:
    sealer = nen.StreamSealer(session)
    opener = nen.StreamOpener(session, sealer.nonce_header.encode(), max_chunk=10_000)
    data = sealer.seal(b"one") + sealer.seal(b"x" * 5000) + sealer.finish()
    for at in range(0, len(data), 100):
        opener.push(data[at : at + 100])
    assert [opener.next_chunk(), opener.next_chunk(), opener.next_chunk()] == [b"one", b"x" * 5000, None]
    assert opener.is_finished
    opener.end()
    with pytest.raises(nen.CryptoError, match="ISO-4002"):
        sealer.seal(b"late")

    sealer = nen.StreamSealer(session)
    opener = nen.StreamOpener(session, sealer.nonce_header, max_chunk=10)
    good, bad = sealer.seal(b"good"), sealer.seal(b"too long for it")
    opener.push(good + bad)
    assert opener.next_chunk() == b"good"
    for _ in range(2):
        with pytest.raises(nen.WireError, match="ISO-6001"):
            opener.next_chunk()
    with pytest.raises(nen.StreamError, match="ISO-7003"):
        nen.StreamOpener(session, sealer.nonce_header).end()


@pytest.mark.parametrize(
    "options",
    [
        {"prefix": "api"},
        {"prefix": "/api/"},
        {"prefix": "/a b"},
        {"session_ttl_ms": 0},
        {"window_ms": 0},
        {"max_body": 0},
        {"max_body": -1},
        {"session_ttl_ms": -1},
        {"session_ttl_ms": 1 << 64},
        {"identities": []},
        {"identities": "nobody"},
        {"store_keys": []},
    ],
)
def test_options_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - that it is one is the contract
        nen.Server(**options)


@pytest.mark.parametrize("options", [{"identities": [b"key"]}, {"identities": 1}, {"max_body": "1"}, {"unknown": 1}])
def test_options_of_another_type(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        nen.Server(**options)


def test_nothing_secret_is_in_a_repr_or_leaves_by_pickling(session: nen.Session) -> None:
    identity = nen.Identity.generate()
    secret_bytes = [b"\x09" * 32, identity.to_pkcs8()[-32:]]
    call = nen.Call("GET", "/a")
    for thing in (session, identity, identity.public_key, nen.ClientHandshake(identity=identity), nen.Client(), call):
        assert "object at 0x" in repr(thing)
        assert not any(secret in pickle.dumps(repr(thing)) for secret in secret_bytes)
    keepers: list[object] = [session, identity, nen.ClientHandshake(), nen.Client(), nen.MemorySessionStore()]
    for keeper in keepers:
        for copied in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="pickle"):
                copied(keeper)


def test_classes_are_frozen(session: nen.Session) -> None:
    with pytest.raises(AttributeError):
        session.id = "x"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        session.note = "x"  # type: ignore[attr-defined]


def test_nonces_are_remembered_for_the_window_or_for_the_session() -> None:
    for whole_session in (False, True):
        world = World(nonces_for_session=whole_session)
        session, nonce = world.client.session, secrets.token_bytes(nen.NONCE_SIZE)
        assert session is not None
        later = NOW + 10 * 60_000
        for at in (NOW, later):
            signature = session.sign("POST", "/a", at, nonce)
            headers = [
                (nen.SESSION_HEADER, session.id),
                (nen.TIMESTAMP_HEADER, str(at)),
                (nen.NONCE_HEADER, b64encode(nonce).decode()),
                (nen.SIGNATURE_HEADER, b64encode(signature).decode()),
            ]
            if whole_session and at == later:
                with pytest.raises(nen.ReplayError, match="ISO-5001"):
                    world.admit(headers, now=at)
            else:
                world.admit(headers, now=at)
