"""Spans and counters of OpenTelemetry, for the option ``telemetry``: ``pip install "nen[opentelemetry]"``.

No key, plaintext, nonce, signature, session id or path is in any of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING

from nen import _events
from nen._errors import NenError
from nen._native import VERSION
from nen._telemetry import SealedStream, Telemetry

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

__all__ = ["OpenTelemetry", "Telemetry"]

_SERVER_ERROR = 500
_METHODS = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"))


class OpenTelemetry(Telemetry):
    """What a middleware does, by the API of OpenTelemetry.

    Spans:

    - ``nen.session``, with ``nen.endpoint``: a session endpoint.
    - ``nen.open``, with ``http.request.method``: the check of a request, the reading and the opening of its body.
    - ``nen.seal``, with ``nen.form`` (``json``, ``text`` or ``stream``): the sealing of an answer. That of a stream
      lasts as long as the stream, and has ``nen.chunks`` and ``nen.complete``: whether it was sent to its end.

    A span that an error of nen ended has its ``nen.code``; from HTTP 500 up, its status is an error.

    Counters:

    - ``nen.requests``, by ``http.request.method``: requests for what is protected.
    - ``nen.refusals``, by ``nen.code``: an ISO code, ``handshake-limited`` or ``websocket-refused``.
    - ``nen.sessions``, by ``nen.endpoint``: handshakes, rotations and terminations.
    - ``nen.stream.chunks``: sealed chunks of streams.

    The providers default to the global ones. A failure of theirs is logged, and changes nothing for the request.

    :raises ImportError: if ``opentelemetry-api`` is not installed.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        try:
            from opentelemetry import metrics, trace  # noqa: PLC0415 - only who asks for it needs it
        except ImportError as error:
            msg = 'OpenTelemetry is not installed: pip install "nen[opentelemetry]"'
            raise ImportError(msg) from error
        self._tracer = trace.get_tracer("nen", VERSION, tracer_provider)
        meter = metrics.get_meter("nen", VERSION, meter_provider)
        self._requests = meter.create_counter("nen.requests", "{request}", "Requests for what is protected.")
        self._refusals = meter.create_counter("nen.refusals", "{refusal}", "Requests that were refused.")
        self._sessions = meter.create_counter("nen.sessions", "{session}", "Sessions made, replaced and ended.")
        self._chunks = meter.create_counter("nen.stream.chunks", "{chunk}", "Sealed chunks of streams.")

    def request(self, method: str) -> None:
        """Count a request."""
        _add(self._requests, {"http.request.method": _known(method)})

    def refused(self, code: str) -> None:
        """Count a refusal."""
        _add(self._refusals, {"nen.code": code})

    def session(self, endpoint: str) -> None:
        """Count what a session endpoint did."""
        _add(self._sessions, {"nen.endpoint": endpoint})

    def answering(self, endpoint: str) -> AbstractContextManager[None]:
        """Time a session endpoint."""
        return _timed(self._tracer, "nen.session", {"nen.endpoint": endpoint})

    def opening(self, method: str) -> AbstractContextManager[None]:
        """Time the opening of a request."""
        return _timed(self._tracer, "nen.open", {"http.request.method": _known(method)})

    def sealing(self, form: str) -> AbstractContextManager[None]:
        """Time the sealing of a whole answer."""
        return _timed(self._tracer, "nen.seal", {"nen.form": form})

    def streaming(self) -> SealedStream:
        """Time a stream."""
        return _Stream(self._tracer, self._chunks)


class _Stream(SealedStream):
    def __init__(self, tracer: Tracer, chunks: Counter) -> None:
        self._span: Span | None = None
        with _harmless():
            self._span = tracer.start_span("nen.seal", attributes={"nen.form": "stream"})
        self._counter = chunks
        self._count = 0

    def chunk(self) -> None:
        self._count += 1
        _add(self._counter, {})

    def end(self, *, complete: bool) -> None:
        span, self._span = self._span, None
        with _harmless():
            if span is not None:
                span.set_attributes({"nen.chunks": self._count, "nen.complete": complete})
                span.end()


@contextmanager
def _timed(tracer: Tracer, name: str, attributes: dict[str, str]) -> Iterator[None]:
    span, current = None, ExitStack()
    with _harmless():
        # The text of an exception is not nen's to tell.
        start = tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        )
        span = current.enter_context(start)
    try:
        yield
    except NenError as error:
        with _harmless():
            if span is not None:
                _mark(span, error)
        raise
    finally:
        with _harmless():
            current.close()


def _mark(span: Span, error: NenError) -> None:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415 - here it is installed

    span.set_attribute("nen.code", error.code)
    if error.http_status >= _SERVER_ERROR:
        span.set_status(StatusCode.ERROR)


def _add(counter: Counter, attributes: dict[str, str]) -> None:
    with _harmless():
        counter.add(1, attributes)


@contextmanager
def _harmless() -> Iterator[None]:
    """Let no failure of an exporter become one of a request."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is
        _events.telemetry_failed(error)


def _known(method: str) -> str:
    """Name a method as the conventions of OpenTelemetry do: those that a client makes up are one."""
    method = method.upper()
    return method if method in _METHODS else "_OTHER"
