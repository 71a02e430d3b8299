"""A client and a middleware in one process, without a socket, and without an event loop: nothing here ever waits."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, NamedTuple

import nen
from nen.asgi import NenMiddleware

App = Callable[[Any, Any, Any], Awaitable[None]]
RawHeaders = Iterable[tuple[bytes, bytes]]


class Answer(NamedTuple):
    """What the server would send."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class InProcess:
    """One client of one application."""

    def __init__(self, app: App, **options: Any) -> None:
        self.middleware = NenMiddleware(app, **options)
        self.client = nen.Client()
        self.now_ms: int | None = None

    def handshake(self) -> None:
        """Establish a session."""
        handshake = self.client.handshake()
        answer = self.request("POST", "/api/nen/handshake", [], handshake.body)
        self.client.establish(handshake, answer.status, answer.body)

    def seal(self, method: str, path: str, body: bytes | None) -> tuple[nen.Call, list[tuple[bytes, bytes]], bytes]:
        """Make a call, and the headers and the body that it sends."""
        call = nen.Call(method, path)
        sealed = call.seal(self.client, body, now_ms=self.now_ms)
        return call, [(name.lower().encode(), value.encode()) for name, value in sealed.headers], sealed.body or b""

    def fetch(self, method: str, path: str, body: bytes | None = None) -> bytes | None:
        """Make a whole exchange and return the opened JSON."""
        call, headers, sealed = self.seal(method, path, body)
        answer = self.request(method, path, headers, sealed)
        outcome = call.open(self.client, answer.status, None, answer.body)
        assert outcome.kind == "answer"
        return outcome.json

    def request(self, method: str, path: str, headers: RawHeaders, *chunks: bytes) -> Answer:
        """Send a request as it is, its body in these chunks."""
        incoming = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        incoming.append({"type": "http.request", "body": b"", "more_body": False})
        sent: list[Any] = []

        async def receive() -> Any:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        raw_path = path.encode("utf-8", "surrogateescape")
        scope = {"type": "http", "method": method, "path": path, "raw_path": raw_path, "headers": list(headers)}
        finish(self.middleware(scope, receive, send))
        body = b"".join(message["body"] for message in sent[1:])
        return Answer(sent[0]["status"], dict(sent[0]["headers"]), body)


def client_of(store: nen.MemorySessionStore) -> nen.Client:
    """Make a client with a session in a store."""
    client = nen.Client()
    handshake = client.handshake()
    answer = nen.Server().respond(store, "handshake", "POST", "/api/nen/handshake", [], handshake.body)
    client.establish(handshake, answer.status, answer.body)
    return client


async def echo(_: Any, receive: Any, send: Any) -> None:
    """Answer with the body of the request."""
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body or b"null"})


def finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run what never waits."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    msg = "it waits"
    raise AssertionError(msg)


def code_of(answer: Answer) -> str:
    """Return the code of a refusal, having seen that it is one, and nothing else."""
    value = json.loads(answer.body)
    code = value["error"]["code"]
    assert value == {"error": {"code": code, "message": nen.ERRORS[code].message}}
    assert answer.status == nen.ERRORS[code].http_status
    return str(code)
