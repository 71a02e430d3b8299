"""Sessions and used nonces in Upstash, over its REST API: https://upstash.com/docs/redis/features/restapi."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import urlsplit

from nen._commands import AsyncCommands, SyncCommands
from nen._errors import InternalError, NenError
from nen._http import installed_library

if TYPE_CHECKING:
    import httpx
    import httpx2
    from typing_extensions import Self

    _Client: TypeAlias = httpx2.Client | httpx2.AsyncClient | httpx.Client | httpx.AsyncClient

_LONGEST_ANSWER = 64 * 1024
_OK = 200
_LOCAL = ("localhost", "127.0.0.1", "::1")


class UpstashSessionStore(SyncCommands):
    """Keeps sessions and used nonces in Upstash Redis over HTTP, where several servers, of any language, share them.

    ``url`` and ``token`` are ``UPSTASH_REDIS_REST_URL`` and ``UPSTASH_REDIS_REST_TOKEN``. ``client`` is a ``Client`` or
    ``AsyncClient`` of httpx2 or httpx, and stays yours to close; without one the store has a ``Client`` of its own,
    which :meth:`close` closes. The methods of the store are coroutine functions if those of the client are.

    What :class:`RedisSessionStore` says of Redis holds here, too: no eviction. A database with read regions may not yet
    know in one region a session that was made in another.

    :raises ValueError: if ``url`` is not ``https://``, which a loopback need not be, or ``token`` cannot be one.
    :raises TypeError: if ``client`` is no client of httpx2 or httpx.
    :raises ImportError: if no client is given, and neither httpx2 nor httpx is installed.
    """

    def __new__(cls, url: str, token: str, client: _Client | None = None) -> Self:  # noqa: ARG004 - as in __init__
        """Choose the class for the client."""
        if client is not None and not callable(getattr(client, "stream", None)):
            msg = f"an UpstashSessionStore needs a client of httpx2 or httpx, not {type(client).__name__}"
            raise TypeError(msg)
        is_async = inspect.iscoroutinefunction(getattr(client, "send", None))
        chosen = _AsyncUpstashSessionStore if is_async else UpstashSessionStore
        return cast("Self", super().__new__(chosen if cls is UpstashSessionStore else cls))

    def __init__(self, url: str, token: str, client: _Client | None = None) -> None:
        self._url = _checked_url(url)
        headers = {
            "Authorization": f"Bearer {_checked_token(token)}",
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
        }
        # The client's own `auth` would take the place of the token.
        self._options: Mapping[str, Any] = {"headers": headers, "auth": None, "follow_redirects": False}
        self._owned = installed_library().Client() if client is None else None
        self._client: Any = client or self._owned

    def close(self) -> None:
        """Close the client that the store made for itself, if it did."""
        if self._owned is not None:
            self._owned.close()

    def _execute(self, *command: str | bytes | int) -> object:
        with self._client.stream("POST", self._url, content=_request(command), **self._options) as response:
            answer = _Answer(response.status_code)
            for chunk in response.iter_raw():
                answer.push(chunk)
        return answer.result()


class _AsyncUpstashSessionStore(AsyncCommands, UpstashSessionStore):
    async def _execute(self, *command: str | bytes | int) -> object:
        async with self._client.stream("POST", self._url, content=_request(command), **self._options) as response:
            answer = _Answer(response.status_code)
            async for chunk in response.aiter_raw():
                answer.push(chunk)
        return answer.result()


class _Answer:
    """An answer of the service. Nothing of its text goes into an error: it may quote the command."""

    def __init__(self, status: int) -> None:
        if status != _OK:
            msg = f"Upstash answered with status {status}"
            raise _unavailable(msg)
        self._body = bytearray()

    def push(self, chunk: bytes) -> None:
        if len(self._body) + len(chunk) > _LONGEST_ANSWER:
            msg = f"Upstash answered with more than {_LONGEST_ANSWER} bytes"
            raise _unavailable(msg)
        self._body += chunk

    def result(self) -> object:
        try:
            answer = json.loads(self._body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or "result" not in answer:
            msg = "Upstash answered with something else than a result"
            raise _unavailable(msg)
        return answer["result"]


def _unavailable(detail: str) -> NenError:
    return InternalError("ISO-9001", detail)


def _request(command: tuple[str | bytes | int, ...]) -> bytes:
    return json.dumps([part.decode() if isinstance(part, bytes) else part for part in command]).encode()


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if (
        parts.scheme not in ("https", "http")
        or not parts.hostname
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        msg = "url must be UPSTASH_REDIS_REST_URL: https://, a host, and no user, query or fragment"
        raise ValueError(msg)
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        msg = "url must be https://, since the token and the sessions' keys travel there"
        raise ValueError(msg)
    return url


def _checked_token(token: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        msg = "token must be UPSTASH_REDIS_REST_TOKEN: ASCII, with no white space"
        raise ValueError(msg)
    return token
