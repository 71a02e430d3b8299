"""The middleware at its seams: what servers and applications may do by the ASGI specification."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
import weakref
from collections.abc import Awaitable, Callable
from itertools import repeat
from typing import Any

import pytest

import nen
from nen.asgi import NenMiddleware
from tests.inprocess import client_of

App = Callable[[Any, Any, Any], Awaitable[None]]


class Connection:
    """One request to an application, as an ASGI server delivers it."""

    def __init__(self, app: App, method: str = "POST", body: bytes | None = b'{"a":1}', **options: Any) -> None:
        store = nen.MemorySessionStore()
        self.client = client_of(store)
        self.middleware = NenMiddleware(app, store=store, **options)
        self.call = nen.Call(method, "/x")
        sealed = self.call.seal(self.client, body)
        self.incoming: list[Any] = [{"type": "http.request", "body": sealed.body or b""}]
        self.sent: list[Any] = []
        self.scope: Any = {
            "type": "http",
            "method": method,
            "path": "/x",
            "raw_path": b"/x",
            "headers": [(name.lower().encode(), value.encode()) for name, value in sealed.headers],
            "extensions": {"http.response.pathsend": {}, "http.response.trailers": {}, "tls": {}},
        }

    async def receive(self) -> Any:
        return self.incoming.pop(0) if self.incoming else {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    def run(self) -> None:
        asyncio.run(self.middleware(self.scope, self.receive, self.send))

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def value(self) -> Any:
        outcome = self.call.open(self.client, self.status, None, self.body)
        return None if outcome.json is None else json.loads(outcome.json)


def answering(*messages: Any) -> App:
    async def app(_: Any, __: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return app


def start(status: int = 200, media_type: bytes = b"application/json", *headers: tuple[bytes, bytes]) -> Any:
    return {"type": "http.response.start", "status": status, "headers": [(b"Content-Type", media_type), *headers]}


def body(data: Any = b"", *, more: bool = False) -> Any:
    return {"type": "http.response.body", "body": data, "more_body": more}


def test_a_json_answer_in_pieces_is_sealed_whole() -> None:
    connection = Connection(answering(start(), body(b"[1,", more=True), body(memoryview(b"2]"))))
    connection.run()
    assert connection.value == [1, 2]
    assert len(connection.sent) == 2


@pytest.mark.parametrize(
    "media_type", [b"application/json; charset=utf-8", b"application/problem+json", b"Application/JSON"]
)
def test_json_is_known_by_its_type(media_type: bytes) -> None:
    connection = Connection(answering(start(404, media_type), body(b'{"a":1}')))
    connection.run()
    assert (connection.status, connection.value) == (404, {"a": 1})


def test_an_empty_answer_is_null() -> None:
    connection = Connection(answering({"type": "http.response.start", "status": 205}, body()))
    connection.run()
    assert (connection.status, connection.value) == (200, None)


def test_head_is_answered_by_an_application_that_knows_it() -> None:
    app = answering(start(200, b"application/json", (b"content-length", b"7")), body())
    connection = Connection(app, "HEAD", None)
    connection.run()
    length = dict(connection.sent[0]["headers"])[b"content-length"]
    full = Connection(answering(start(), body(b'{"a":1}')), "GET", None)
    full.run()
    assert int(length) == len(full.body)
    assert connection.body == b""


@pytest.mark.parametrize(("told", "sealed"), [(b"0", 4), (b"11", 11)])
def test_head_of_json_has_the_length_that_get_would_have(told: bytes, sealed: int) -> None:
    app = answering(start(200, b"application/json", (b"content-length", told)), body())
    connection = Connection(app, "HEAD", None)
    connection.run()
    whole = Connection(answering(start(), body(b"x" * sealed)), "GET", None)
    whole.run()
    lengths = [dict(head.sent[0]["headers"])[b"content-length"] for head in (connection, whole)]
    assert lengths[0] == lengths[1]


def test_head_of_text_has_no_length_that_would_be_wrong() -> None:
    connection = Connection(answering(start(404, b"text/plain", (b"content-length", b"7")), body()), "HEAD", None)
    connection.run()
    assert connection.status == 404
    assert b"content-length" not in dict(connection.sent[0]["headers"])


def test_the_application_reads_the_plain_body_once_and_then_the_end() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend([scope["extensions"], await receive(), await receive()])
        await answering(start(), body(b"1"))(scope, receive, send)

    connection = Connection(app)
    connection.run()
    request = {"type": "http.request", "body": b'{"a":1}', "more_body": False}
    assert seen == [{"tls": {}}, request, {"type": "http.disconnect"}]
    assert "nen" not in connection.scope


def test_a_client_that_leaves_before_its_body_is_read_gets_no_answer() -> None:
    called: list[Any] = []

    async def app(*_: Any) -> None:
        called.append(True)

    connection = Connection(app)
    connection.incoming = [{"type": "http.request", "body": b"{", "more_body": True}]
    connection.run()
    assert (called, connection.sent) == ([], [])


@pytest.mark.parametrize(
    "messages",
    [
        (body(b"too early"),),
        (start(), start()),
        (start(), {"type": "http.response.pathsend", "path": "/etc/passwd"}),
        (start(200, b"text/plain"), {"type": "http.response.pathsend", "path": "/etc/passwd"}),
        (start(), body(b"1"), body(b"2")),
        ({"type": "http.response.zerocopysend", "file": 1},),
    ],
)
def test_messages_out_of_order_or_unknown_are_not_let_through(messages: Any) -> None:
    connection = Connection(answering(*messages))
    with pytest.raises(RuntimeError):
        connection.run()
    for message in connection.sent:
        assert message["type"] in ("http.response.start", "http.response.body")
        assert message.get("body") not in (b"1", b"2", b"too early")


def test_an_application_that_answers_nothing_is_an_internal_error() -> None:
    for messages in [(), (start(),), (start(), body(b"[1", more=True))]:
        connection = Connection(answering(*messages))
        connection.run()
        assert connection.status == 500
        with pytest.raises(nen.InternalError, match="ISO-9000"):
            _ = connection.value


def test_an_endless_answer_that_is_refused_is_stopped() -> None:
    async def app(_: Any, __: Any, send: Any) -> None:
        await send(start(200, b"text/event-stream", (b"content-encoding", b"gzip")))
        for _ in range(1_000):
            await send(body(b"on and on", more=True))
        pytest.fail("it went on")

    connection = Connection(app)
    with pytest.raises(OSError, match="refused"):
        connection.run()
    assert json.loads(connection.body)["error"]["code"] == "ISO-9000"


def test_a_stream_without_its_end_has_no_end_mark() -> None:
    connection = Connection(answering(start(200, b"text/event-stream"), body(b"one", more=True)))
    connection.run()
    assert connection.sent[-1]["more_body"] is True
    opener = connection.call.open_stream(connection.client, dict(connection.sent[0]["headers"])[b"x-nen-stream-nonce"])
    opener.push(connection.body)
    assert opener.next_chunk() == b"one"
    with pytest.raises(nen.StreamError, match="ISO-7003"):
        opener.end()


def test_the_exception_of_the_application_goes_on_after_the_answer() -> None:
    async def app(*_: Any) -> None:
        msg = "kaboom"
        raise LookupError(msg)

    connection = Connection(app)
    with pytest.raises(LookupError, match="kaboom"):
        connection.run()
    assert connection.status == 500
    assert b"kaboom" not in connection.body


def test_a_second_middleware_says_that_it_is_one() -> None:
    connection = Connection(NenMiddleware(answering(start(), body(b"[1]"))))
    with pytest.raises(RuntimeError, match="two NenMiddleware protect this path"):
        connection.run()
    assert connection.status == 500


def test_cancellation_goes_through_untouched() -> None:
    async def app(*_: Any) -> None:
        raise asyncio.CancelledError

    connection = Connection(app)
    with pytest.raises(asyncio.CancelledError):
        connection.run()
    assert connection.sent == []


def test_a_body_of_many_chunks_takes_up_no_more_than_its_length() -> None:
    connection = Connection(answering())
    incoming = repeat({"type": "http.request", "more_body": True}, 200_000)

    async def receive() -> Any:
        return next(incoming, {"type": "http.disconnect"})

    connection.receive = receive  # type: ignore[method-assign]
    tracemalloc.start()
    connection.run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("media_type", [b"application/json", b"text/event-stream"])
def test_an_answer_is_out_of_memory_when_it_was_sent(media_type: bytes) -> None:
    answers: list[weakref.ref[Any]] = []

    async def app(_: Any, __: Any, send: Any) -> None:
        answers.append(weakref.ref(send.__self__))
        await send(start(200, media_type))
        await send(body(b"1"))

    gc.disable()
    try:
        Connection(app).run()
        assert [answer() for answer in answers] == [None]
    finally:
        gc.enable()


def test_each_chunk_is_sent_before_the_next_is_made() -> None:
    order: list[str] = []

    async def app(_: Any, __: Any, send: Any) -> None:
        await send(start(200, b"text/event-stream"))
        for name in ("a", "b"):
            order.append(f"made {name}")
            await send(body(name.encode(), more=True))
        await send(body())

    connection = Connection(app)
    forward = connection.send

    async def send(message: Any) -> None:
        order.append("sent")
        await forward(message)

    connection.send = send  # type: ignore[method-assign]
    connection.run()
    assert order == ["sent", "made a", "sent", "made b", "sent", "sent"]


async def echo(_: Any, receive: Any, send: Any) -> None:
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body[:1], "more_body": True})
    await send({"type": "http.response.body", "body": body[1:]})


@pytest.mark.parametrize(("max_answer", "status"), [(7, 200), (6, 500)])
def test_a_whole_answer_has_a_limit(max_answer: int, status: int) -> None:
    connection = Connection(echo, max_answer=max_answer)
    connection.run()
    assert connection.status == status
    if status == 200:
        assert connection.value == {"a": 1}
    else:
        assert json.loads(connection.body)["error"]["code"] == "ISO-9000"


@pytest.mark.parametrize(("size", "others_run"), [(1_000, False), (1_000_000, True)])
def test_other_tasks_run_while_large_bodies_are_opened_and_sealed(size: int, others_run: bool) -> None:  # noqa: FBT001
    connection = Connection(echo, body=json.dumps("x" * size).encode())
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def main() -> None:
        task = asyncio.create_task(others())
        await connection.middleware(connection.scope, connection.receive, connection.send)
        task.cancel()

    asyncio.run(main())
    assert (turns > 0) is others_run
    assert connection.value == "x" * size
