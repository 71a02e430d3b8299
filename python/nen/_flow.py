"""What a client does, without I/O and once for both clients.

A flow is a generator. It yields the requests to send and is sent their answers, or has thrown in what went wrong; and
it yields changes of the session, each a flow of its own, to be made once for all who want the same at the same time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias, TypeVar

from nen import _events
from nen._errors import HandshakeError, SessionError, StreamError, WireError
from nen._http import Address
from nen._native import (
    HIDDEN_ANSWER_HEADERS,
    HIDDEN_REQUEST_HEADERS,
    JSON_CONTENT_TYPE,
    SESSION_HEADER,
    STREAM_CONTENT_TYPE,
    STREAM_NONCE_HEADER,
    Call,
    Client,
    LifecycleCall,
    SealedRequest,
    StreamOpener,
)
from nen._response import NenHTTPError, NenResponse, is_success

UNSET: Any = object()
"""Stands for an argument that was not given, where None is a value."""

Headers = Iterable[tuple[str, str]]
_Pairs: TypeAlias = list[tuple[str, str]] | list[tuple[bytes, bytes]]
_T = TypeVar("_T")

_SEALS = 3
"""Another caller may terminate the session that was just made, but hardly several times."""


class Outgoing(NamedTuple):
    """What a caller wants to be sent to a protected endpoint."""

    method: str
    path: str
    json: object
    headers: Mapping[str, str] | Headers | None
    timeout: Any


class Request(NamedTuple):
    """An HTTP request, to be sent as it is."""

    method: str
    url: Any
    headers: _Pairs
    content: bytes | None
    timeout: Any
    """UNSET for that of the HTTP client."""
    opener: Callable[[int, Mapping[str, str]], StreamOpener | None]
    """Gives what opens the answer, by its status and headers, if it is to be read as a stream. It may refuse it."""


class Answer(NamedTuple):
    """What came back: a whole body, or a stream that is still to be read."""

    status: int
    headers: Any
    """As the library has them."""
    body: bytes
    stream: Any = None
    """The stream of the client that runs the flow."""


class Change(NamedTuple):
    """A change of the session. Those with the same key are the same."""

    key: str
    flow: Callable[[], Flow[None]]


Flow: TypeAlias = Generator[Request | Change, Any, _T]


class Connection:
    """The session with one server, and what is done with it."""

    def __init__(self, library: ModuleType, core: Client, address: Address, prefix: str) -> None:
        if not re.fullmatch("(/[^/?#]+)+", prefix):
            msg = "prefix must be a path that starts with a slash and ends without one"
            raise ValueError(msg)
        self.address = address
        self._library = library
        self._open_core: Client | None = core
        self._prefix = prefix

    @property
    def _core(self) -> Client:
        core = self._open_core  # Another thread may close the client meanwhile.
        if core is None:
            msg = "this client was closed"
            raise RuntimeError(msg)
        return core

    @property
    def session_id(self) -> str | None:
        """The id of the current session."""
        core = self._open_core
        session = core and core.session
        return session.id if session else None

    def close(self) -> None:
        """Let go of the keys."""
        self._open_core = None

    # ── the session ──────────────────────────────────────────────────────────────────────────────────────────────

    def handshake(self) -> Flow[None]:
        """Exchange keys. The first time is the one that calls may be waiting for."""
        if self._core.session is None:
            yield from self._reestablish(None)
        else:
            yield Change("handshake", self._exchange_keys)

    def _connect(self) -> Flow[None]:
        """Make the first session."""
        if self._core.session is None:
            yield from self._reestablish(None)

    def rotate(self) -> Flow[None]:
        """Replace the session."""

        def rotate() -> Flow[None]:
            yield from self._lifecycle("rotate", LifecycleCall.rotate)

        yield Change("rotate", rotate)

    def terminate(self) -> Flow[None]:
        """End the session, if there is one."""

        def terminate() -> Flow[None]:
            if self._core.session is not None:
                yield from self._lifecycle("terminate", LifecycleCall.terminate)

        yield Change("terminate", terminate)

    def status(self) -> Flow[bool]:
        """Ask after the session, if there is one."""
        if self._core.session is None:
            return False
        return (yield from self._lifecycle("status", LifecycleCall.status))

    def _reestablish(self, lost: str | None) -> Flow[None]:
        """Make a session in place of a lost one, or of none, unless that was done meanwhile."""

        def reestablish() -> Flow[None]:
            if self.session_id != lost:
                return
            yield from self._exchange_keys()
            if lost is not None:
                _events.reestablished(str(self.address))

        yield Change(f"reestablish {lost}", reestablish)

    def _exchange_keys(self) -> Flow[None]:
        handshake = self._core.handshake()
        answer = yield from self._key_exchange(self._endpoint("POST", "handshake", [], handshake.body))
        self._core.establish(handshake, answer.status, answer.body)

    def _lifecycle(self, action: str, make: Callable[[bytes], LifecycleCall]) -> Flow[bool]:
        call = make(self.address.resolve(f"{self._prefix}/{action}").raw_path)
        while True:
            sealed = call.seal(self._core)
            request = self._endpoint(call.method, action, sealed.headers, sealed.body)
            if action == "rotate":
                answer = yield from self._key_exchange(request)
            else:
                answer = yield request
            outcome = call.open(self._core, answer.status, answer.headers.get("date"), answer.body)
            if outcome.kind == "done":
                return outcome.value is True
            if outcome.kind == "reestablish":
                yield from self._exchange_keys()
                _events.reestablished(str(self.address))
                return True
            _events.clock_corrected(str(self.address))

    def _endpoint(self, method: str, action: str, headers: list[tuple[str, str]], body: bytes | None) -> Request:
        url = self.address.resolve(f"{self._prefix}/{action}")
        return Request(method, url, _ours(headers, body), body, UNSET, lambda _, __: None)

    def _key_exchange(self, request: Request) -> Flow[Answer]:
        """Send a request that exchanges keys. An endless answer is none."""
        try:
            answer: Answer = yield request
        except self._library.RequestError as cause:
            error = HandshakeError("ISO-1003", "no answer came from the endpoint")
            raise error from cause
        except WireError as cause:
            error = HandshakeError("ISO-1004", "the answer is too long for one")
            raise error from cause
        return answer

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────

    def request(self, outgoing: Outgoing) -> Flow[NenResponse]:
        """Make a call whose answer is whole."""

        def opener(_: Call, status: int, headers: Mapping[str, str]) -> None:
            if is_success(status) and _is_stream(headers):  # It may be endless.
                error = WireError("ISO-6001", "the endpoint answered with a stream: use stream()")
                raise error

        response: NenResponse = yield from self._attempts(outgoing, opener)
        return response

    def stream(self, outgoing: Outgoing) -> Flow[Any]:
        """Make a call whose answer is a stream, and open that."""

        def opener(call: Call, status: int, headers: Mapping[str, str]) -> StreamOpener | None:
            if not is_success(status):
                return None
            try:
                return call.open_stream(self._core, headers.get(STREAM_NONCE_HEADER))
            except StreamError as error:
                if _is_stream(headers):
                    raise
                raise StreamError(error.code, "the endpoint answered with a whole body: use fetch()") from None

        answer = yield from self._attempts(outgoing, opener)
        if isinstance(answer, NenResponse):
            cause = NenHTTPError(answer)
            error = StreamError("ISO-7002", str(cause))
            raise error from cause
        return answer

    def _attempts(self, outgoing: Outgoing, opener: Callable[[Call, int, Any], StreamOpener | None]) -> Flow[Any]:
        """Make as many attempts as the protocol allows. Returns the stream, or else a :class:`NenResponse`."""
        url, body = self.address.resolve(outgoing.path), _encoded(outgoing.json)
        theirs = self._library.Headers(outgoing.headers).raw  # Once for all attempts: it may be an iterator.
        call = Call(outgoing.method, url.raw_path)
        head = outgoing.method.upper() == "HEAD"
        while True:
            sealed = yield from self._seal(call, body)
            headers = _with(theirs, _ours(sealed.headers, sealed.body))
            answer = yield Request(
                outgoing.method,
                url,
                headers,
                sealed.body,
                outgoing.timeout,
                # An answer to HEAD has the headers of a stream and nothing to read.
                (lambda _, __: None) if head else partial(opener, call),
            )
            if answer.stream is not None:
                return answer.stream
            outcome = call.open(self._core, answer.status, answer.headers.get("date"), answer.body)
            if outcome.kind == "foreign":
                return NenResponse(answer.status, answer.headers, answer.body, is_sealed=False)
            if outcome.kind == "answer":
                return self._opened(answer, outcome.json)
            sid = dict(sealed.headers)[SESSION_HEADER]
            if outcome.kind == "reestablish":
                yield from self._reestablish(sid)
            elif sid == self.session_id:  # Else another call has replaced the session meanwhile.
                _events.clock_corrected(str(self.address))

    def _seal(self, call: Call, body: bytes | None) -> Flow[SealedRequest]:
        """Seal an attempt in the session there is, or in a new one."""
        for _ in range(_SEALS - 1):
            yield from self._connect()
            with suppress(SessionError):  # Somebody has terminated it meanwhile.
                return call.seal(self._core, body)
        yield from self._connect()
        return call.seal(self._core, body)

    def _opened(self, answer: Answer, content: bytes | None) -> NenResponse:
        """Make the response that has the plain body; none in answer to HEAD."""
        visible = [pair for pair in answer.headers.multi_items() if pair[0].lower() not in _NOT_OF_THE_PLAIN_BODY]
        if content is not None:
            visible += [("content-type", JSON_CONTENT_TYPE), ("content-length", str(len(content)))]
        headers = self._library.Headers(visible)
        return NenResponse(answer.status, headers, content or b"", is_sealed=content is not None)


_NOT_OF_THE_SEALED_BODY = frozenset(name.encode() for name in HIDDEN_REQUEST_HEADERS)
_NOT_OF_THE_PLAIN_BODY = frozenset(HIDDEN_ANSWER_HEADERS)


def _encoded(value: object) -> bytes | None:
    """Write JSON as httpx does."""
    if value is UNSET:
        return None
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:  # That error would hold the whole text.
        msg = "json holds a lone surrogate, which UTF-8 cannot express"
        raise ValueError(msg) from None


def _ours(headers: list[tuple[str, str]], body: bytes | None) -> list[tuple[str, str]]:
    """Give the headers of one request, beside those that the caller wants."""
    # A sealed body cannot be compressed, and a small one that is could be of any size.
    ours = [*headers, ("Accept-Encoding", "identity")]
    return ours if body is None else [*ours, ("Content-Type", JSON_CONTENT_TYPE)]


def _with(theirs: list[tuple[bytes, bytes]], ours: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Add our headers to the caller's, of which those go that are ours to set, or speak of another body."""
    pairs = [(name.encode(), value.encode()) for name, value in ours]
    taken = _NOT_OF_THE_SEALED_BODY | {name.lower() for name, _ in pairs}
    return [(name, value) for name, value in theirs if name.lower() not in taken] + pairs


def _is_stream(headers: Mapping[str, str]) -> bool:
    """Tell whether an answer means to be a stream; whether it is one, its nonce and its chunks show."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == STREAM_CONTENT_TYPE or STREAM_NONCE_HEADER in headers
