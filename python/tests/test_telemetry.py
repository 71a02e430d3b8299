"""What nen reports to OpenTelemetry, and what it never does."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as connect_websocket

import nen
from nen.limits import HandshakeLimit
from nen.telemetry import OpenTelemetry
from tests.app import KABOOM, Gate, create_app
from tests.conftest import Connect, Serve

PLAINTEXT = "the plaintext that nobody may see"


class Observer:
    """The two ends of OpenTelemetry."""

    def __init__(self) -> None:
        self._spans, self._metrics = InMemorySpanExporter(), InMemoryMetricReader()
        tracer_provider = TracerProvider()
        tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.telemetry = OpenTelemetry(
            tracer_provider=tracer_provider, meter_provider=MeterProvider([self._metrics], shutdown_on_exit=False)
        )

    @property
    def spans(self) -> list[tuple[str, dict[str, Any]]]:
        """The name and the attributes of each span that has ended, in that order."""
        return [(span.name, dict(span.attributes or {})) for span in self.finished]

    @property
    def finished(self) -> tuple[ReadableSpan, ...]:
        return self._spans.get_finished_spans()

    @property
    def counts(self) -> dict[tuple[str, ...], int | float]:
        """The value of each counter, by its name and the values of its attributes."""
        return {
            (metric["name"], *point["attributes"].values()): point["value"]
            for resource in json.loads(self.everything)["resource_metrics"]
            for scope in resource["scope_metrics"]
            for metric in scope["metrics"]
            for point in metric["data"]["data_points"]
        }

    @property
    def everything(self) -> str:
        """The metrics, as they would be exported."""
        data = self._metrics.get_metrics_data()
        assert data is not None
        return data.to_json()


@pytest.fixture
def observer() -> Observer:
    return Observer()


def test_an_exchange_of_json(observer: Observer, serve: Serve, connect: Connect) -> None:
    peer = connect(serve(create_app(telemetry=observer.telemetry)))
    assert peer.fetch("POST", "/api/secure-data", [1]).status == 200
    assert observer.spans == [
        ("nen.session", {"nen.endpoint": "handshake"}),
        ("nen.open", {"http.request.method": "POST"}),
        ("nen.seal", {"nen.form": "json"}),
    ]
    assert observer.counts == {("nen.sessions", "handshake"): 1, ("nen.requests", "POST"): 1}


def test_sessions_and_text(observer: Observer, serve: Serve, connect: Connect) -> None:
    peer = connect(serve(create_app(telemetry=observer.telemetry)))
    peer.rotate()
    assert peer.status() is True
    assert peer.fetch("GET", "/api/plain-404").status == 404
    peer.terminate()
    sessions = ["handshake", "rotate", "status", "terminate"]
    assert [attributes["nen.endpoint"] for name, attributes in observer.spans if name == "nen.session"] == sessions
    assert ("nen.seal", {"nen.form": "text"}) in observer.spans
    counted = {key[1]: value for key, value in observer.counts.items() if key[0] == "nen.sessions"}
    assert counted == {"handshake": 1, "rotate": 1, "terminate": 1}


def test_a_stream_is_one_span_until_its_end(observer: Observer, serve: Serve, connect: Connect) -> None:
    app = create_app(telemetry=observer.telemetry)
    gate: Gate = app.state.gate
    peer = connect(serve(app))
    with peer.stream("GET", "/api/gated") as chunks:
        next(chunks)
        assert "nen.seal" not in dict(observer.spans)
        gate.open.set()
        list(chunks)
    with pytest.raises(nen.StreamError), peer.stream("GET", "/api/broken-stream") as chunks:
        list(chunks)
    complete = {"nen.form": "stream", "nen.chunks": 2, "nen.complete": True}
    broken = {"nen.form": "stream", "nen.chunks": 1, "nen.complete": False}
    assert [attributes for name, attributes in observer.spans if name == "nen.seal"] == [complete, broken]
    assert observer.counts["nen.stream.chunks",] == 3


def test_a_stream_that_its_client_leaves_has_a_span_too(observer: Observer, serve: Serve, connect: Connect) -> None:
    app = create_app(telemetry=observer.telemetry)
    url = serve(app)
    with connect(url).stream("GET", "/api/endless") as chunks:
        next(chunks)
    assert app.state.gate.ended.wait(10)
    connect(url)  # the loop of the server has gone on meanwhile
    assert dict(observer.spans)["nen.seal"]["nen.complete"] is False


def test_refusals_are_counted_by_code(observer: Observer, serve: Serve, connect: Connect) -> None:
    url = serve(create_app(telemetry=observer.telemetry, handshake_limit=HandshakeLimit(1)))
    peer = connect(url)
    _, request = peer.seal("POST", "/api/secure-data", b"{}")
    for _ in range(2):
        peer.send(request)
    _, request = peer.seal("POST", "/api/boom")
    peer.send(request)
    httpx.post(url + "/api/nen/handshake", content=b"x" * 100_000)
    httpx.post(url + "/api/nen/rotate", content=b"{}")
    with pytest.raises(InvalidStatus):
        connect_websocket(url.replace("http", "ws") + "/api/socket")
    refusals = {key[1]: value for key, value in observer.counts.items() if key[0] == "nen.refusals"}
    assert refusals == {"ISO-5001": 1, "ISO-9000": 1, "handshake-limited": 2, "websocket-refused": 1}
    assert ("nen.open", {"http.request.method": "POST", "nen.code": "ISO-5001"}) in observer.spans


def test_only_a_failure_of_the_server_is_an_error(observer: Observer, serve: Serve, connect: Connect) -> None:
    class Broken:
        async def get(self, *_: Any) -> Any:
            raise OSError(PLAINTEXT)

        set = delete = claim_nonce = get

    url = serve(create_app(telemetry=observer.telemetry, store=Broken()))
    httpx.get(url + "/api/secure-data")
    with pytest.raises(nen.InternalError):
        connect(url)
    statuses = {dict(span.attributes or {})["nen.code"]: span.status.status_code for span in observer.finished}
    assert statuses == {"ISO-2003": StatusCode.UNSET, "ISO-9001": StatusCode.ERROR}


def test_a_method_that_a_client_makes_up_has_no_name_of_its_own(observer: Observer, serve: Serve) -> None:
    httpx.request("BREW-1234", serve(create_app(telemetry=observer.telemetry)) + "/api/secure-data")
    assert ("nen.requests", "_OTHER") in observer.counts
    assert "BREW" not in repr(observer.spans) + observer.everything


def test_no_secret_is_in_any_of_it(observer: Observer, serve: Serve, connect: Connect) -> None:
    identity = nen.Identity.generate()
    peer = connect(serve(create_app(telemetry=observer.telemetry)), identity=identity)
    record = json.loads(peer.session.to_record())
    forbidden = {PLAINTEXT, KABOOM, "/api/", peer.session.id, record["sharedSecret"], record["hmacKey"]}
    forbidden |= {base64.b64encode(identity.to_pkcs8()).decode(), base64.b64encode(identity.public_key.spki).decode()}
    value = json.dumps({"prompt": PLAINTEXT}).encode()
    for method, path in [("POST", "/api/secure-data"), ("POST", "/api/boom"), ("POST", "/api/chat")]:
        _, request = peer.seal(method, path + "?q=" + nen.SESSION_HEADER, value)
        forbidden |= {request.headers[nen.SIGNATURE_HEADER], request.headers[nen.NONCE_HEADER], nen.SESSION_HEADER}
        for _ in range(2):
            peer.send(request)
    peer.send(peer.sealed_by_hand("POST", "/api/secure-data", PLAINTEXT.encode()))
    peer.rotate()
    peer.terminate()

    assert len(observer.finished) >= 11
    everything = "".join(span.to_json() for span in observer.finished) + observer.everything
    assert "nen.open" in everything
    assert "nen.requests" in everything
    assert [word for word in forbidden if word in everything] == []


class Raising(SpanProcessor):
    """A processor with a defect."""

    def on_start(self, *_: Any, **__: Any) -> None:
        raise LookupError(KABOOM)

    def on_end(self, *_: Any) -> None:
        raise LookupError(KABOOM)


def test_a_failure_of_telemetry_is_none_of_the_request(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracer_provider, meter_provider = TracerProvider(), MeterProvider(shutdown_on_exit=False)
    tracer_provider.add_span_processor(Raising())
    telemetry = OpenTelemetry(tracer_provider=tracer_provider, meter_provider=meter_provider)
    for counter in ("_requests", "_refusals", "_sessions", "_chunks"):
        monkeypatch.setattr(getattr(telemetry, counter), "add", raising)
    peer = connect(serve(create_app(telemetry=telemetry)))
    assert peer.fetch("POST", "/api/secure-data", [1]).status == 200
    with peer.stream("GET", "/api/chat") as chunks:
        assert b"".join(chunks) == b"secure streaming works "
    with pytest.raises(nen.InternalError, match="ISO-9000"):
        peer.fetch("POST", "/api/boom")
    ours: list[Any] = [record for record in caplog.records if getattr(record, "nen_event", "") == "telemetry-failed"]
    assert {(record.levelno, record.nen_cause) for record in ours} == {(logging.WARNING, "LookupError")}
    assert KABOOM not in "".join(record.getMessage() for record in ours)


def raising(*_: Any) -> None:
    raise LookupError(KABOOM)


@pytest.mark.parametrize("wrong", [OpenTelemetry, object(), True])
def test_what_is_no_telemetry_is_refused_at_construction(wrong: Any) -> None:
    with pytest.raises(TypeError, match="telemetry must be of type Telemetry"):
        create_app(telemetry=wrong).build_middleware_stack()


def test_without_opentelemetry_it_says_what_to_install() -> None:
    script = """
import sys
import nen.telemetry
assert "opentelemetry" not in sys.modules
sys.modules["opentelemetry"] = None
try:
    nen.telemetry.OpenTelemetry()
except ImportError as error:
    print(error)
"""
    command = [sys.executable, "-c", script]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own interpreter
    assert 'pip install "nen[opentelemetry]"' in output
