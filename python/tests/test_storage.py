"""A store of one's own behind a middleware: it is waited for with a limit, and what it does wrong stays its own."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import pytest
import redis

import nen
from nen import _storage
from nen._storage import AsyncStorage, SyncStorage
from nen.asgi import NenMiddleware
from tests.app import create_app
from tests.conftest import Connect, Serve

SECRET = "what the store was told"  # noqa: S105
TIMEOUT_MS = 100
LATE = 2.0  # seconds, by which a request must have been answered
HANG = 3.0


class OwnStore:
    """A store as its users write one: nothing but the contract. Each method can be made to do something else."""

    def __init__(self, **instead: Callable[..., Any]) -> None:
        self._store = nen.MemorySessionStore()
        self._instead = instead

    def _do(self, name: str, *arguments: Any) -> Any:
        return self._instead.get(name, getattr(self._store, name))(*arguments)

    def get(self, sid: str) -> Any:
        return self._do("get", sid)

    def set(self, sid: str, record: bytes, expires_ms: int) -> Any:
        return self._do("set", sid, record, expires_ms)

    def delete(self, sid: str) -> Any:
        return self._do("delete", sid)

    def claim_nonce(self, sid: str, nonce: bytes, until_ms: int) -> Any:
        return self._do("claim_nonce", sid, nonce, until_ms)


class OwnAsyncStore(OwnStore):
    """The same of coroutine functions."""

    async def _wait_for(self, reply: Any) -> Any:
        await asyncio.sleep(0)
        return await reply if isinstance(reply, Awaitable) else reply

    async def get(self, sid: str) -> Any:
        return await self._wait_for(super().get(sid))

    async def set(self, sid: str, record: bytes, expires_ms: int) -> Any:
        return await self._wait_for(super().set(sid, record, expires_ms))

    async def delete(self, sid: str) -> Any:
        return await self._wait_for(super().delete(sid))

    async def claim_nonce(self, sid: str, nonce: bytes, until_ms: int) -> Any:
        return await self._wait_for(super().claim_nonce(sid, nonce, until_ms))


both_kinds = pytest.mark.parametrize("kind", [OwnStore, OwnAsyncStore])


@both_kinds
def test_a_store_of_ones_own_serves_every_endpoint(kind: type[OwnStore], serve: Serve, connect: Connect) -> None:
    peer = connect(serve(create_app(protect=["/api/*"], store=kind())))
    assert peer.fetch("POST", "/api/secure-data", 7).value["received"] == 7
    first = peer.session.id
    peer.rotate()
    assert peer.session.id != first
    assert peer.status() is True
    session = peer.session
    _, request = peer.seal("GET", "/api/secure-data")
    assert [peer.send(request).status_code for _ in range(2)] == [200, 409]
    peer.terminate()
    assert peer.nen.session is not session
    assert '"ISO-2002"' in peer.send(request).text


def returning(reply: Any) -> Callable[..., Any]:
    return lambda *_: reply


def raising(error: BaseException) -> Callable[..., Any]:
    def method(*_: Any) -> None:
        raise error

    return method


@both_kinds
@pytest.mark.parametrize(
    ("name", "instead", "detail"),
    [
        ("get", raising(KeyError(SECRET)), "failed with KeyError (test_storage.py:"),
        ("get", raising(TimeoutError(SECRET)), "failed with TimeoutError"),
        ("get", raising(nen.SessionError("ISO-2002", SECRET)), "failed with SessionError"),
        ("get", returning(7), "no reply to the question"),
        ("get", returning(b"no record"), "record"),
        ("get", raising(StopIteration(SECRET)), "failed with RuntimeError"),
        ("claim_nonce", raising(OSError(SECRET)), "failed with OSError"),
        ("claim_nonce", returning("fresh"), "no reply to the question"),
        ("claim_nonce", returning(None), "no reply to the question"),
    ],
)
def test_a_store_that_does_wrong_is_unavailable(  # noqa: PLR0913, PLR0917 - what to do, and to whom
    kind: type[OwnStore],
    name: str,
    instead: Callable[..., Any],
    detail: str,
    serve: Serve,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    peer = connect(serve(create_app(protect=["/api/*"], store=kind(**{name: instead}))))
    _, request = peer.seal("POST", "/api/secure-data", b"7")
    answer = peer.send(request)
    assert answer.status_code == 503
    assert '"ISO-9001"' in answer.text
    (record,) = [record for record in caplog.records if record.name == "nen"]
    assert detail in record.getMessage()
    assert SECRET not in caplog.text + repr(vars(record))


@both_kinds
def test_a_store_may_say_that_it_is_full(kind: type[OwnStore], serve: Serve, connect: Connect) -> None:
    full = raising(nen.ReplayError("ISO-5002"))
    peer = connect(serve(create_app(protect=["/api/*"], store=kind(claim_nonce=full))))
    _, request = peer.seal("POST", "/api/secure-data", b"7")
    answer = peer.send(request)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ISO-5002")


async def sleep_through_cancellation(*_: Any) -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)
    await asyncio.sleep(HANG)
    raise RuntimeError(SECRET)


@pytest.mark.parametrize(
    "store",
    [
        OwnStore(get=lambda *_: time.sleep(HANG)),
        OwnAsyncStore(get=lambda *_: asyncio.sleep(3600)),
        OwnAsyncStore(get=sleep_through_cancellation),
    ],
    ids=["sync", "async", "async, not to be cancelled"],
)
def test_a_slow_store_holds_a_request_up_no_longer_than_its_timeout(
    store: OwnStore, serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    peer = connect(serve(create_app(protect=["/api/*"], store=store, store_timeout_ms=TIMEOUT_MS)))
    _, request = peer.seal("POST", "/api/secure-data", b"7")
    begun = time.monotonic()
    answer = peer.send(request)
    assert time.monotonic() - begun < LATE
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ISO-9001")
    assert "did not reply within 0.1 s" in caplog.text


def handshake_by(kind: type[AsyncStorage | SyncStorage], store: nen.SessionStore) -> int:
    """Shake hands with a server of one kind, which asks its store to keep a session, and return the status."""
    storage, body = kind(nen.Server(), store, TIMEOUT_MS), nen.ClientHandshake().body
    if isinstance(storage, SyncStorage):
        return storage.respond("handshake", "POST", b"/api/nen/handshake", [], body).status
    return asyncio.run(storage.respond("handshake", "POST", b"/api/nen/handshake", [], body)).status


both_storages = pytest.mark.parametrize("kind", [AsyncStorage, SyncStorage])


@both_storages
def test_no_traceback_has_the_text_of_a_store(kind: type[AsyncStorage | SyncStorage]) -> None:
    with pytest.raises(nen.InternalError) as caught:
        handshake_by(kind, OwnStore(set=raising(ValueError(SECRET))))
    assert "failed with ValueError (test_storage.py:" in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


@both_storages
def test_what_a_store_says_of_itself_comes_without_its_cause(kind: type[AsyncStorage | SyncStorage]) -> None:
    error = nen.InternalError("ISO-9001", "the disk is full")
    error.__cause__ = ValueError(SECRET)
    with pytest.raises(nen.InternalError, match="the disk is full") as caught:
        handshake_by(kind, OwnStore(set=raising(error)))
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@both_storages
def test_each_kind_of_server_has_its_limit(kind: type[AsyncStorage | SyncStorage]) -> None:
    begun = time.monotonic()
    with pytest.raises(nen.InternalError, match=r"did not reply within 0\.1 s"):
        handshake_by(kind, OwnStore(set=lambda *_: time.sleep(HANG)))
    assert time.monotonic() - begun < LATE


@pytest.mark.parametrize("base", [OwnStore, OwnAsyncStore])
def test_a_store_of_other_arguments_is_a_failure(base: type[OwnStore], serve: Serve, connect: Connect) -> None:
    class Wrong(base):  # type: ignore[valid-type, misc]
        claim_nonce = base.get

    peer = connect(serve(create_app(protect=["/api/*"], store=Wrong())))
    _, request = peer.seal("GET", "/api/secure-data")
    assert '"ISO-9001"' in peer.send(request).text


def test_a_coroutine_that_cancels_itself_is_a_failure() -> None:
    with pytest.raises(nen.InternalError):
        handshake_by(AsyncStorage, OwnAsyncStore(set=raising(asyncio.CancelledError())))


@both_storages
def test_a_store_is_asked_in_the_context_of_the_request(kind: type[AsyncStorage | SyncStorage]) -> None:
    trace, seen = ContextVar("trace", default=""), []
    token = trace.set("of the request")
    handshake_by(kind, OwnStore(set=lambda *_: seen.append(trace.get())))
    trace.reset(token)
    assert seen == ["of the request"]


@pytest.mark.parametrize("client_leaves", [False, True])
def test_nothing_is_left_to_run_of_a_question_that_nobody_waits_for(client_leaves: bool) -> None:  # noqa: FBT001
    ended = threading.Event()

    async def hang(*_: Any) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async def ask() -> None:
        storage = AsyncStorage(nen.Server(), OwnAsyncStore(set=hang), 3600_000 if client_leaves else TIMEOUT_MS)
        body = nen.ClientHandshake().body
        asking = asyncio.ensure_future(storage.respond("handshake", "POST", b"/api/nen/handshake", [], body))
        await asyncio.sleep(0.05)
        if client_leaves:
            asking.cancel()
        await asyncio.wait({asking})
        await asyncio.sleep(0.05)
        assert asking.cancelled() == client_leaves
        assert ended.is_set()
        assert client_leaves or asking.exception() is not None

    asyncio.run(ask())


def test_a_failure_that_comes_too_late_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail_late(*_: Any) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        raise ValueError(SECRET)

    async def ask() -> None:
        storage = AsyncStorage(nen.Server(), OwnAsyncStore(set=fail_late), TIMEOUT_MS)
        with pytest.raises(nen.InternalError, match="did not reply"):
            await storage.respond("handshake", "POST", b"/api/nen/handshake", [], nen.ClientHandshake().body)
        await asyncio.sleep(0.1)
        gc.collect()

    asyncio.run(ask())
    assert caplog.records == []


def test_a_store_that_hangs_is_asked_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_storage, "_THREADS", 1)
    monkeypatch.setattr(_storage, "_MOST_QUESTIONS", 2)
    hangs, asked = threading.Event(), []

    def hang(*_: Any) -> None:
        asked.append(1)
        hangs.wait(10)

    storage = AsyncStorage(nen.Server(), OwnStore(set=hang), 5 * TIMEOUT_MS)

    async def ask(times: int) -> list[Any]:
        body = nen.ClientHandshake().body
        asking = (storage.respond("handshake", "POST", b"/api/nen/handshake", [], body) for _ in range(times))
        return await asyncio.gather(*asking, return_exceptions=True)

    late = "the session store did not reply within 0.5 s (store_timeout_ms)"
    details = [error.detail for error in asyncio.run(ask(3))]
    assert details == [late, late, "2 questions to the session store are open already"]
    hangs.set()
    deadline = time.monotonic() + 10
    while isinstance(asyncio.run(ask(1))[0], nen.NenError):
        assert time.monotonic() < deadline, "it is not asked any more"
    assert len(asked) == 2, "what nobody waited for any more was asked all the same"


class Mixed(OwnStore):
    async def get(self, sid: str) -> Any:
        return super().get(sid)


@pytest.mark.parametrize(
    ("store", "complaint"),
    [
        (object(), "it has no get, set, delete, claim_nonce"),
        (redis.Redis(), r"it has no claim_nonce\. A client of Redis becomes one by nen\.RedisSessionStore"),
        (Mixed(), "some methods of Mixed are coroutine functions, and some are not"),
    ],
)
def test_what_is_no_store_is_refused_at_once(store: Any, complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        NenMiddleware(create_app(), store=store)


def test_a_server_of_threads_refuses_coroutine_functions() -> None:
    with pytest.raises(TypeError, match="which a WSGI server cannot wait for"):
        SyncStorage(nen.Server(), OwnAsyncStore(), 2_000)


@pytest.mark.parametrize("timeout_ms", [0, -1, 2**70])
def test_a_timeout_that_cannot_be_waited_for_is_refused(timeout_ms: Any) -> None:
    with pytest.raises(ValueError, match="store_timeout_ms"):
        NenMiddleware(create_app(), store_timeout_ms=timeout_ms)
