"""A server and its store, as one request after the other asks them.

The core says what to ask a store, and takes its reply (:class:`nen.AdmitCall`, :class:`nen.EndpointCall`); here the
asking is done, within a time limit. The store in this process's memory needs neither: it is asked in Rust.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import threading
import time
from contextvars import copy_context
from pathlib import PurePath
from typing import Any, Protocol, TypeVar

from nen._errors import InternalError, NenError
from nen._native import Answer, Exchange, MemorySessionStore, Server
from nen._types import Headers
from nen._workers import are_asked_for, warn_if_several
from nen.stores import SessionStore

_Result_co = TypeVar("_Result_co", covariant=True)

_METHODS = ("get", "set", "delete", "claim_nonce")
_THREADS = 64
_MOST_QUESTIONS = 4096


class _StoreError(InternalError):
    """A store raised. What it raised is no cause of this, since a log may show the text of a cause."""

    cause: str = ""
    """The name of its type."""


class _StoreCall(Protocol[_Result_co]):
    def step(self) -> tuple[str, tuple[Any, ...]] | None: ...
    def resume(self, reply: object, /) -> None: ...
    def result(self) -> _Result_co: ...


def is_async(store: SessionStore) -> bool:
    """Tell whether a store's methods are coroutine functions.

    :raises TypeError: if it lacks one, or only some of them are.
    """
    missing = [name for name in _METHODS if not callable(getattr(store, name, None))]
    if missing:
        msg = (
            f"{type(store).__name__} is no session store: it has no {', '.join(missing)}."
            " A client of Redis becomes one by nen.RedisSessionStore(client)"
        )
        raise TypeError(msg)
    kinds = {inspect.iscoroutinefunction(getattr(store, name)) for name in _METHODS}
    if len(kinds) > 1:
        msg = f"some methods of {type(store).__name__} are coroutine functions, and some are not"
        raise TypeError(msg)
    return kinds.pop()


class _Storage:
    def __init__(self, server: Server, store: SessionStore, timeout_ms: int) -> None:
        if not 0 < timeout_ms <= threading.TIMEOUT_MAX * 1000:
            msg = "store_timeout_ms must be at least one millisecond, and one that a thread can wait for"
            raise ValueError(msg)
        self._server = server
        self._store = store
        self._memory = store if isinstance(store, MemorySessionStore) else None
        self._is_async = is_async(store)
        self._seconds = timeout_ms / 1000
        # Of its own, so that a store that hangs holds up nothing but itself.
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS, "nen-store")
        # What waits for a thread: a store that hangs must not fill the memory with what it was asked.
        self._places = threading.BoundedSemaphore(_MOST_QUESTIONS)
        warn_if_several(store, multiprocess=are_asked_for())

    def _submit(self, name: str, arguments: tuple[Any, ...]) -> concurrent.futures.Future[object]:
        """Ask a store of plain functions in a thread, unless that comes up when nobody waits any more."""
        if not self._places.acquire(blocking=False):
            msg = f"{_MOST_QUESTIONS} questions to the session store are open already"
            raise _unavailable(msg)
        ask, context = getattr(self._store, name), copy_context()
        deadline = time.monotonic() + self._seconds

        def answer() -> object:
            try:
                if time.monotonic() > deadline:
                    raise self._late()
                return context.run(ask, *arguments)
            except StopIteration:
                # asyncio's futures do not take it, as coroutines do not (PEP 479).
                msg = "the store raised StopIteration"
                raise RuntimeError(msg) from None
            finally:
                self._places.release()

        return self._threads.submit(answer)

    def _reply_of(self, asked: concurrent.futures.Future[object] | asyncio.Future[object], *, in_time: bool) -> object:
        """Take the reply to a question. The text of a failure may quote the question, so that no error has it."""
        if not in_time or asked.cancelled():
            raise self._late()
        error = asked.exception()
        if error is None:
            return asked.result()
        if isinstance(error, NenError) and error.code in ("ISO-5002", "ISO-9001"):
            raise NenError(error.code, error.detail)
        msg = f"the session store failed with {type(error).__name__}{_place_of(error)}"
        failure = _StoreError("ISO-9001", msg)
        failure.cause = type(error).__name__
        raise failure

    def _late(self) -> NenError:
        return _unavailable(f"the session store did not reply within {self._seconds:g} s (store_timeout_ms)")


class AsyncStorage(_Storage):
    """For a server on an event loop. A store of plain functions is asked in a thread."""

    async def admit(self, method: str, target: bytes, headers: Headers) -> Exchange:
        """Check a request. Errors: those of :meth:`nen.Server.admit`."""
        if self._memory is not None:
            warn_if_several(self._memory)
            return self._server.admit(self._memory, method, target, headers)
        return await self._drive(self._server.begin_admit(method, target, headers))

    async def respond(self, endpoint: str, method: str, target: bytes, headers: Headers, body: bytes) -> Answer:
        """Answer a session endpoint. Errors: those of :meth:`nen.Server.respond`."""
        if self._memory is not None:
            warn_if_several(self._memory)
            return self._server.respond(self._memory, endpoint, method, target, headers, body)
        return await self._drive(self._server.begin_respond(endpoint, method, target, headers, body))

    async def _drive(self, call: _StoreCall[_Result_co]) -> _Result_co:
        while (question := call.step()) is not None:
            call.resume(await self._ask(*question))
        return call.result()

    async def _awaited(self, name: str, arguments: tuple[Any, ...]) -> object:
        """Ask a store of coroutine functions. Here, since one that takes other arguments raises when it is called."""
        return await getattr(self._store, name)(*arguments)

    async def _ask(self, name: str, arguments: tuple[Any, ...]) -> object:
        asked: asyncio.Future[object]
        if self._is_async:
            asked = asyncio.ensure_future(self._awaited(name, arguments))
        else:
            asked = asyncio.wrap_future(self._submit(name, arguments))
        # A failure that comes too late is not for asyncio's log, either.
        asked.add_done_callback(_look_at)
        try:
            done, _ = await asyncio.wait({asked}, timeout=self._seconds)
        finally:
            if self._is_async:
                asked.cancel()
        return self._reply_of(asked, in_time=bool(done))


class SyncStorage(_Storage):
    """For a server of threads. The store is asked in another one, so that there is a limit to the wait for it."""

    def __init__(self, server: Server, store: SessionStore, timeout_ms: int) -> None:
        super().__init__(server, store, timeout_ms)
        if self._is_async:
            name = type(store).__name__.lstrip("_")
            msg = f"{name} has coroutine functions, which a WSGI server cannot wait for: use a client that is not async"
            raise TypeError(msg)

    def admit(self, method: str, target: bytes, headers: Headers) -> Exchange:
        """Check a request. Errors: those of :meth:`nen.Server.admit`."""
        if self._memory is not None:
            return self._server.admit(self._memory, method, target, headers)
        return self._drive(self._server.begin_admit(method, target, headers))

    def respond(self, endpoint: str, method: str, target: bytes, headers: Headers, body: bytes) -> Answer:
        """Answer a session endpoint. Errors: those of :meth:`nen.Server.respond`."""
        if self._memory is not None:
            return self._server.respond(self._memory, endpoint, method, target, headers, body)
        return self._drive(self._server.begin_respond(endpoint, method, target, headers, body))

    def _drive(self, call: _StoreCall[_Result_co]) -> _Result_co:
        while (question := call.step()) is not None:
            call.resume(self._ask(*question))
        return call.result()

    def _ask(self, name: str, arguments: tuple[Any, ...]) -> object:
        asked = self._submit(name, arguments)
        done, _ = concurrent.futures.wait({asked}, self._seconds)
        return self._reply_of(asked, in_time=bool(done))


def _unavailable(detail: str) -> NenError:
    return InternalError("ISO-9001", detail)


def _look_at(asked: asyncio.Future[object]) -> None:
    if not asked.cancelled():
        asked.exception()


def _place_of(error: BaseException) -> str:
    """Tell where an exception was raised, which is all of it that is safe to log."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" ({PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"
