"""Clients of protected endpoints, over the caller's own ``httpx2`` or ``httpx`` client.

Any number of threads may use a :class:`NenClient`, any number of tasks of one event loop an :class:`AsyncNenClient`.
All calls of a client share one session, which is made on first use. A session that the server has lost is made anew,
once for all calls under way, and the calls are repeated; so is one that the server refused for a wrong clock
(PROTOCOL.md, "Clients fail closed").

Whatever the protocol refuses is a :class:`nen.NenError`, whoever said so. What the HTTP library raises if an answer
does not come is raised as it is, but for a key exchange, where it is the cause of an ISO-1003.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

from nen._errors import WireError
from nen._flights import AsyncFlights, Flights
from nen._flow import UNSET, Answer, Change, Connection, Flow, Outgoing, Request
from nen._http import Address, installed_library, library_of
from nen._native import ENDPOINT_PREFIX, Client, Identity
from nen._response import NenHTTPError, NenResponse
from nen._stream import AsyncNenStream, AsyncNenStreamRequest, NenStream, NenStreamRequest, areceived, received

if TYPE_CHECKING:
    import httpx
    import httpx2
    from typing_extensions import Self

    _Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
    _Timeout: TypeAlias = float | httpx.Timeout | httpx2.Timeout | None

__all__ = [
    "AsyncNenClient",
    "AsyncNenStream",
    "AsyncNenStreamRequest",
    "NenClient",
    "NenHTTPError",
    "NenResponse",
    "NenStream",
    "NenStreamRequest",
]

_H = TypeVar("_H")
_T = TypeVar("_T")


class _BaseClient(Generic[_H]):
    _kind: ClassVar[str]
    """The class of the library's clients to send with."""
    _flights_type: ClassVar[type[Flights | AsyncFlights]]

    def __init__(  # noqa: PLR0913 - options
        self,
        base_url: str,
        http: _H | None = None,
        *,
        identity: Identity | None = None,
        correct_clock: bool = True,
        prefix: str = ENDPOINT_PREFIX,
        max_answer: int = 16 * 1024 * 1024,
        max_chunk: int | None = None,
    ) -> None:
        """Make a client, which has no session yet.

        - ``base_url``: the server's URL of ``http`` or ``https``, with a path if it is mounted under one.
        - ``http``: what sends the requests, with its timeouts, proxies, certificates, cookies and headers. It stays
          open when this client is closed. Default: a new one of httpx2 or httpx, whichever is installed.
        - ``identity``: the long-lived key that signs each handshake. Default: none.
        - ``correct_clock``: whether to learn the server's clock when it finds ours wrong (ISO-3003).
        - ``prefix``: the path of the session endpoints under ``base_url``. Default: ``/api/nen``.
        - ``max_answer``: most bytes of a whole answer as it travels. Default: 16 MiB.
        - ``max_chunk``: most bytes of one opened chunk of a stream. Default: 8 MiB.

        Raises ``TypeError`` or ``ValueError`` for an option that cannot be, ``ImportError`` without an HTTP library.
        """
        library = installed_library() if http is None else library_of(http, self._kind)
        for name, limit in (("max_answer", max_answer), ("max_chunk", 1 if max_chunk is None else max_chunk)):
            if limit < 1:
                msg = f"{name} must be at least one byte"
                raise ValueError(msg)
        core = Client(identity=identity, correct_clock=correct_clock, max_chunk=max_chunk)
        self._connection = Connection(library, core, Address(library, base_url), prefix)
        self._library = library
        self._max_answer = max_answer
        self._flights: Any = self._flights_type()
        self._owns_http = http is None
        self._http: Any = getattr(library, self._kind)() if http is None else http

    @property
    def session_id(self) -> str | None:
        """The id of the current session, a UUIDv4; None before the handshake, after ``terminate`` and when closed."""
        return self._connection.session_id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._connection.address}>"

    def _build(self, request: Request) -> Any:  # noqa: ANN401 - a request of either library
        timeout = {} if request.timeout is UNSET else {"timeout": request.timeout}
        return self._http.build_request(
            request.method, request.url, headers=request.headers, content=request.content, **timeout
        )

    def _check(self, response: Any) -> None:  # noqa: ANN401
        """Refuse an answer whose body may never end: no limit of time or size is meant for what follows it."""
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            msg = "the connection changed its protocol, which was not asked for"
            raise self._library.RemoteProtocolError(msg, request=response.request)


