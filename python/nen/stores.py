"""Where a server keeps its sessions and used nonces: in memory, Redis, Upstash, or a store of one's own."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol, TypeAlias

from nen._native import MemorySessionStore
from nen._redis import RedisSessionStore
from nen._upstash import UpstashSessionStore

__all__ = ["MemorySessionStore", "RedisSessionStore", "SessionStore", "UpstashSessionStore"]

_Record: TypeAlias = bytes | str


class SessionStore(Protocol):
    """What a server needs of a store. All methods are plain functions, or all of them are coroutine functions.

    They may be called from several threads, or tasks, at once. One that raises, or is late, has the request answered
    with ISO-9001 (``store_timeout_ms`` of the middleware). ``sid`` is a UUIDv4 in lower case. A record is opaque.
    Without ``store_keys`` of the middleware it holds the session's keys in the clear: whoever reads the store can read
    what is sealed.

    What each wrong answer costs:

    - ``get`` that returns a session after its end, or after ``delete``: a terminated client is still let in.
    - ``get`` that returns None for a live session: its client shakes hands again, needlessly; if the store is merely
      out of reach, every client does so at once. Raise instead.
    - ``claim_nonce`` that says True twice for one nonce: a recorded request is accepted a second time.
    - ``claim_nonce`` done as a look-up and then a write: the same, for two requests that race.
    """

    def get(self, sid: str, /) -> _Record | Awaitable[_Record | None] | None:
        """Return the record of a live session; None if there is none."""
        ...

    def set(self, sid: str, record: bytes, expires_ms: int, /) -> Awaitable[None] | None:
        """Keep a record until ``expires_ms``, in Unix milliseconds."""
        ...

    def delete(self, sid: str, /) -> Awaitable[None] | None:
        """Remove a session; one that is not there is no error."""
        ...

    def claim_nonce(self, sid: str, nonce: bytes, until_ms: int, /) -> bool | Awaitable[bool]:
        """Take a nonce of 12 bytes if nobody had, in one atomic step, and tell whether that was so.

        It is remembered until ``until_ms``, in Unix milliseconds, inclusive; a store that several servers share adds
        ``nen.REMOTE_CLOCK_SLACK_MS``. A claim whose time has passed is not fresh. Nonces of one session are nothing to
        another. Raise ``nen.ReplayError("ISO-5002")`` if no more nonces can be remembered.
        """
        ...
