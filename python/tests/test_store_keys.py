"""Records that are sealed before a store has them: what is in a real Redis, and how keys come and go."""

from __future__ import annotations

import json
import logging
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import flask
import pytest
import redis
import redis.asyncio

import nen
from nen import _native
from nen.asgi import NenMiddleware
from nen.wsgi import NenMiddleware as WSGINenMiddleware
from tests.app import app_on, create_app
from tests.conftest import Connect, Serve
from tests.inprocess import client_of
from tests.peer import Peer
from tests.redis_server import RedisServer
from tests.servers import on_waitress

RAW = b"an old key of exactly 32 bytes.."
OLD, NEW = b64encode(RAW).decode(), b64encode(b"a newer key of just 32 bytes....").decode()

Start = Callable[..., str]


@pytest.fixture
def start(redis_server: RedisServer, serve: Serve) -> Start:
    """Start servers of one Redis, with these keys; with none, as before there were keys."""

    def started(*store_keys: bytes | str, kind: Any = redis.asyncio.Redis) -> str:
        options: dict[str, Any] = {"store_keys": list(store_keys)} if store_keys else {}
        return serve(app_on(kind(port=redis_server.port), **options))

    return started


def is_good(peer: Peer, url: str) -> None:
    """See that a session is good at a server."""
    peer.http.base_url = url
    assert peer.fetch("POST", "/api/secure-data", 7).value["received"] == 7
    assert peer.status() is True


def is_unavailable(peer: Peer, url: str) -> None:
    """See that a server which cannot read a session's record says so, and does not say that there is no session."""
    peer.http.base_url = url
    _, request = peer.seal("POST", "/api/secure-data", b"7")
    rotate = nen.LifecycleCall.rotate("/api/nen/rotate").seal(peer.nen)
    named = {nen.SESSION_HEADER: peer.session.id}
    requests = [request]
    requests += [peer.http.build_request("POST", "/api/nen/rotate", content=rotate.body, headers=rotate.headers)]
    requests += [
        peer.http.build_request(method, f"/api/nen/{action}", headers=named)
        for method, action in (("GET", "status"), ("POST", "terminate"))
    ]
    for each in requests:
        answer = peer.send(each)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ISO-9001"), each.url


def record_of(server: RedisServer, peer: Peer) -> Any:
    with server.client() as client:
        return client.get(nen.record_key(peer.session.id))


@pytest.mark.parametrize("kind", [redis.Redis, redis.asyncio.Redis], ids=["redis", "redis.asyncio"])
def test_no_key_of_a_session_is_in_redis(
    redis_server: RedisServer, start: Start, connect: Connect, kind: Callable[..., Any]
) -> None:
    identity = nen.Identity.generate()
    peer = connect(start(RAW, kind=kind), identity=identity)
    is_good(peer, str(peer.http.base_url))
    peers = [peer.session]
    peer.rotate()
    is_good(peer, str(peer.http.base_url))
    peers.append(peer.session)
    forbidden = [b"sharedSecret", b"hmacKey", b64encode(identity.public_key.spki)]
    for session in peers:
        members = json.loads(session.to_record())
        for name in ("sharedSecret", "hmacKey"):
            raw = b64decode(members[name])
            forbidden += [raw, raw.hex().encode(), raw.hex().upper().encode(), b64encode(raw), b64encode(raw)[:40]]
    with redis_server.client() as client:
        values = [client.get(key) for key in client.scan_iter()]
    assert record_of(redis_server, peer) in values
    for value in values:
        assert isinstance(value, bytes)
        assert [word for word in forbidden if word in value] == []


def test_a_key_is_replaced_while_sessions_live(start: Start, connect: Connect) -> None:
    keys = [(OLD,), (OLD, NEW), (NEW, OLD), (NEW,)]
    urls = [start(*each) for each in keys]
    made = [connect(url) for url in urls]
    # Each step may be at some of the servers only, so that neighbours must read each other's records.
    readers = [{0, 1, 2}, {0, 1, 2}, {1, 2, 3}, {1, 2, 3}]
    for peer, good in zip(made, readers, strict=True):
        for number, url in enumerate(urls):
            (is_good if number in good else is_unavailable)(peer, url)
    made[0].http.base_url = urls[2]
    made[0].rotate()
    is_good(made[0], urls[3])