class NenClient(_BaseClient["httpx.Client | httpx2.Client"]):
    """A client of one server, by calls that wait. Any number of threads may use it at once."""

    _kind = "Client"
    _flights_type = Flights

    def handshake(self) -> None:
        """Exchange keys with the server. Other methods do so when it is needed; calls at the same time share it.

        Raises ISO-1002, ISO-1003 if no answer comes, ISO-1004, and what the server refuses it with.
        """
        self._run(self._connection.handshake())

    def fetch(
        self,
        path: str,
        *,
        method: str | None = None,
        json: Any = UNSET,  # noqa: ANN401 - JSON is anything
        headers: _Headers | None = None,
        timeout: _Timeout = UNSET,
    ) -> Any:  # noqa: ANN401
        """Send a request to a protected endpoint and decode the JSON that it answers with; None for HEAD.

        - ``path``: under ``base_url``, from its first slash on, percent-encoded. It may have a query, which is not
          sealed.
        - ``method``: ``POST`` unless told otherwise if there is ``json``, else ``GET``.
        - ``json``: what to send, sealed. None is JSON's ``null``.
        - ``headers``: beside those of the protocol, not sealed.
        - ``timeout``: as the HTTP client takes it, in seconds. Default: that of the HTTP client.

        Raises :class:`NenHTTPError` for an answer that is not 2xx; what the server refuses the request with; ISO-6001
        for an answer that is a stream, too long or not sealed, ISO-6002, ISO-4001 for one that was changed, ISO-5001
        for a reflection; what :meth:`handshake` raises; ISO-3002 for a method or path that cannot be signed,
        ``ValueError`` or ``TypeError`` for what is no JSON; and what the HTTP client raises.
        """
        return _value(self.request(method or _method(json), path, json=json, headers=headers, timeout=timeout))

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = UNSET,  # noqa: ANN401
        headers: _Headers | None = None,
        timeout: _Timeout = UNSET,
    ) -> NenResponse:
        """Send a request as :meth:`fetch` does and return the answer, whatever its status."""
        return self._run(self._connection.request(Outgoing(method, path, json, headers, timeout)))

    def stream(
        self,
        path: str,
        *,
        method: str | None = None,
        json: Any = UNSET,  # noqa: ANN401
        headers: _Headers | None = None,
        timeout: _Timeout = UNSET,
    ) -> NenStreamRequest:
        """Send a request as :meth:`fetch` does to an endpoint that streams, when it is entered or iterated over.

        Iterating over it gives text. ``with client.stream(...) as stream`` gives the :class:`NenStream`, for
        bytes too, and leaving that context ends the request.

        Raises ISO-7002 from a :class:`NenHTTPError` for an answer that is not 2xx; ISO-7001 for one that is no stream;
        and what :meth:`fetch` raises before there is an answer.
        """
        outgoing = Outgoing(method or _method(json), path, json, headers, timeout)
        return NenStreamRequest(lambda: self._run(self._connection.stream(outgoing)))

    def rotate(self) -> None:
        """Replace the session by a new one. Calls under way are answered under the old keys.

        A session that the server no longer has is replaced by a handshake. On failure the old one stays.
        Raises as :meth:`handshake`; ISO-2001 without a session.
        """
        self._run(self._connection.rotate())

    def terminate(self) -> None:
        """End the session, on the server and here. Without a session it does nothing.

        Raises what the server refuses it with, for example ISO-9001; the session stays then.
        """
        self._run(self._connection.terminate())

    def status(self) -> bool:
        """Ask whether the server has a live session of this client.

        Raises what the server refuses to tell it with, for example ISO-9001.
        """
        return self._run(self._connection.status())

    def close(self) -> None:
        """Let go of the keys, and of an HTTP client that was not the caller's.

        The session lives on at the server until its end; :meth:`terminate` ends it there.
        """
        self._connection.close()
        if self._owns_http:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, flow: Flow[_T]) -> _T:
        try:
            effect = next(flow)
            while True:
                try:
                    result = self._do(effect)
                except BaseException as error:  # noqa: BLE001, PERF203 - the flow decides what it means
                    effect = flow.throw(error)
                else:
                    effect = flow.send(result)
        except StopIteration as done:
            value: _T = done.value
            return value

    def _do(self, effect: Request | Change) -> Answer | None:
        if isinstance(effect, Request):
            return self._send(effect)
        self._flights.join(effect.key, lambda: self._run(effect.flow()))
        return None

    def _send(self, request: Request) -> Answer:
        response = self._http.send(self._build(request), stream=True, follow_redirects=False)
        try:
            self._check(response)
            opener = request.opener(response.status_code, response.headers)
            if opener is not None:
                stream = NenStream(self._library, response, opener)
                return Answer(response.status_code, response.headers, b"", stream)
            body = _Body(self._max_answer)
            for data in received(response):
                body.add(data)
        except BaseException:
            response.close()
            raise
        return Answer(response.status_code, response.headers, bytes(body))


