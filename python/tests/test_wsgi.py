"""The middleware of WSGI at its seams: what servers and applications may do by PEP 3333."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

import nen
from nen import _events
from nen._telemetry import SealedStream, Telemetry
from nen.limits import HandshakeLimit
from nen.wsgi import NenMiddleware
from tests.app import KABOOM
from tests.inprocess import client_of

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
JSON = ("Content-Type", "application/json")
TEXT = ("Content-Type", "text/plain")


class Connection:
    """One request to an application, as a WSGI server delivers it, checked on both sides of the middleware."""

    def __init__(self, app: App, method: str = "POST", body: bytes | None = b'{"a":1}', **options: Any) -> None:
        store = nen.MemorySessionStore()
        self.client = client_of(store)
        self.middleware = NenMiddleware(app, store=store, **options)
        self.app: App = validator(self.middleware)
        self.call = nen.Call(method, "/x")
        sealed = self.call.seal(self.client, body)
        self.sealed = sealed.body or b""
        self.errors = io.StringIO()
        self.environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": "/x",
            "QUERY_STRING": "",
            "CONTENT_LENGTH": str(len(self.sealed)),
            "wsgi.input": io.BytesIO(self.sealed),
            "wsgi.errors": self.errors,
        }
        self.environ |= {"HTTP_" + name.upper().replace("-", "_"): value for name, value in sealed.headers}
        setup_testing_defaults(self.environ)
        self.status_line = ""
        self.headers: dict[str, str] = {}
        self.sent: list[bytes] = []

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        assert exc_info or not self.status_line
        assert not any(self.sent)
        self.status_line, self.headers = status, dict(headers)
        if "X-Refused" in self.headers:
            raise ValueError
        return self.sent.append

    def open(self) -> Iterator[bytes]:
        """Begin as a server does; what this returns is to be iterated, and closed."""
        return self.app(self.environ, self.start_response)  # type: ignore[return-value]

    def run(self) -> None:
        parts = self.open()
        try:
            self.sent.extend(parts)
        finally:
            parts.close()  # type: ignore[attr-defined]

    @property
    def status(self) -> int:
        return int(self.status_line[:3])

    @property
    def body(self) -> bytes:
        return b"".join(self.sent)

    @property
    def value(self) -> Any:
        outcome = self.call.open(self.client, self.status, None, self.body)
        return None if outcome.json is None else json.loads(outcome.json)

    def assert_refused(self, code: str) -> None:
        self.run()
        assert json.loads(self.body)["error"]["code"] == code
        assert self.status == nen.ERRORS[code].http_status
        assert int(self.headers["Content-Length"]) == len(self.body)

    def chunks(self) -> Iterator[bytes]:
        opener = self.call.open_stream(self.client, self.headers[nen.STREAM_NONCE_HEADER])
        opener.push(self.body)
        while (chunk := opener.next_chunk()) is not None:
            yield chunk
        opener.end()


class Parts:
    """The parts of a body, which count how often they are closed."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self.parts = parts
        self.taken = 0
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            self.taken += 1
            if isinstance(part, Exception):
                raise part
            yield part

    def close(self) -> None:
        self.closed += 1


def answering(status: str, headers: list[tuple[str, str]], parts: Iterable[bytes]) -> App:
    def app(_: Any, start_response: Any) -> Iterable[bytes]:
        start_response(status, headers)
        return parts

    return app


def checked(app: App) -> App:
    """Check also what the middleware does to its application. The checker knows no variables without a dot."""
    return lambda environ, start_response: validator(app)(
        {key: value for key, value in environ.items() if key != "nen"}, start_response
    )


def test_a_json_answer_in_pieces_is_sealed_whole() -> None:
    connection = Connection(checked(answering("200 OK", [JSON], [b"[1,", b"2]"])))
    connection.run()
    assert connection.value == [1, 2]
    assert int(connection.headers["Content-Length"]) == len(connection.body)
    assert connection.headers["Cache-Control"] == "no-store"