def test_sealing_is_turned_on_while_sessions_live(redis_server: RedisServer, start: Start, connect: Connect) -> None:
    urls = [start(*each) for each in [(), ("plain", NEW), (NEW, "plain"), (NEW,)]]
    made = [connect(url) for url in urls]
    assert [b"sharedSecret" in record_of(redis_server, peer) for peer in made] == [True, True, False, False]
    readers = [{0, 1, 2}, {0, 1, 2}, {1, 2, 3}, {1, 2, 3}]
    for peer, good in zip(made, readers, strict=True):
        for number, url in enumerate(urls):
            (is_good if number in good else is_unavailable)(peer, url)


def test_bytes_and_text_are_the_same_key(start: Start, connect: Connect) -> None:
    is_good(connect(start(RAW)), start(OLD))


def test_servers_that_disagree_are_loud_and_tell_no_secret(
    start: Start, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    peer = connect(start(OLD))
    is_unavailable(peer, start(NEW))
    refusals = [entry for entry in caplog.records if getattr(entry, "nen_code", "") == "ISO-9001"]
    assert len(refusals) == 4
    for entry in refusals:
        assert entry.levelno == logging.ERROR
        assert "no store key opens it" in entry.getMessage()
    members = json.loads(peer.session.to_record())
    forbidden = [OLD, NEW, RAW.decode(), peer.session.id, members["sharedSecret"], members["hmacKey"]]
    for entry in caplog.records:
        if entry.name.startswith("nen"):
            text = repr(vars(entry)) + logging.Formatter().format(entry)
            assert [word for word in forbidden if word in text] == []


def test_a_record_does_not_open_under_another_session(
    redis_server: RedisServer, start: Start, connect: Connect
) -> None:
    url = start(OLD)
    one, other = connect(url), connect(url)
    with redis_server.client() as client:
        client.set(nen.record_key(other.session.id), record_of(redis_server, one), px=60_000)
    is_unavailable(other, url)
    is_good(one, url)


def test_a_record_that_was_made_up_is_none(redis_server: RedisServer, start: Start, connect: Connect) -> None:
    url = start(OLD)
    peer = connect(url)
    key = b64encode(bytes(32)).decode()
    forged = {"sharedSecret": key, "hmacKey": key, "createdAt": time.time_ns() // 1_000_000}
    sealed = json.loads(record_of(redis_server, peer))
    assert sealed.keys() == {"ct", "n"}
    for record in (forged, {**sealed, "n": b64encode(bytes(12)).decode()}, {**forged, **sealed, "n": None}):
        with redis_server.client() as client:
            client.set(nen.record_key(peer.session.id), json.dumps(record), px=60_000)
        is_unavailable(peer, url)


def test_a_wsgi_server_seals_too(redis_server: RedisServer, start: Start, connect: Connect) -> None:
    app = flask.Flask("sealed")
    app.add_url_rule("/api/secure-data", "secure_data", lambda: {"received": flask.request.json}, methods=["POST"])
    with redis_server.client() as client:
        wrapped = WSGINenMiddleware(
            app, protect=["/api/*"], store=nen.RedisSessionStore(client), store_keys=[OLD, "plain"]
        )
        with on_waitress(wrapped) as url:
            peer = connect(url)
            is_good(peer, url)
            assert json.loads(record_of(redis_server, peer)).keys() == {"ct", "n"}
            is_good(peer, start(OLD))
            peer.http.close()


def test_a_store_in_this_process_takes_no_notice(serve: Serve, connect: Connect) -> None:
    url = serve(create_app(protect=["/api/*"], store_keys=[OLD]))
    is_good(connect(url), url)


async def nothing(*_: Any) -> None:
    """Stand for an application."""


SHORT = b64encode(RAW[:31]).decode()
REFUSED = {
    "none": (None, TypeError, "NoneType"),
    "no-list": (OLD, TypeError, "one key"),
    "no-list-of-bytes": (RAW, TypeError, "one key"),
    "empty": ([], ValueError, "empty"),
    "a-variable-that-is-unset": ([None], TypeError, "NoneType"),
    "one-that-is-unset-among-others": ([OLD, None], TypeError, "NoneType"),
    "empty-text": ([""], ValueError, "base64 of 32 bytes"),
    "empty-bytes": ([b""], ValueError, "32 bytes"),
    "short": ([RAW[:31]], ValueError, "32 bytes"),
    "long": ([RAW + b"."], ValueError, "32 bytes"),
    "short-text": ([SHORT], ValueError, "base64 of 32 bytes"),
    "hex": ([RAW.hex()], ValueError, "base64 of 32 bytes"),
    "a-line": ([OLD + "\n"], ValueError, "base64 of 32 bytes"),
    "base64-as-bytes": ([OLD.encode()], ValueError, "32 bytes"),
    "surrogates": (["\ud800"], ValueError, "base64 of 32 bytes"),
    "another-spelling": (["PLAIN"], ValueError, "the word plain"),
    "number": ([7], TypeError, "int"),
    "a-number": (7, TypeError, "int"),
    "no-order": ({OLD, "plain"}, TypeError, "set"),
    "read-once": (iter([OLD]), TypeError, "list_iterator"),
}


@pytest.mark.parametrize("middleware", [NenMiddleware, WSGINenMiddleware], ids=["asgi", "wsgi"])
@pytest.mark.parametrize(("keys", "kind", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_list_of_keys_is_refused(middleware: Any, keys: Any, kind: type[Exception], why: str) -> None:
    with pytest.raises(kind, match="store_keys") as caught:
        middleware(nothing, store_keys=keys)
    assert why in str(caught.value)
    texts = [key for key in (keys if isinstance(keys, list) else [keys]) if key and isinstance(key, bytes | str)]
    for secret in (text if isinstance(text, str) else text.decode() for text in texts):
        assert secret.strip() not in "".join(map(str, (caught.value, caught.value.__cause__, caught.value.__context__)))


def test_keys_are_shown_by_nothing() -> None:
    middleware = NenMiddleware(nothing, store_keys=(OLD, RAW, "plain"))
    everything = repr([vars(middleware), vars(vars(middleware)["_guard"]), nen.Server(store_keys=[OLD])])
    assert "Server object at 0x" in everything
    assert not any(word in everything for word in (OLD, RAW.decode(), RAW.hex()))


def admitting(**options: Any) -> tuple[nen.AdmitCall, nen.Session]:
    """Begin the check of a request, and return the session that it is of."""
    session = client_of(nen.MemorySessionStore()).session
    assert session is not None
    now_ms, nonce = time.time_ns() // 1_000_000, bytes(nen.NONCE_SIZE)
    headers = [
        (nen.SESSION_HEADER, session.id),
        (nen.TIMESTAMP_HEADER, str(now_ms)),
        (nen.NONCE_HEADER, b64encode(nonce).decode()),
        (nen.SIGNATURE_HEADER, b64encode(session.sign("GET", "/", now_ms, nonce)).decode()),
    ]
    return nen.Server(**options).begin_admit("GET", "/", headers), session


def test_the_steps_of_a_server_open_records() -> None:
    call, session = admitting(store_keys=[NEW, RAW])
    assert call.step() == ("get", (session.id,))
    call.resume(_native.write_record([RAW], session))
    call.resume(True)  # noqa: FBT003 - what the store said
    assert call.result().session.to_record() == session.to_record()
    call, session = admitting()
    with pytest.raises(nen.InternalError, match="ISO-9001"):
        call.resume(_native.write_record([RAW], session))
    with pytest.raises(nen.InternalError, match="ISO-9000"):
        call.step()


def test_a_request_is_as_old_as_when_its_check_began() -> None:
    call, session = admitting(window_ms=500)
    time.sleep(0.6)
    call.resume(session.to_record())
    call.resume(True)  # noqa: FBT003 - what the store said
    assert call.result().session.id == session.id
