"""Nen in front of an ASGI application: FastAPI, Starlette, Litestar, or any other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from nen import _events
from nen._errors import InternalError, NenError
from nen._guard import Guard, Options, Peer, refuse_twice
from nen._native import (
    HIDDEN_ANSWER_HEADERS,
    HIDDEN_REQUEST_HEADERS,
    JSON_CONTENT_TYPE,
    MAX_HANDSHAKE_BODY,
    SESSION_HEADER,
    STREAM_HEADERS,
    STREAM_NONCE_HEADER,
    Answer,
    Exchange,
    Server,
    StreamSealer,
)
from nen._paths import Address, address
from nen._storage import AsyncStorage
from nen._telemetry import SealedStream
from nen._types import ASGIApp, Headers, Message, Receive, Scope, Send
from nen.decorators import PROTECTED, with_nen, with_nen_stream

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["NenMiddleware", "Options", "Peer", "with_nen", "with_nen_stream"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_JSON = JSON_CONTENT_TYPE.encode()
_TEXT = b"text/plain; charset=utf-8"
_SESSION_HEADER = SESSION_HEADER.lower().encode()
_STREAM_HEADERS: Headers = [(name.lower().encode(), value.encode()) for name, value in STREAM_HEADERS]

# Half a millisecond of work, of which handing it to a thread costs a part.
_MANY_BYTES = 256 * 1024

_NOT_FOR_THE_APPLICATION = frozenset(name.encode() for name in HIDDEN_REQUEST_HEADERS)
_NOT_ON_THE_WIRE = frozenset(name.encode() for name in HIDDEN_ANSWER_HEADERS)


class NenMiddleware:
    """Mounts the session endpoints, opens requests to protected paths, and seals what the application answers.

    The application sees plain JSON, and ``scope["nen"]``, a :class:`Peer`. What it answers is sealed by this rule:

    - JSON, or nothing, is sealed whole. The status is kept; only 204 and 205 become 200 with a sealed ``null``.
    - Anything else with a status of 2xx is sealed as a stream: each chunk that the application sends is one sealed
      chunk, sent at once. Yield bare chunks, without server-sent event framing: that is added here.
    - Other text with a status of 3xx or 4xx is sealed as a JSON string; with 5xx it becomes ISO-9000.

    Headers stay, except those that speak of the plain body or let it be cached. A handler that raises is answered with
    ISO-9000 and nothing of the cause; the exception goes on to the server, which logs it. If it raises in the middle
    of a stream, the client sees the stream as truncated. A WebSocket on a protected path is refused, since nen cannot
    protect it. Requests to other paths are not touched.

    Options are keywords: those of :class:`Options`.

    :raises ValueError: if an option cannot be; ``TypeError`` if there is none of its name.
    """

    def __init__(self, app: ASGIApp, **options: Unpack[Options]) -> None:
        own_root: object = getattr(app, "root_path", None)
        if options.get("protect") not in (None, "decorated") and own_root:
            msg = "only the application's own middleware sees its root_path: use app.add_middleware(NenMiddleware, ...)"
            raise ValueError(msg)
        self.app = app
        self._guard = Guard(options)
        self._telemetry = self._guard.telemetry
        self._storage = AsyncStorage(self._guard.server, self._guard.store, self._guard.store_timeout_ms)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            msg = f"nen does not know connections of type {scope['type']!r}, so that it cannot protect them"
            raise RuntimeError(msg)
        where = address(scope, self._guard.external_prefix)
        if scope["type"] == "websocket":
            if any(map(self._guard.protects, where.readings)):
                _events.websocket_refused(where.path)
                self._telemetry.refused("websocket-refused")
                await receive()
                await send({"type": "websocket.close", "code": 1008})
            else:
                await self.app(scope, receive, send)
            return
        endpoint = self._guard.server.route(scope["method"], where.target)
        if endpoint is not None:
            await self._session_endpoint(endpoint, where, scope, receive, send)
        elif any(map(self._guard.protects, where.readings)):
            await self._protected(where, self.app, scope, receive, send)
        else:
            await self._unprotected(where, scope, receive, send)

    async def _session_endpoint(
        self, endpoint: str, where: Address, scope: Scope, receive: Receive, send: Send
    ) -> None:
        method = scope["method"]
        if endpoint == "not-found":
            await _send_text(send, method, 404, [])
            return
        seconds = self._guard.handshake_wait(endpoint, scope)
        if seconds:
            await _send_text(send, method, 429, [(b"retry-after", str(seconds).encode())])
            return
        try:
            with self._telemetry.answering(endpoint):
                answer = await self._respond(endpoint, where, scope, receive)
        except NenError as error:
            await self._refuse(send, method, where, error)
        except _ClientGoneError:
            return
        else:
            if endpoint != "status":
                _events.lifecycle(endpoint)
                self._telemetry.session(endpoint)
            await _send_whole(send, method, answer.status, answer.body, [(b"content-type", _JSON)], len(answer.body))

    async def _respond(self, endpoint: str, where: Address, scope: Scope, receive: Receive) -> Answer:
        body = b""
        if endpoint in ("handshake", "rotate"):
            body = await _read_body(scope, receive, MAX_HANDSHAKE_BODY, Server.handshake_too_long)
        return await self._storage.respond(endpoint, scope["method"], where.signed, scope["headers"], body)

    async def _unprotected(self, where: Address, scope: Scope, receive: Receive, send: Send) -> None:
        is_decorated = False

        async def protect(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal is_decorated
            is_decorated = True
            await self._protected(where, app, scope, receive, send)

        # A decorated endpoint finds here what protects it.
        scope[PROTECTED] = protect
        await self.app(scope, receive, send)
        if not is_decorated and any(name == _SESSION_HEADER for name, _ in scope["headers"]):
            _events.unprotected(where.path)

    async def _protected(self, where: Address, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Open a request, have this application answer it, and seal what it answers."""
        refuse_twice(scope)
        method = scope["method"]
        self._telemetry.request(method)
        refuse = partial(self._refuse, send, method, where)
        try:
            with self._telemetry.opening(method):
                exchange, plaintext = await self._open(where, scope, receive)
        except NenError as error:
            await refuse(error)
            return
        except _ClientGoneError:
            return

        answer = _Answer(exchange, self._guard, method, send, refuse)
        try:
            await app(_opened(scope, exchange, plaintext), _replay(plaintext, receive), answer.send)
        except Exception:
            await answer.fail("the application's handler failed")
            raise
        else:
            await answer.fail("the application returned without an answer")
        finally:
            answer.close()

    async def _open(self, where: Address, scope: Scope, receive: Receive) -> tuple[Exchange, bytes | None]:
        exchange = await self._storage.admit(scope["method"], where.signed, scope["headers"])
        body = await _read_body(scope, receive, exchange.max_body, exchange.too_long)
        return exchange, await _off_the_loop(len(body), exchange.open, body)

    async def _refuse(self, send: Send, method: str, where: Address, error: NenError) -> None:
        """Answer with an error: its code and message go to the client, its detail and hint to the log."""
        _events.refused(error, method, where.signed or where.target)
        self._telemetry.refused(error.code)
        body = error.to_json()
        await _send_whole(send, method, error.http_status, body, [(b"content-type", _JSON)], len(body))


