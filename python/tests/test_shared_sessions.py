"""Several servers that share a Redis, and what becomes of their clients when it fails."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import redis.asyncio

import nen
from tests.app import app_on
from tests.conftest import Connect, Serve
from tests.peer import Peer
from tests.redis_server import RedisServer

TIMEOUT_MS = 300
PLAINTEXT = "the plaintext that nobody may log"


@pytest.fixture
def durable_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that a test may kill: it finds again what it was told."""
    with RedisServer(tmp_path, "--appendonly", "yes", "--appendfsync", "always", "--save", "") as server:
        yield server


both_clients = pytest.mark.parametrize("kind", [redis.Redis, redis.asyncio.Redis], ids=["redis", "redis.asyncio"])
Kind = Callable[..., Any]


@both_clients
def test_a_session_is_good_at_every_server(
    redis_server: RedisServer, kind: Kind, serve: Serve, connect: Connect
) -> None:
    one, two = (serve(app_on(kind(port=redis_server.port))) for _ in range(2))
    identity = nen.Identity.generate()
    peer = connect(one, identity=identity)
    first = peer.session.id
    peer.http.base_url = two
    assert peer.fetch("POST", "/api/whoami").value["identity"] == identity.public_key.spki.hex()
    peer.rotate()
    second = peer.session.id
    peer.http.base_url = one
    assert peer.fetch("POST", "/api/secure-data", 7).value["received"] == 7
    peer.http.base_url = two
    _, request = peer.seal("GET", "/api/secure-data")
    peer.terminate()
    peer.http.base_url = one
    assert '"ISO-2002"' in peer.send(request).text
    left = redis_server.keys()
    assert nen.record_key(first) not in left
    assert nen.record_key(second) not in left


def test_one_of_many_copies_is_admitted_at_two_servers(
    redis_server: RedisServer, serve: Serve, connect: Connect
) -> None:
    urls = [serve(app_on(kind(port=redis_server.port))) for kind in (redis.Redis, redis.asyncio.Redis)]
    peer = connect(urls[0])
    _, request = peer.seal("POST", "/api/secure-data", b"7")

    def send_copy(number: int) -> int:
        url = f"{urls[number % 2]}/api/secure-data"
        return httpx.post(url, content=request.content, headers=request.headers).status_code

    with ThreadPoolExecutor(16) as threads:
        assert Counter(threads.map(send_copy, range(16))) == {200: 1, 409: 15}


def test_every_key_expires(redis_server: RedisServer, serve: Serve, connect: Connect) -> None:
    ttl, window = 60_000, 20_000
    url = serve(app_on(redis.asyncio.Redis(port=redis_server.port), session_ttl_ms=ttl, window_ms=window))
    peer = connect(url)
    peer.fetch("POST", "/api/secure-data", 7)
    left = {key: ms for key, ms in redis_server.keys().items() if peer.session.id in key}
    session = left.pop(nen.record_key(peer.session.id))
    (nonce,) = left.values()
    assert ttl - 10_000 < session <= ttl
    assert window + nen.REMOTE_CLOCK_SLACK_MS - 10_000 < nonce <= window + nen.REMOTE_CLOCK_SLACK_MS


def unavailable(peer: Peer) -> None:
    """See that every question to the store is answered with ISO-9001, in time."""
    _, sealed = peer.seal("POST", "/api/secure-data", b"7")
    requests = [
        sealed,
        peer.http.build_request("GET", "/api/nen/status", headers={nen.SESSION_HEADER: peer.session.id}),
        peer.http.build_request("POST", "/api/nen/handshake", content=nen.ClientHandshake().body),
    ]
    for request in requests:
        begun = time.monotonic()
        answer = peer.send(request)
        assert time.monotonic() - begun < TIMEOUT_MS / 1000 + 1.5
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ISO-9001")


def recovered(peer: Peer) -> None:
    """See that the session is still there. The store's client may wait before it connects anew."""
    deadline = time.monotonic() + 15
    while True:
        _, request = peer.seal("POST", "/api/secure-data", b"7")
        answer = peer.send(request)
        if answer.status_code == 200:
            return
        assert answer.json()["error"]["code"] == "ISO-9001"
        assert time.monotonic() < deadline


@both_clients
def test_a_redis_that_is_gone_is_not_a_lost_session(
    durable_redis: RedisServer, kind: Kind, serve: Serve, connect: Connect
) -> None:
    peer = connect(serve(app_on(kind(port=durable_redis.port), store_timeout_ms=TIMEOUT_MS)))
    peer.fetch("POST", "/api/secure-data", 7)
    durable_redis.kill()
    unavailable(peer)
    durable_redis.start()
    recovered(peer)


@both_clients
def test_a_redis_that_hangs_is_not_a_lost_session(
    durable_redis: RedisServer, kind: Kind, serve: Serve, connect: Connect
) -> None:
    peer = connect(serve(app_on(kind(port=durable_redis.port, socket_timeout=1), store_timeout_ms=TIMEOUT_MS)))
    with durable_redis.frozen():
        unavailable(peer)
    recovered(peer)


@both_clients
@pytest.mark.parametrize("decode_responses", [False, True])
def test_no_secret_is_in_any_record_when_redis_fails(  # noqa: PLR0913, PLR0917 - each is a fixture or a parameter
    durable_redis: RedisServer,
    kind: Kind,
    decode_responses: bool,  # noqa: FBT001
    serve: Serve,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    client = kind(port=durable_redis.port, decode_responses=decode_responses)
    peer = connect(serve(app_on(client, store_timeout_ms=TIMEOUT_MS)))
    kept = json.loads(peer.session.to_record())
    forbidden = {PLAINTEXT, kept["sharedSecret"], kept["hmacKey"]}
    value = json.dumps({"text": PLAINTEXT}).encode()
    key = nen.record_key(peer.session.id)

    def fails() -> None:
        _, request = peer.seal("POST", "/api/secure-data", value)
        forbidden.update(request.headers[name] for name in (nen.SIGNATURE_HEADER, nen.NONCE_HEADER))
        assert '"ISO-9001"' in peer.send(request).text

    with durable_redis.client() as admin:
        record: Any = admin.get(key)
        for damage in (record[:-1], record.replace(b"sharedSecret", b"\xff"), record.replace(b"=", b"!")):
            admin.set(key, damage, keepttl=True)
            fails()
        admin.delete(key)
        admin.rpush(key, record)
        fails()
        admin.delete(key)
        admin.set(key, record, px=60_000)
        admin.config_set("maxmemory", 1)
        fails()
        handshake = peer.http.post("/api/nen/handshake", content=nen.ClientHandshake().body)
        assert '"ISO-9001"' in handshake.text
    durable_redis.kill()
    fails()

    refusals = [record for record in caplog.records if getattr(record, "nen_code", "") == "ISO-9001"]
    assert len(refusals) == 7
    assert all(record.levelno == logging.ERROR and record.exc_info is None for record in refusals)
    for entry in caplog.records:
        text = repr(vars(entry)) + logging.Formatter().format(entry)
        assert [word for word in forbidden if word in text] == []
