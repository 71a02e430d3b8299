"""Nen in front of a WSGI application: Flask, Django, or any other (PEP 3333)."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from http.client import responses
from io import BytesIO
from typing import TYPE_CHECKING, Literal

from nen import _events
from nen._errors import InternalError, NenError, WireError
from nen._guard import Guard, Options, Peer, refuse_twice
from nen._native import (
    HIDDEN_ANSWER_HEADERS,
    HIDDEN_REQUEST_HEADERS,
    JSON_CONTENT_TYPE,
    MAX_HANDSHAKE_BODY,
    NONCE_HEADER,
    SESSION_HEADER,
    SIGNATURE_HEADER,
    STREAM_HEADERS,
    STREAM_NONCE_HEADER,
    TIMESTAMP_HEADER,
    Answer,
    Exchange,
    Server,
    StreamSealer,
)
from nen._paths import address, wsgi_scope
from nen._storage import SyncStorage
from nen._telemetry import SealedStream
from nen._types import Environ, ExcInfo, Headers, StartResponse, TextHeaders, Write, WSGIApp
from nen._workers import warn_if_several

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["NenMiddleware", "Options", "Peer"]


def _key(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


_HEADERS = [(name.encode(), _key(name)) for name in (SESSION_HEADER, TIMESTAMP_HEADER, NONCE_HEADER, SIGNATURE_HEADER)]
_NOT_ON_THE_WIRE = frozenset(HIDDEN_ANSWER_HEADERS)
_NOT_FOR_THE_APPLICATION = frozenset(
    [
        *map(_key, HIDDEN_REQUEST_HEADERS),
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        # Ways to the wire that do not come through here.
        "gunicorn.socket",
        "werkzeug.socket",
        "wsgi.early_hints",
        "wsgi.file_wrapper",
    ]
)

_READ_AT_ONCE = 64 * 1024
_MOST_DIGITS = 18


class NenMiddleware:
    """Mounts the session endpoints, opens requests to protected paths, and seals what the application answers.

    The application sees plain JSON, and ``environ["nen"]``, a :class:`Peer`. What it answers is sealed by this rule:

    - JSON, or nothing, is sealed whole. The status is kept; only 204 and 205 become 200 with a sealed ``null``.
    - Anything else with a status of 2xx is sealed as a stream: each chunk that the application yields is one sealed
      chunk, sent at once. Yield bare chunks, without server-sent event framing: that is added here.
    - Other text with a status of 3xx or 4xx is sealed as a JSON string; with 5xx it becomes ISO-9000.

    Headers stay, except those that speak of the plain body or let it be cached. An application that raises is answered
    with ISO-9000 and nothing of the cause, which is written to ``wsgi.errors``. If it raises in the middle of a stream,
    the exception goes on to the server, and the client sees the stream as truncated. A WebSocket on a protected path is
    refused, since nen cannot protect it. Requests to other paths are not touched.

    Options are keywords: those of :class:`Options`. A store must have plain functions, not coroutine functions.

    :raises ValueError: if an option cannot be; ``TypeError`` if there is none of its name, or the store is async.
    """

    def __init__(self, app: WSGIApp, **options: Unpack[Options]) -> None:
        if options.get("protect") == "decorated":
            msg = 'protect="decorated" is for ASGI, where endpoints can be decorated; name the paths here'
            raise ValueError(msg)
        self.app = app
        self._guard = Guard(options)
        self._storage = SyncStorage(self._guard.server, self._guard.store, self._guard.store_timeout_ms)
        self._telemetry = self._guard.telemetry

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        warn_if_several(self._guard.store, multiprocess=bool(environ.get("wsgi.multiprocess")))
        request = _Request(environ, start_response, self._guard)
        endpoint = self._guard.server.route(request.method, request.where.target)
        if endpoint is not None:
            return [self._session_endpoint(endpoint, request)]
        if any(map(self._guard.protects, request.where.readings)):
            return self._protected(request)
        if _key(SESSION_HEADER) in environ:
            _events.unprotected(request.where.path)
        return self.app(environ, start_response)

    def _session_endpoint(self, endpoint: str, request: _Request) -> bytes:
        if endpoint == "not-found":
            return request.send_text(404)
        seconds = self._guard.handshake_wait(endpoint, request.environ)
        if seconds:
            return request.send_text(429, ("Retry-After", str(seconds)))
        try:
            with self._telemetry.answering(endpoint):
                answer = self._respond(endpoint, request)
        except NenError as error:
            return request.refuse(error)
        if endpoint != "status":
            _events.lifecycle(endpoint)
            self._telemetry.session(endpoint)
        return request.send(answer.status, answer.body, _of_json(len(answer.body)))

    def _respond(self, endpoint: str, request: _Request) -> Answer:
        body = b""
        if endpoint in ("handshake", "rotate"):
            body = request.read_body(MAX_HANDSHAKE_BODY, Server.handshake_too_long)
        return self._storage.respond(endpoint, request.method, request.where.signed, request.signed_headers, body)

    def _protected(self, request: _Request) -> Iterable[bytes]:
        if request.is_websocket:
            _events.websocket_refused(request.where.path)
            self._telemetry.refused("websocket-refused")
            return [request.send_text(403)]
        refuse_twice(request.environ)
        self._telemetry.request(request.method)
        try:
            with self._telemetry.opening(request.method):
                exchange, plaintext = self._open(request)
        except NenError as error:
            return [request.refuse(error)]
        return _Answer(exchange, self._guard, request).begin(self.app, request.opened(exchange, plaintext))

    def _open(self, request: _Request) -> tuple[Exchange, bytes | None]:
        exchange = self._storage.admit(request.method, request.where.signed, request.signed_headers)
        return exchange, exchange.open(request.read_body(exchange.max_body, exchange.too_long))


class _Request:
    """One request that nen answers itself, and how it does."""

    def __init__(self, environ: Environ, start_response: StartResponse, guard: Guard) -> None:
        self.environ = environ
        self._start_response = start_response
        self._telemetry = guard.telemetry
        self.method: str = environ["REQUEST_METHOD"]
        self.where = address(wsgi_scope(environ), guard.external_prefix)

    @property
    def signed_headers(self) -> Headers:
        """Those that the protocol reads."""
        return [(name, self.environ[key].encode("latin-1")) for name, key in _HEADERS if key in self.environ]

    @property
    def is_websocket(self) -> bool:
        """Whether it asks for a connection that is not HTTP, or has become one."""
        upgrade = self.environ.get("HTTP_UPGRADE", "").lower()
        return "websocket" in upgrade or self.environ.get("wsgi.websocket") is not None

    def read_body(self, limit: int, too_long: Callable[[], NenError]) -> bytes:
        """Read the body, at most ``limit`` bytes of it."""
        declared = self.environ.get("CONTENT_LENGTH") or ""
        length = _length(declared)
        if declared and length is None:
            detail = "the Content-Length is no number of bytes"
            raise _malformed(detail)
        if length is None and not self.environ.get("wsgi.input_terminated"):
            if "HTTP_TRANSFER_ENCODING" in self.environ:
                detail = "the body is chunked, and the server does not say where it ends (wsgi.input_terminated)"
                raise _malformed(detail)
            return b""
        if length is not None and length > limit:
            raise too_long()
        body = self._read(limit + 1 if length is None else length)
        if len(body) > limit:
            raise too_long()
        if length is not None and len(body) < length:
            detail = "the body ended before its Content-Length"
            raise _malformed(detail)
        return body

    def _read(self, most: int) -> bytes:
        chunks: list[bytes] = []
        while most > 0 and (chunk := self.environ["wsgi.input"].read(min(most, _READ_AT_ONCE))):
            chunks.append(chunk)
            most -= len(chunk)
        return b"".join(chunks)

    def opened(self, exchange: Exchange, plaintext: bytes | None) -> Environ:
        """Make the environ that the application sees: that of a plain JSON request."""
        environ = {key: value for key, value in self.environ.items() if key not in _NOT_FOR_THE_APPLICATION}
        if plaintext is not None:
            environ |= {"CONTENT_TYPE": JSON_CONTENT_TYPE, "CONTENT_LENGTH": str(len(plaintext))}
        return environ | {
            # The signature covers the method in upper case, whatever case it travels in.
            "REQUEST_METHOD": self.method.upper(),
            "wsgi.input": BytesIO(plaintext or b""),
            "nen": Peer.of(exchange),
        }

    def start(self, status: int, headers: TextHeaders, exc_info: ExcInfo | None = None) -> Write:
        """Hand the server the head of the answer. An application's own reason phrase might tell what it says."""
        line = f"{status} {responses.get(status, 'Unknown')}"
        return self._start_response(line, headers, *([] if exc_info is None else [exc_info]))

    def send(self, status: int, body: bytes, headers: TextHeaders, exc_info: ExcInfo | None = None) -> bytes:
        """Answer so that no cache keeps it, and return the body: none to HEAD."""
        self.start(status, [*headers, ("Cache-Control", "no-store")], exc_info)
        return b"" if self.method == "HEAD" else body

    def send_text(self, status: int, *headers: tuple[str, str]) -> bytes:
        """Answer with what a status means."""
        body = responses[status].encode()
        own = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        return self.send(status, body, [*headers, *own])

    def refuse(self, error: NenError, exc_info: ExcInfo | None = None) -> bytes:
        """Answer with an error: its code and message go to the client, its detail and hint to the log."""
        _events.refused(error, self.method, self.where.signed or self.where.target)
        self._telemetry.refused(error.code)
        body = error.to_json()
        return self.send(error.http_status, body, _of_json(len(body)), exc_info)

    def fail(self, failure: Exception) -> bytes:
        """Answer an exception of the application, and write it to where servers write them."""
        traceback.print_exception(failure, file=self.environ["wsgi.errors"])
        error = InternalError("ISO-9000", "the application's handler failed")
        return self.refuse(error, (type(failure), failure, failure.__traceback__))