def test_the_status_is_kept_and_its_phrase_is_not() -> None:
    connection = Connection(answering("404 the plaintext", [JSON], [b"{}"]))
    connection.run()
    assert connection.status_line == "404 Not Found"


def test_an_empty_answer_is_null() -> None:
    connection = Connection(answering("205 Reset Content", [], []))
    connection.run()
    assert (connection.status, connection.value) == (200, None)


def test_an_application_may_start_when_it_is_iterated() -> None:
    def app(_: Any, start_response: Any) -> Iterator[bytes]:
        start_response("201 Created", [JSON])
        yield b"1"

    connection = Connection(app)
    connection.run()
    assert (connection.status, connection.value) == (201, 1)


@pytest.mark.parametrize(("headers", "expected"), [([JSON], 12), ([TEXT], [b"1", b"2"])])
def test_an_application_may_write(headers: list[tuple[str, str]], expected: Any) -> None:
    def app(_: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", headers)(b"1")
        return [b"2"]

    connection = Connection(app)
    connection.run()
    assert expected == (connection.value if headers == [JSON] else list(connection.chunks()))


def test_head_is_answered_by_an_application_that_knows_it() -> None:
    connection = Connection(answering("200 OK", [JSON, ("Content-Length", "7")], []), "HEAD", None)
    connection.run()
    full = Connection(answering("200 OK", [JSON], [b'{"a":1}']), "GET", None)
    full.run()
    assert int(connection.headers["Content-Length"]) == len(full.body)
    assert connection.body == b""


def test_head_does_not_tell_a_length_that_it_cannot_know() -> None:
    connection = Connection(answering("404 Not Found", [TEXT, ("Content-Length", "7")], []), "HEAD", None)
    connection.run()
    assert "Content-Length" not in connection.headers


def test_head_of_a_stream_takes_no_more_of_it_than_it_must() -> None:
    parts = Parts(b"one", b"two", b"three")
    connection = Connection(answering("200 OK", [TEXT], parts), "HEAD", None)
    connection.run()
    assert nen.STREAM_NONCE_HEADER in connection.headers
    assert (connection.body, parts.taken, parts.closed) == (b"", 1, 1)


def test_the_application_sees_a_plain_json_request() -> None:
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.update(environ, body=environ["wsgi.input"].read(100))
        start_response("200 OK", [JSON])
        return [b"1"]

    connection = Connection(app)
    hidden = {
        "CONTENT_TYPE": "text/plain",
        "HTTP_ACCEPT_ENCODING": "gzip",
        "HTTP_IF_NONE_MATCH": "*",
        "HTTP_RANGE": "bytes=0-1",
        "gunicorn.socket": object(),
        "werkzeug.socket": object(),
        "wsgi.early_hints": object(),
        "wsgi.file_wrapper": object(),
    }
    connection.environ |= hidden
    connection.run()
    assert (seen["body"], seen["CONTENT_LENGTH"], seen["CONTENT_TYPE"]) == (b'{"a":1}', "7", "application/json")
    assert not (hidden.keys() - {"CONTENT_TYPE"}) & seen.keys()
    assert seen["nen"].protocol == nen.PROTOCOL
    assert hidden.items() <= connection.environ.items()
    assert "nen" not in connection.environ


def test_a_request_without_a_body_has_none() -> None:
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.update(environ, body=environ["wsgi.input"].read(100))
        return answering("200 OK", [JSON], [])(environ, start_response)

    connection = Connection(app, "GET", None)
    connection.environ["CONTENT_LENGTH"] = ""
    connection.run()
    assert (seen["body"], {"CONTENT_LENGTH", "CONTENT_TYPE"} & seen.keys()) == (b"", set())


class Dribble(io.BytesIO):
    """A body that comes in small pieces, and counts what was read of it."""

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size >= 0
        return super().read(min(size, 3))


def test_a_body_may_come_in_pieces_and_need_no_length() -> None:
    for environ in ({}, {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}):
        connection = Connection(answering("200 OK", [JSON], [b"1"]))
        connection.environ |= {"wsgi.input": Dribble(connection.sealed), **environ}
        connection.run()
        assert connection.value == 1


def test_nothing_is_read_past_the_length() -> None:
    connection = Connection(answering("200 OK", [JSON], [b"1"]))
    body = connection.environ["wsgi.input"] = io.BytesIO(connection.sealed + b"GET / HTTP/1.1")
    connection.run()
    assert connection.value == 1
    assert body.read() == b"GET / HTTP/1.1"


@pytest.mark.parametrize(
    ("environ", "read"),
    [
        ({"CONTENT_LENGTH": "1001"}, 0),
        ({"CONTENT_LENGTH": "9" * 5000}, 0),
        ({"CONTENT_LENGTH": "-1"}, 0),
        ({"CONTENT_LENGTH": "\xb2"}, 0),
        ({"CONTENT_LENGTH": "1e2"}, 0),
        ({"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}, 0),
        ({"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}, 1001),
        ({"CONTENT_LENGTH": "1000", "wsgi.input": io.BytesIO(b"{}")}, 2),
    ],
)
def test_a_body_that_is_too_long_or_of_no_sure_length(environ: dict[str, Any], read: int) -> None:
    connection = Connection(answering("200 OK", [JSON], [b"1"]), max_body=1000)
    body = environ.setdefault("wsgi.input", io.BytesIO(b" " * 2000))
    body.seek(0)
    # The checker wants a length that is a number; here it is what a server let through.
    connection.app = connection.middleware
    connection.environ |= environ
    parts = connection.open()
    connection.sent.extend(parts)
    assert json.loads(connection.body)["error"]["code"] == "ISO-6001"
    assert body.tell() == read


def test_a_body_may_be_as_long_as_the_limit_and_no_longer() -> None:
    length = len(Connection(raising).sealed)
    for max_body, status in ((length, 200), (length - 1, 400)):
        connection = Connection(answering("200 OK", [JSON], [b"1"]), max_body=max_body)
        connection.environ |= {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
        connection.run()
        assert connection.status == status


def test_a_body_that_ends_before_its_length_is_refused() -> None:
    connection = Connection(answering("200 OK", [JSON], [b"1"]))
    connection.environ["CONTENT_LENGTH"] = str(len(connection.sealed) + 1)
    connection.assert_refused("ISO-6001")


def test_the_application_sees_the_method_as_it_was_signed() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [JSON])
        return [json.dumps(environ["REQUEST_METHOD"]).encode()]

    connection = Connection(app)
    connection.app = connection.middleware  # the checker wants methods in upper case
    connection.environ["REQUEST_METHOD"] = "post"
    connection.sent.extend(connection.open())
    assert connection.value == "POST"


def test_a_websocket_is_refused() -> None:
    for environ in ({"HTTP_UPGRADE": "WebSocket", "HTTP_CONNECTION": "Upgrade"}, {"wsgi.websocket": object()}):
        connection = Connection(answering("200 OK", [JSON], [b"1"]))
        connection.environ |= environ
        connection.run()
        assert (connection.status, connection.body) == (403, b"Forbidden")


def test_a_sealed_request_to_what_is_not_protected_is_recorded(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_events, "_unprotected", set())
    connection = Connection(answering("200 OK", [JSON], [b"1"]), protect=["/y"])
    connection.run()
    assert connection.body == b"1"
    assert [(record.name, getattr(record, "nen_event", "")) for record in caplog.records] == [("nen", "unprotected")]


@pytest.mark.parametrize(("max_answer", "status"), [(4, 200), (3, 500)])
def test_a_whole_answer_has_a_limit(max_answer: int, status: int) -> None:
    parts = Parts(b"12", b"34")
    connection = Connection(answering("200 OK", [JSON], parts), max_answer=max_answer)
    connection.run()
    assert (connection.status, parts.closed) == (status, 1)
    if status == 200:
        assert connection.value == 1234
    else:
        assert json.loads(connection.body)["error"]["code"] == "ISO-9000"


def test_each_chunk_is_sent_before_the_next_is_made() -> None:
    parts = Parts(b"a", b"", b"b" * 5)
    connection = Connection(answering("200 OK", [TEXT], parts), max_chunk=2)
    answer = connection.open()
    for made in (1, 2, 3):
        connection.sent.append(next(answer))
        assert parts.taken == made
        assert bool(connection.sent[-1]) is (made != 2)
    connection.sent.extend(answer)
    assert list(connection.chunks()) == [b"a", b"bb", b"bb", b"b"]
    answer.close()  # type: ignore[attr-defined]


def test_a_client_that_leaves_closes_what_the_application_made() -> None:
    parts = Parts(b"a", b"b")
    connection = Connection(answering("200 OK", [TEXT], parts))
    answer = connection.open()
    next(answer)
    answer.close()  # type: ignore[attr-defined]
    assert (parts.taken, parts.closed) == (1, 1)


@pytest.mark.parametrize(
    ("status", "header", "parts"),
    [
        ("200 OK", JSON, [b"1"]),
        ("200 OK", TEXT, [b"1"]),
        ("404 Not Found", TEXT, [b"1"]),
        ("500 Internal Server Error", TEXT, [b"1"]),
        ("200 OK", JSON, [b"not json"]),
        ("200 OK", JSON, [RuntimeError(KABOOM)]),
        ("200 OK", TEXT, [RuntimeError(KABOOM)]),
    ],
)
def test_what_the_application_made_is_closed_once(status: str, header: tuple[str, str], parts: list[Any]) -> None:
    body = Parts(*parts)
    connection = Connection(answering(status, [header], body))
    connection.run()
    assert body.closed == 1


@pytest.mark.parametrize(
    ("status", "header"),
    [
        ("304 Not Modified", JSON),
        ("500 Internal Server Error", TEXT),
        ("200 OK", ("Content-Encoding", "gzip")),
        ("103 Early Hints", TEXT),
    ],
)
def test_an_answer_that_cannot_be_sealed_is_not_read_to_its_end(status: str, header: tuple[str, str]) -> None:
    parts = Parts(*[KABOOM.encode()] * 3)
    connection = Connection(answering(status, [header], parts))
    connection.assert_refused("ISO-9000")
    assert parts.taken == 1
    assert KABOOM.encode() not in connection.body


def raising(*_: Any) -> Iterable[bytes]:
    raise LookupError(KABOOM)


@pytest.mark.parametrize(
    "app",
    [
        raising,
        answering("200 OK", [JSON], Parts(b"[1", LookupError(KABOOM))),
        answering("200 OK", [TEXT], Parts(LookupError(KABOOM))),
    ],
)
def test_a_failure_before_anything_was_sent_is_answered_and_told_to_the_server(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    connection = Connection(app)
    connection.assert_refused("ISO-9000")
    assert KABOOM.encode() not in connection.body
    assert f"LookupError: {KABOOM}" in connection.errors.getvalue()
    assert KABOOM not in caplog.text
    assert "ISO-9000" in caplog.text


def test_a_second_middleware_says_that_it_is_one() -> None:
    connection = Connection(NenMiddleware(answering("200 OK", [JSON], [b"[1]"])))
    connection.assert_refused("ISO-9000")
    assert "two NenMiddleware protect this path" in connection.errors.getvalue()


def test_a_failure_in_the_middle_of_a_stream_goes_on_to_the_server() -> None:
    connection = Connection(answering("200 OK", [TEXT], Parts(b"one", LookupError(KABOOM))))
    with pytest.raises(LookupError, match=KABOOM):
        connection.run()
    chunks = connection.chunks()
    assert next(chunks) == b"one"
    with pytest.raises(nen.StreamError, match="ISO-7003"):
        next(chunks)


def test_a_failure_after_a_chunk_was_written_goes_on_to_the_server() -> None:
    def app(_: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [TEXT])(b"one")
        raise LookupError(KABOOM)

    connection = Connection(app)
    with pytest.raises(LookupError, match=KABOOM):
        connection.run()


def failing_over(first: tuple[str, str], part: bytes) -> App:
    """An application that notices its failure by itself, and answers with an error as PEP 3333 says."""

    def app(_: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [first])
        yield part
        try:
            raising()
        except LookupError:
            start_response("503 Service Unavailable", [JSON], sys.exc_info())
        yield b'"try later"'

    return app


def test_an_application_may_take_back_what_was_not_sent() -> None:
    connection = Connection(checked(failing_over(JSON, b"[1,")))
    connection.run()
    assert (connection.status, connection.value) == (503, "try later")


def test_an_application_cannot_take_back_what_was_sent() -> None:
    connection = Connection(failing_over(TEXT, b"one"))
    with pytest.raises(LookupError, match=KABOOM):
        connection.run()


@pytest.mark.parametrize("parts", [[], [b"1"]])
def test_an_application_that_does_not_start_is_an_internal_error(parts: list[bytes]) -> None:
    connection = Connection(lambda *_: parts)
    connection.assert_refused("ISO-9000")


def test_an_application_that_starts_twice_is_an_internal_error() -> None:
    def app(_: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [JSON])
        start_response("200 OK", [JSON])
        return [b"1"]

    Connection(app).assert_refused("ISO-9000")


def test_headers_that_the_server_refuses_are_an_internal_error() -> None:
    connection = Connection(answering("200 OK", [JSON, ("X-Refused", "by the server")], [b"1"]))
    connection.assert_refused("ISO-9000")


class LateStore:
    """A store of plain functions that does not answer in time."""

    def get(self, _: str) -> None:
        time.sleep(0.2)

    set = delete = claim_nonce = get


class AsyncStore:
    async def get(self, _: str) -> None: ...

    set = delete = claim_nonce = get


def test_a_store_is_asked_within_its_time() -> None:
    connection = Connection(raising)
    store: Any = LateStore()
    connection.app = validator(NenMiddleware(raising, store=store, store_timeout_ms=20))
    connection.assert_refused("ISO-9001")


@pytest.mark.parametrize(
    ("options", "error"),
    [({"store": AsyncStore()}, TypeError), ({"no_option": 1}, TypeError), ({"protect": "decorated"}, ValueError)],
)
def test_options_are_checked_when_the_middleware_is_made(options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        NenMiddleware(raising, **options)


def test_handshakes_of_one_caller_may_be_limited() -> None:
    connection = Connection(raising, "POST", handshake_limit=HandshakeLimit(1))
    handshake = {"PATH_INFO": "/api/nen/handshake", "REMOTE_ADDR": "192.0.2.1"}
    for status in (400, 429):
        connection.environ |= handshake | {"wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0"}
        connection.status_line = ""
        connection.sent.clear()
        connection.run()
        assert connection.status == status
    assert int(connection.headers["Retry-After"]) > 0


class Observed(Telemetry):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def request(self, method: str) -> None:
        self.told.append(f"request {method}")

    def refused(self, code: str) -> None:
        self.told.append(f"refused {code}")

    def streaming(self) -> SealedStream:
        told = self.told

        class Stream(SealedStream):
            def chunk(self) -> None:
                told.append("chunk")

            def end(self, *, complete: bool) -> None:
                told.append(f"end {complete}")

        return Stream()


def test_an_observer_is_told_how_requests_go() -> None:
    for app, told in [
        (raising, ["refused ISO-9000"]),
        (answering("200 OK", [TEXT], [b"1", b"2"]), ["chunk", "chunk", "end True", "end False"]),
        (answering("200 OK", [TEXT], [b"1", 2]), ["chunk", "end False"]),  # type: ignore[list-item]
    ]:
        observer = Observed()
        connection = Connection(app, telemetry=observer)
        with suppress(TypeError):
            connection.run()
        assert observer.told == ["request POST", *told]