class _Answer:
    """The answer to one protected request, as the application makes it."""

    def __init__(
        self, exchange: Exchange, guard: Guard, method: str, send: Send, refuse: Callable[[NenError], Awaitable[None]]
    ) -> None:
        self._exchange = exchange
        self._guard = guard
        self._method = method
        self._send = send
        self._tell_refusal = refuse
        self._telemetry = guard.telemetry
        self._observed = SealedStream()
        self._on_wire = False
        self._chunks: list[bytes] = []
        self._size = 0
        # No bound method: that would be a cycle, which keeps the whole answer in memory until the next collection.
        self._handle = _Answer._start

    async def send(self, message: Message) -> None:
        """Take a message from the application. What is not known here is not let through."""
        await self._handle(self, message)

    async def fail(self, detail: str) -> None:
        """Answer with ISO-9000, unless something was sent already: then the client sees what is missing by itself."""
        await self._refuse(InternalError("ISO-9000", detail))

    def close(self) -> None:
        """Say that nothing more comes from the application."""
        self._observed.end(complete=False)

    async def _refuse(self, error: NenError) -> None:
        if not self._on_wire:
            self._on_wire = True
            self._handle = _Answer._discard
            await self._tell_refusal(error)

    async def _start(self, message: Message) -> None:
        if message["type"] != "http.response.start":
            msg = f"expected http.response.start on a protected path, not {message['type']}"
            raise RuntimeError(msg)
        self._status: int = message["status"]
        headers: Headers = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
        self._headers: Headers = [header for header in headers if header[0] not in _NOT_ON_THE_WIRE]
        self._length = dict(headers).get(b"content-length", b"")
        try:
            form = Exchange.form(self._status, headers)
        except NenError as error:
            await self._refuse(error)
            return
        if form == "stream":
            await self._start_stream()
        else:
            self._form = form
            self._handle = _Answer._collect

    async def _collect(self, message: Message) -> None:
        chunk, more = _body_of(message)
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > self._guard.max_answer:
            self._chunks.clear()
            await self._refuse(self._guard.answer_too_long())
        elif not more:
            self._handle = _Answer._finished
            body = b"".join(self._chunks)
            with self._telemetry.sealing(self._form):
                answer = await _off_the_loop(len(body), self._exchange.seal_as, self._form, self._status, body)
            size: int | None = len(answer.body)
            if self._method == "HEAD" and not body and self._length:
                size = Exchange.sealed_size_of_head(self._form, self._length)
            headers = [*self._headers, (b"content-type", _JSON)]
            self._on_wire = True
            await _send_whole(self._send, self._method, answer.status, answer.body, headers, size)

    async def _start_stream(self) -> None:
        sealer = self._exchange.stream()
        self._observed = self._telemetry.streaming()
        headers = [
            *self._headers,
            *_STREAM_HEADERS,
            (STREAM_NONCE_HEADER.lower().encode(), sealer.nonce_header.encode()),
        ]
        self._sealer: StreamSealer = sealer
        self._handle = _Answer._stream
        self._on_wire = True
        await self._send({"type": "http.response.start", "status": self._status, "headers": headers})

    async def _stream(self, message: Message) -> None:
        chunk, more = _body_of(message)
        if self._method == "HEAD":
            chunk = b""
        for start in range(0, len(chunk), self._guard.max_chunk):
            part = chunk[start : start + self._guard.max_chunk]
            await self._send_frames(await _off_the_loop(len(part), self._sealer.seal, part), more=True)
            self._observed.chunk()
        if not more:
            self._handle = _Answer._finished
            await self._send_frames(b"" if self._method == "HEAD" else self._sealer.finish(), more=False)
            self._observed.end(complete=True)

    async def _send_frames(self, frames: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": frames, "more_body": more})

    async def _finished(self, message: Message) -> None:
        msg = f"unexpected {message['type']} after the answer was complete"
        raise RuntimeError(msg)

    async def _discard(self, message: Message) -> None:
        """Drop what the application still says: the client has its error. One that goes on is stopped, as ASGI does."""
        if message.get("more_body", False):
            msg = "the answer was refused: nobody reads it"
            raise OSError(msg)


class _ClientGoneError(Exception):
    pass


async def _read_body(scope: Scope, receive: Receive, limit: int, too_long: Callable[[], NenError]) -> bytes:
    """Read the request's body, at most ``limit`` bytes of it."""
    for name, value in scope["headers"]:
        if bytes(name).lower() == b"content-length" and value.isdigit() and _number(value) > limit:
            raise too_long()
    # No list of chunks: HTTP/2 has empty ones without end, and a chunk of one byte takes up many.
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGoneError
        body += message.get("body", b"")
        if len(body) > limit:
            raise too_long()
        if not message.get("more_body", False):
            return bytes(body)


async def _off_the_loop(size: int, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Work on this many bytes: on many of them in a thread, so that other requests need not wait."""
    if size < _MANY_BYTES:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)


def _number(digits: bytes) -> int:
    """Read a length; one of more digits than any real one has is only known to be large."""
    return int(digits[:19])


def _opened(scope: Scope, exchange: Exchange, plaintext: bytes | None) -> Scope:
    """Make the scope that the application sees: that of a plain JSON request."""
    headers: Headers = [
        (name, value) for name, value in scope["headers"] if bytes(name).lower() not in _NOT_FOR_THE_APPLICATION
    ]
    if plaintext is not None:
        headers += [(b"content-type", _JSON), (b"content-length", str(len(plaintext)).encode())]
    # Extensions such as `http.response.pathsend` have the server send bytes that never come through here.
    extensions = {
        name: value for name, value in (scope.get("extensions") or {}).items() if not name.startswith("http.response.")
    }
    # The signature covers the method in upper case, whatever case it travels in.
    method = scope["method"].upper()
    return {**scope, "method": method, "headers": headers, "extensions": extensions, "nen": Peer.of(exchange)}


def _replay(plaintext: bytes | None, receive: Receive) -> Receive:
    """Deliver the opened body once, then what the server still has to say: that the client has gone."""
    opened: list[Message] = [{"type": "http.request", "body": plaintext or b"", "more_body": False}]

    async def replay() -> Message:
        return opened.pop() if opened else await receive()

    return replay


def _body_of(message: Message) -> tuple[bytes, bool]:
    if message["type"] != "http.response.body":
        msg = f"expected http.response.body on a protected path, not {message['type']}"
        raise RuntimeError(msg)
    return bytes(message.get("body", b"")), bool(message.get("more_body", False))


async def _send_text(send: Send, method: str, status: int, headers: Headers) -> None:
    """Answer with what a status means."""
    body = HTTPStatus(status).phrase.encode()
    await _send_whole(send, method, status, body, [*headers, (b"content-type", _TEXT)], len(body))


async def _send_whole(  # noqa: PLR0913, PLR0917 - each is a part of one HTTP answer
    send: Send, method: str, status: int, body: bytes, headers: Headers, size: int | None
) -> None:
    """Send an answer that no cache may keep. HEAD gets the same headers and no body, whose size may be all there is."""
    length = [] if size is None else [(b"content-length", str(size).encode())]
    headers = [*headers, *length, (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body, "more_body": False})