class AsyncNenClient(_BaseClient["httpx.AsyncClient | httpx2.AsyncClient"]):
    """A client of one server, by calls that are awaited. Any number of tasks of one event loop may use it at once."""

    _kind = "AsyncClient"
    _flights_type = AsyncFlights

    async def handshake(self) -> None:
        """As :meth:`NenClient.handshake`."""
        await self._run(self._connection.handshake())

    async def fetch(
        self,
        path: str,
        *,
        method: str | None = None,
        json: Any = UNSET,  # noqa: ANN401
        headers: _Headers | None = None,
        timeout: _Timeout = UNSET,
    ) -> Any:  # noqa: ANN401
        """As :meth:`NenClient.fetch`."""
        return _value(await self.request(method or _method(json), path, json=json, headers=headers, timeout=timeout))

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = UNSET,  # noqa: ANN401
        headers: _Headers | None = None,
        timeout: _Timeout = UNSET,
    ) -> NenResponse:
        """As :meth:`NenClient.request`."""
        return await self._run(self._connection.request(Outgoing(method, path, json, headers, timeout)))

    def stream(
        self,
        path: str,
        *,
        method: str | None = None,
        json: Any = UNSET,  # noqa: ANN401
        headers: _Headers | None = None,
        timeout: _Timeout = UNSET,
    ) -> AsyncNenStreamRequest:
        """As :meth:`NenClient.stream`, by ``async with`` or ``async for``."""
        outgoing = Outgoing(method or _method(json), path, json, headers, timeout)
        return AsyncNenStreamRequest(lambda: self._run(self._connection.stream(outgoing)))

    async def rotate(self) -> None:
        """As :meth:`NenClient.rotate`."""
        await self._run(self._connection.rotate())

    async def terminate(self) -> None:
        """As :meth:`NenClient.terminate`."""
        await self._run(self._connection.terminate())

    async def status(self) -> bool:
        """As :meth:`NenClient.status`."""
        return await self._run(self._connection.status())

    async def aclose(self) -> None:
        """As :meth:`NenClient.close`."""
        self._connection.close()
        if self._owns_http:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _run(self, flow: Flow[_T]) -> _T:
        try:
            effect = next(flow)
            while True:
                try:
                    result = await self._do(effect)
                except BaseException as error:  # noqa: BLE001, PERF203
                    effect = flow.throw(error)
                else:
                    effect = flow.send(result)
        except StopIteration as done:
            value: _T = done.value
            return value

    async def _do(self, effect: Request | Change) -> Answer | None:
        if isinstance(effect, Request):
            return await self._send(effect)
        await self._flights.join(effect.key, lambda: self._run(effect.flow()))
        return None

    async def _send(self, request: Request) -> Answer:
        response = await self._http.send(self._build(request), stream=True, follow_redirects=False)
        try:
            self._check(response)
            opener = request.opener(response.status_code, response.headers)
            if opener is not None:
                stream = AsyncNenStream(self._library, response, opener)
                return Answer(response.status_code, response.headers, b"", stream)
            body = _Body(self._max_answer)
            async for data in areceived(response):
                body.add(data)
        except BaseException:
            await response.aclose()
            raise
        return Answer(response.status_code, response.headers, bytes(body))


class _Body:
    """Collects an answer, up to a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        if len(data) > self._limit - len(self._data):
            too_long = WireError("ISO-6001", "the answer has more bytes than max_answer allows")
            raise too_long
        self._data += data

    def __bytes__(self) -> bytes:
        return bytes(self._data)


def _method(json: object) -> str:
    return "GET" if json is UNSET else "POST"


def _value(response: NenResponse) -> Any:  # noqa: ANN401
    response.raise_for_status()
    return response.json() if response.content else None
