"""What stands between a client and an honest server: it holds requests up, answers in its place, or lies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass
class Relayed:
    """A request, and what the server has answered, which is there to be changed."""

    request: bytes
    request_headers: Headers
    status: int = 0
    headers: MutableHeaders = field(default_factory=MutableHeaders)
    body: bytes = b""


class Meddler:
    """Lets the application answer requests to a path, and changes what it has answered."""

    def __init__(self, app: ASGIApp, path: str, lie: Callable[[Relayed], None]) -> None:
        self._app, self._path, self._lie = app, path, lie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") != self._path:
            await self._app(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        relayed = Relayed(body, Headers(scope=scope))

        request: list[Message] = [{"type": "http.request", "body": body}]

        async def replay() -> Message:
            return request.pop() if request else await receive()

        async def hold_back(message: Message) -> None:
            if message["type"] == "http.response.start":
                relayed.status, relayed.headers = message["status"], MutableHeaders(scope=message)
            relayed.body += message.get("body", b"")

        await self._app(scope, replay, hold_back)
        self._lie(relayed)
        del relayed.headers["content-length"]
        raw = relayed.headers.raw
        await send({"type": "http.response.start", "status": relayed.status, "headers": raw})
        await send({"type": "http.response.body", "body": relayed.body})


class Instead:
    """Answers requests to a path itself, as long as it has something to answer."""

    def __init__(self, app: ASGIApp, path: str, answer: Callable[[Request], Awaitable[Response | None]]) -> None:
        self._app, self._path, self._answer = app, path, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: Any = self._app
        if scope.get("path") == self._path:
            answer = await self._answer(Request(scope, receive)) or answer
        await answer(scope, receive, send)
