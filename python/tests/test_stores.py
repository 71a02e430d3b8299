"""What every store does, as its contract says: in memory, in Redis by each of its clients, in Upstash."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import httpx
import httpx2
import pytest
import redis
import redis.asyncio
from redis.asyncio.cluster import RedisCluster as AsyncRedisCluster
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.cluster import RedisCluster
from redis.sentinel import Sentinel

import nen
from nen import RedisSessionStore, UpstashSessionStore
from tests.redis_server import LosingProxy, RedisServer, free_port
from tests.upstash import TOKEN, UpstashServer

MINUTE = 60_000
NONCE = bytes(nen.NONCE_SIZE)
NO_SESSION_IDS = [
    "",
    "*",
    "x:n:y",
    str(uuid4()).upper(),
    f"{uuid4()}\n",
    f"{{{uuid4()}}}",
    str(uuid4()).replace("-", ""),
]


class Subject:
    """A store as the tests ask it, whether or not its methods are coroutine functions."""

    def __init__(self, store: nen.SessionStore, loop: asyncio.AbstractEventLoop) -> None:
        self.store = store
        self.loop = loop
        self.is_async = inspect.iscoroutinefunction(store.get)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        ask = getattr(self.store, name)
        return lambda *arguments: self.loop.run_until_complete(ask(*arguments)) if self.is_async else ask(*arguments)

    def claim_at_once(self, times: int, *arguments: Any) -> list[bool]:
        if not self.is_async:
            with ThreadPoolExecutor(times) as threads:
                return list(threads.map(lambda _: cast("bool", self.store.claim_nonce(*arguments)), range(times)))

        async def claim() -> list[bool]:
            claims = (self.store.claim_nonce(*arguments) for _ in range(times))
            return cast("list[bool]", await asyncio.gather(*claims))  # type: ignore[arg-type]

        return self.loop.run_until_complete(claim())


@contextmanager
def subject(make: Callable[[], Any], kind: Callable[[Any], Any] = RedisSessionStore) -> Iterator[Subject]:
    """Make a store of a client, and close the client at the end."""
    loop = asyncio.new_event_loop()
    client = make()
    try:
        yield Subject(kind(client), loop)
    finally:
        manager = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
        for each in (client, *(manager.sentinels if manager else ())):
            loop.run_until_complete(each.aclose()) if hasattr(each, "aclose") else each.close()
        loop.close()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis Cluster of one node."""
    options = ["--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--cluster-announce-ip", "127.0.0.1"]
    with RedisServer(tmp_path_factory.mktemp("cluster"), *options) as server:
        with server.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO", NEVER_DECODE=True):
                time.sleep(0.05)
        yield server


