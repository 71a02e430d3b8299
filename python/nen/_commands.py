"""A session store in the commands of Redis, however they get there. The key names are the core's."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeAlias, TypeVar

from nen._native import REMOTE_CLOCK_SLACK_MS, nonce_key, record_key

_Result = TypeVar("_Result")
_Steps: TypeAlias = Generator[tuple[str | bytes | int, ...], object, _Result]


def _get(sid: str) -> _Steps[bytes | None]:
    record = yield "GET", record_key(sid)
    return None if record is None else _octets(record)


def _set(sid: str, record: bytes, expires_ms: int) -> _Steps[None]:
    key = record_key(sid)
    left_ms = expires_ms - _now_ms()
    if left_ms > 0 and not _is_ok((yield "SET", key, record, "PX", left_ms)):
        msg = "Redis did not keep the session"
        raise TypeError(msg)


def _delete(sid: str) -> _Steps[None]:
    yield "DEL", record_key(sid)


def _claim_nonce(sid: str, nonce: bytes, until_ms: int) -> _Steps[bool]:
    # Redis is told for how long, and not until when: of an end that has passed on its own clock it says OK, and keeps
    # nothing.
    key = nonce_key(sid, nonce)
    left_ms = until_ms - _now_ms()
    if left_ms < 0:
        return False
    # A client repeats a command whose answer was lost. That the nonce is then taken by ourselves is told by the token.
    token = secrets.token_hex(16)
    if _is_ok((yield "SET", key, token, "NX", "PX", left_ms + REMOTE_CLOCK_SLACK_MS)):
        return True
    holder = yield "GET", key
    return holder is not None and _octets(holder) == token.encode()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _octets(reply: object) -> bytes:
    """Read a string, which a client may have decoded."""
    if not isinstance(reply, bytes | str):
        msg = f"Redis replied with {type(reply).__name__}, where a string belongs"
        raise TypeError(msg)
    return reply.encode() if isinstance(reply, str) else reply


def _is_ok(reply: object) -> bool:
    """Tell whether a SET was done: OK, which redis-py makes True of, or nothing, if the key was there."""
    if reply is not None and reply is not True and reply != "OK":
        msg = "Redis replied to SET with neither OK nor nothing"
        raise TypeError(msg)
    return reply is not None


class SyncCommands:
    """The methods of a :class:`nen.SessionStore`, as plain functions."""

    def _execute(self, *command: str | bytes | int) -> Any:  # noqa: ANN401 - what Redis replies
        raise NotImplementedError

    def get(self, sid: str, /) -> bytes | Awaitable[bytes | None] | None:
        """Return the record of a live session; None if there is none."""
        return _run(self._execute, _get(sid))

    def set(self, sid: str, record: bytes, expires_ms: int, /) -> Awaitable[None] | None:
        """Keep a record until ``expires_ms``, in Unix milliseconds."""
        return _run(self._execute, _set(sid, record, expires_ms))

    def delete(self, sid: str, /) -> Awaitable[None] | None:
        """Remove a session; one that is not there is no error."""
        return _run(self._execute, _delete(sid))

    def claim_nonce(self, sid: str, nonce: bytes, until_ms: int, /) -> bool | Awaitable[bool]:
        """Take a nonce of 12 bytes if nobody had, in one atomic step, and tell whether that was so."""
        return _run(self._execute, _claim_nonce(sid, nonce, until_ms))


class AsyncCommands:
    """The methods of a :class:`nen.SessionStore`, as coroutine functions."""

    async def _execute(self, *command: str | bytes | int) -> Any:  # noqa: ANN401 - what Redis replies
        raise NotImplementedError

    async def get(self, sid: str, /) -> bytes | None:
        """Return the record of a live session; None if there is none."""
        return await _run_async(self._execute, _get(sid))

    async def set(self, sid: str, record: bytes, expires_ms: int, /) -> None:
        """Keep a record until ``expires_ms``, in Unix milliseconds."""
        await _run_async(self._execute, _set(sid, record, expires_ms))

    async def delete(self, sid: str, /) -> None:
        """Remove a session; one that is not there is no error."""
        await _run_async(self._execute, _delete(sid))

    async def claim_nonce(self, sid: str, nonce: bytes, until_ms: int, /) -> bool:
        """Take a nonce of 12 bytes if nobody had, in one atomic step, and tell whether that was so."""
        return await _run_async(self._execute, _claim_nonce(sid, nonce, until_ms))


def _run(execute: Callable[..., object], steps: _Steps[_Result]) -> _Result:
    reply = None
    while True:
        try:
            command = steps.send(reply)
        except StopIteration as end:
            result: _Result = end.value
            return result
        reply = execute(*command)


async def _run_async(execute: Callable[..., Awaitable[object]], steps: _Steps[_Result]) -> _Result:
    reply = None
    while True:
        try:
            command = steps.send(reply)
        except StopIteration as end:
            result: _Result = end.value
            return result
        reply = await execute(*command)