class _Answer:
    """The answer to one protected request: made by the application, iterated and closed by the server."""

    def __init__(self, exchange: Exchange, guard: Guard, request: _Request) -> None:
        self._exchange = exchange
        self._guard = guard
        self._telemetry = guard.telemetry
        self._observed = SealedStream()
        self._request = request
        self._is_head = request.method == "HEAD"
        self._parts: Iterable[bytes] = ()
        self._status = 0  # until the application has called start_response
        self._form: Literal["json", "text", "stream"] = "json"
        self._refusal: NenError | None = None  # of an answer that cannot be sealed
        self._body: list[bytes] = []  # of one that is sealed whole
        self._size = 0
        self._sealer: StreamSealer | None = None  # of a stream that has begun

    def begin(self, app: WSGIApp, environ: Environ) -> Iterable[bytes]:
        """Have the application start on its answer, and return what the server is to iterate."""
        try:
            self._parts = app(environ, self._start_response)
        except Exception as failure:
            if self._sealer is not None:
                self._observed.end(complete=False)
                raise
            return [self._request.fail(failure)]
        return self

    def __iter__(self) -> Iterator[bytes]:
        """Seal what the application yields: a stream as it does so, anything else as a whole."""
        try:
            for part in self._parts:
                frames = self._take(part)
                if self._sealer is not None:
                    yield frames
                if self._refusal is not None or (self._is_head and self._sealer is not None):
                    break
            last = self._finish()
        except Exception as failure:
            # What is on the wire cannot be taken back. The server logs the exception and cuts the connection.
            if self._sealer is not None:
                raise
            last = self._request.fail(failure)
        yield last

    def close(self) -> None:
        """Tell the application that its answer is read no further."""
        self._observed.end(complete=False)
        close = getattr(self._parts, "close", None)
        if close is not None:
            close()

    def _start_response(self, status: str, headers: TextHeaders, exc_info: ExcInfo | None = None) -> Write:
        if exc_info is not None:
            if self._sealer is not None:
                raise exc_info[1].with_traceback(exc_info[2])
            self._body, self._size = [], 0
        elif self._status:
            msg = "start_response was called a second time, without exc_info"
            raise RuntimeError(msg)
        self._status = int(status[:3])
        self._headers = [header for header in headers if header[0].lower() not in _NOT_ON_THE_WIRE]
        self._length = next((value for name, value in headers if name.lower() == "content-length"), "")
        self._form, self._refusal = "json", None
        try:
            self._form = Exchange.form(self._status, headers)
        except NenError as error:
            self._refusal = error
        return self._write

    def _write(self, data: bytes) -> None:
        """Take a part of the body from an application that does not yield it."""
        frames = self._take(data)
        if frames:
            self._write_to_server(frames)

    def _take(self, part: bytes) -> bytes:
        """Take a part of the body, and return what of it can be sent now."""
        if not self._status:
            msg = "the application made a body before it called start_response"
            raise RuntimeError(msg)
        if self._form != "stream":
            self._size += len(part)
            if self._size > self._guard.max_answer:
                self._body, self._refusal = [], self._guard.answer_too_long()
            else:
                self._body.append(part)
            return b""
        sealer = self._stream()
        if self._is_head:
            return b""
        frames = []
        for start in range(0, len(part), self._guard.max_chunk):
            frames.append(sealer.seal(part[start : start + self._guard.max_chunk]))
            self._observed.chunk()
        return b"".join(frames)

    def _stream(self) -> StreamSealer:
        if self._sealer is None:
            sealer = self._exchange.stream()
            headers = [*self._headers, *STREAM_HEADERS, (STREAM_NONCE_HEADER, sealer.nonce_header)]
            self._write_to_server = self._request.start(self._status, headers)
            self._observed = self._telemetry.streaming()
            self._sealer = sealer
        return self._sealer

    def _finish(self) -> bytes:
        """Complete the answer, and return what is still to be sent."""
        if not self._status:
            msg = "the application returned without having called start_response"
            raise RuntimeError(msg)
        if self._refusal is not None:
            return self._request.refuse(self._refusal)
        if self._form == "stream":
            sealer = self._stream()
            self._observed.end(complete=True)
            return b"" if self._is_head else sealer.finish()
        body = b"".join(self._body)
        with self._telemetry.sealing(self._form):
            answer = self._exchange.seal_as(self._form, self._status, body)
        size: int | None = len(answer.body)
        if self._is_head and not body and self._length:
            size = Exchange.sealed_size_of_head(self._form, self._length)
        return self._request.send(answer.status, answer.body, [*self._headers, *_of_json(size)])


def _malformed(detail: str) -> WireError:
    return WireError("ISO-6001", detail)


def _of_json(size: int | None) -> TextHeaders:
    """Describe a JSON body of this size in bytes, if that is known."""
    length = [] if size is None else [("Content-Length", str(size))]
    return [("Content-Type", JSON_CONTENT_TYPE), *length]


def _length(text: str) -> int | None:
    """Read a Content-Length; one of more digits than any real one is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None