@pytest.fixture(scope="session")
def sentinel(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The address of a Sentinel that watches the Redis as "nen"."""
    directory = tmp_path_factory.mktemp("sentinel")
    config = Path(directory / "sentinel.conf")
    config.write_text(f"sentinel monitor nen 127.0.0.1 {redis_server.port} 1\n")
    with RedisServer(directory, str(config), "--sentinel") as server:
        yield "127.0.0.1", server.port


@pytest.fixture(scope="session")
def upstash(redis_server: RedisServer) -> Iterator[UpstashServer]:
    with UpstashServer(redis_server.port) as server:
        yield server


SHARED = [
    "redis",
    "redis-decoding",
    "redis-asyncio",
    "redis-asyncio-decoding",
    "cluster",
    "cluster-asyncio",
    "sentinel",
    "sentinel-asyncio",
    "upstash-httpx",
    "upstash-httpx-async",
    "upstash-httpx2",
    "upstash-httpx2-async",
]


@pytest.fixture(params=["memory", *SHARED])
def store(request: pytest.FixtureRequest) -> Iterator[Subject]:
    with ExitStack() as stack:
        if request.param == "memory":
            loop = asyncio.new_event_loop()
            stack.callback(loop.close)
            yield Subject(nen.MemorySessionStore(), loop)
        else:
            yield stack.enter_context(shared(request, request.param))


def shared(request: pytest.FixtureRequest, name: str) -> Any:
    """Make one of the shared stores by its name."""
    where = name.partition("-")[0]
    server = request.getfixturevalue({"redis": "redis_server"}.get(where, where))
    if where == "upstash":
        kinds: dict[str, Callable[[], Any]] = {
            "upstash-httpx": httpx.Client,
            "upstash-httpx-async": httpx.AsyncClient,
            "upstash-httpx2": httpx2.Client,
            "upstash-httpx2-async": httpx2.AsyncClient,
        }
        return subject(kinds[name], lambda client: UpstashSessionStore(server.url, TOKEN, client))
    if where == "sentinel":
        return subject(lambda: (AsyncSentinel if "asyncio" in name else Sentinel)([server]).master_for("nen"))
    clients: dict[str, Callable[[], Any]] = {
        "redis": lambda: redis.Redis(port=server.port),
        "redis-decoding": lambda: redis.Redis(port=server.port, decode_responses=True),
        "redis-asyncio": lambda: redis.asyncio.Redis(port=server.port),
        "redis-asyncio-decoding": lambda: redis.asyncio.Redis(port=server.port, decode_responses=True),
        "cluster": lambda: RedisCluster(host="127.0.0.1", port=server.port),
        "cluster-asyncio": lambda: AsyncRedisCluster(host="127.0.0.1", port=server.port),
    }
    return subject(clients[name])


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def a_record(sid: str, expires_ms: int) -> bytes:
    key = b64encode(bytes(32)).decode()
    record = {"sharedSecret": key, "hmacKey": key, "createdAt": now_ms(), "expiresAt": expires_ms}
    return nen.Session.from_record(sid, json.dumps(record).encode()).to_record()


def test_a_record_is_kept_until_it_is_deleted(store: Subject) -> None:
    sid, expires_ms = str(uuid4()), now_ms() + MINUTE
    record = a_record(sid, expires_ms)
    assert store.get(sid) is None
    store.set(sid, record, expires_ms)
    assert store.get(sid) == record
    store.delete(sid)
    assert store.get(sid) is None
    store.delete(sid)


def test_a_record_is_kept_until_its_end(store: Subject) -> None:
    sid, expires_ms = str(uuid4()), now_ms() + 500
    store.set(sid, a_record(sid, expires_ms), expires_ms)
    assert store.get(sid) is not None
    time.sleep(0.6)
    assert store.get(sid) is None


def test_a_record_whose_end_has_passed_is_not_kept(store: Subject) -> None:
    sid, expires_ms = str(uuid4()), now_ms() - 1
    store.set(sid, a_record(sid, expires_ms), expires_ms)
    assert store.get(sid) is None


def test_a_nonce_is_fresh_once_for_its_session(store: Subject) -> None:
    sid, other, until_ms = str(uuid4()), str(uuid4()), now_ms() + MINUTE
    assert store.claim_nonce(sid, NONCE, until_ms) is True
    assert store.claim_nonce(sid, NONCE, until_ms) is False
    assert store.claim_nonce(sid, b"another     ", until_ms) is True
    assert store.claim_nonce(other, NONCE, until_ms) is True


@pytest.mark.parametrize("past_ms", [10_000, 60 * MINUTE])
def test_a_claim_whose_end_has_passed_is_not_fresh(store: Subject, past_ms: int) -> None:
    assert store.claim_nonce(str(uuid4()), NONCE, now_ms() - past_ms) is False


def test_one_of_many_claims_at_once_is_fresh(store: Subject) -> None:
    claims = store.claim_at_once(16, str(uuid4()), NONCE, now_ms() + MINUTE)
    assert sorted(claims) == [False] * 15 + [True]


@pytest.mark.parametrize("sid", NO_SESSION_IDS, ids=range(len(NO_SESSION_IDS)))
def test_only_session_ids_become_keys(store: Subject, sid: str) -> None:
    for name, arguments in [
        ("get", ()),
        ("set", (b"{}", now_ms() + MINUTE)),
        ("set", (b"{}", 0)),
        ("delete", ()),
        ("claim_nonce", (NONCE, now_ms() + MINUTE)),
        ("claim_nonce", (NONCE, 0)),
    ]:
        with pytest.raises(ValueError, match="UUIDv4"):
            getattr(store, name)(sid, *arguments)


@pytest.mark.parametrize("name", SHARED)
def test_keys_are_those_of_every_language_and_expire(request: pytest.FixtureRequest, name: str) -> None:
    sid = str(uuid4())
    server = request.getfixturevalue("cluster" if "cluster" in name else "redis_server")
    with shared(request, name) as store:
        expires_ms = now_ms() + MINUTE
        store.set(sid, a_record(sid, expires_ms), expires_ms)
        store.claim_nonce(sid, NONCE, now_ms() + MINUTE)
    keys = {key: left for key, left in server.keys().items() if sid in key}
    assert keys.keys() == {f"nen:session:{sid}", f"nen:session:{sid}:n:{b64encode(NONCE).decode()}"}
    assert MINUTE - 5_000 < keys[nen.record_key(sid)] <= MINUTE
    slack = nen.REMOTE_CLOCK_SLACK_MS
    assert MINUTE + slack - 5_000 < keys[nen.nonce_key(sid, NONCE)] <= MINUTE + slack


@pytest.mark.parametrize("kind", [redis.Redis, redis.asyncio.Redis])
def test_a_claim_that_the_client_sent_twice_is_fresh(redis_server: RedisServer, kind: Any) -> None:
    sid, until_ms = str(uuid4()), now_ms() + MINUTE
    with LosingProxy(redis_server.port) as proxy, subject(lambda: kind(port=proxy.port)) as store:
        assert store.claim_nonce(sid, NONCE, until_ms) is True
        assert proxy.claims == 2
        assert store.claim_nonce(sid, NONCE, until_ms) is False


@pytest.mark.parametrize(
    ("client", "is_async"),
    [(redis.Redis(), False), (redis.asyncio.Redis(), True)],
    ids=["redis", "redis.asyncio"],
)
def test_the_store_is_as_asynchronous_as_its_client(client: Any, is_async: bool) -> None:  # noqa: FBT001
    store = RedisSessionStore(client)
    assert isinstance(store, RedisSessionStore)
    methods = (store.get, store.set, store.delete, store.claim_nonce)
    assert [inspect.iscoroutinefunction(method) for method in methods] == [is_async] * 4


@pytest.mark.parametrize("client", [None, "redis://127.0.0.1:6379", object()])
def test_what_is_no_client_of_redis_is_refused(client: Any) -> None:
    with pytest.raises(TypeError, match=r"needs a redis\.Redis or redis\.asyncio\.Redis"):
        RedisSessionStore(client)


def test_a_reply_that_redis_does_not_give_is_an_error(redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        store = RedisSessionStore(client)
        for reply in ("QUEUED", 1):
            client.set_response_callback("SET", lambda *_, reply=reply, **__: reply)
            with pytest.raises(TypeError, match="neither OK nor nothing"):
                store.claim_nonce(str(uuid4()), NONCE, now_ms() + MINUTE)
        client.set_response_callback("SET", lambda *_, **__: None)
        with pytest.raises(TypeError, match="did not keep the session"):
            store.set(str(uuid4()), b"{}", now_ms() + MINUTE)
        client.set_response_callback("GET", lambda *_, **__: 7)
        with pytest.raises(TypeError, match="replied with int"):
            store.get(str(uuid4()))
