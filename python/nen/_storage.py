"""A server and its store, as one request after the other asks them.

The core says what to ask a store, and takes its reply (:class:`nen.AdmitCall`, :class:`nen.EndpointCall`); here the
asking is done, within a time limit. The store in this process's memory needs neither: it is asked in Rust.
"""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from nen._errors import InternalError, NenError
from nen._native import Answer, Exchange, MemorySessionStore, Server
from nen._types import Headers
from nen.stores import SessionStore

_Result_co = TypeVar("_Result_co", covariant=True)

_METHODS = ("get", "set", "delete", "claim_nonce")
_THREADS = 64


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
        msg = f"{type(store).__name__} is no session store: it has no {', '.join(missing)}"
        raise TypeError(msg)
    kinds = {inspect.iscoroutinefunction(getattr(store, name)) for name in _METHODS}
    if len(kinds) > 1:
        msg = f"some methods of {type(store).__name__} are coroutine functions, and some are not"
        raise TypeError(msg)
    return kinds.pop()


class _Storage:
    def __init__(self, server: Server, store: SessionStore, timeout_ms: int) -> None:
        if timeout_ms <= 0:
            msg = "store_timeout_ms must be at least one millisecond"
            raise ValueError(msg)
        self._server = server
        self._store = store
        self._memory = store if isinstance(store, MemorySessionStore) else None
        self._is_async = is_async(store)
        self._seconds = timeout_ms / 1000
        # Of its own, so that a store that hangs holds up nothing but itself.
        self._threads = ThreadPoolExecutor(_THREADS, "nen-store")


class AsyncStorage(_Storage):
    """For a server on an event loop. A store of plain functions is asked in a thread."""

    async def admit(self, method: str, target: bytes, headers: Headers) -> Exchange:
        """Check a request. Errors: those of :meth:`nen.Server.admit`."""
        if self._memory is not None:
            return self._server.admit(self._memory, method, target, headers)
        return await self._drive(self._server.begin_admit(method, target, headers))

    async def respond(self, endpoint: str, method: str, target: bytes, headers: Headers, body: bytes) -> Answer:
        """Answer a session endpoint. Errors: those of :meth:`nen.Server.respond`."""
        if self._memory is not None:
            return self._server.respond(self._memory, endpoint, method, target, headers, body)
        return await self._drive(self._server.begin_respond(endpoint, method, target, headers, body))

    async def _drive(self, call: _StoreCall[_Result_co]) -> _Result_co:
        while (question := call.step()) is not None:
            call.resume(await self._ask(*question))
        return call.result()

    async def _ask(self, name: str, arguments: tuple[Any, ...]) -> object:
        ask = getattr(self._store, name)
        try:
            if self._is_async:
                reply = ask(*arguments)
            else:
                reply = asyncio.get_running_loop().run_in_executor(self._threads, ask, *arguments)
            return await asyncio.wait_for(reply, self._seconds)
        except Exception as error:
            raise _unavailable(error) from error


class SyncStorage(_Storage):
    """For a server of threads. The store is asked in another one, so that there is a limit to the wait for it."""

    def __init__(self, server: Server, store: SessionStore, timeout_ms: int) -> None:
        super().__init__(server, store, timeout_ms)
        if self._is_async:
            msg = f"{type(store).__name__} has coroutine functions, which a WSGI server cannot wait for"
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
        reply = self._threads.submit(getattr(self._store, name), *arguments)
        try:
            return reply.result(self._seconds)
        except Exception as error:
            reply.cancel()
            raise _unavailable(error) from error


def _unavailable(error: Exception) -> NenError:
    """Tell what a store's failure is to its client. The text of its cause may quote what the store was told."""
    if isinstance(error, NenError) and error.code in ("ISO-5002", "ISO-9001"):
        return error
    return InternalError("ISO-9001", f"the session store failed with {type(error).__name__}, or was late")
