"""The fault server: the Python peer behind a layer that lies on the wire, as a hostile proxy would."""  # noqa: INP001 - a program, not a package

import json
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

from fastapi.responses import StreamingResponse
from python.server import Chat, chat, create_app, routes, secure_data, serve
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nen import JSON_CONTENT_TYPE, NONCE_HEADER, STREAM_NONCE_HEADER, TIMESTAMP_HEADER, MemorySessionStore, NenError

PREFIX = "/api/faults"
WINDOW_MS = 30_000
AHEAD_MS = 90_000


@dataclass
class Relayed:
    """A request and its answer, sealed, on their way through."""

    request_headers: Headers
    request: bytes
    headers: MutableHeaders
    answer: bytes


def tampered(relayed: Relayed) -> None:
    """Flip one bit of the ciphertext."""
    sealed = json.loads(relayed.answer)
    ct = bytearray(b64decode(sealed["ct"]))
    ct[0] ^= 1
    relayed.answer = json.dumps({**sealed, "ct": b64encode(ct).decode()}).encode()


def plaintext(relayed: Relayed) -> None:
    """Answer in the clear, with what a client could take for the endpoint's answer."""
    relayed.answer = json.dumps({"message": "Securely processed", "received": None}).encode()


def reflected(relayed: Relayed) -> None:
    """Send the client's own ciphertext back, which would open: both directions share a key."""
    answer = {"ct": json.loads(relayed.request)["ct"], "n": relayed.request_headers[NONCE_HEADER]}
    relayed.answer = json.dumps(answer).encode()


def truncated(relayed: Relayed) -> None:
    """End the stream before its sentinel, and HTTP's part of it as it should end."""
    relayed.answer = b"".join(frames(relayed.answer)[:-1])


def no_stream_nonce(relayed: Relayed) -> None:
    """Take the stream's base nonce away."""
    del relayed.headers[STREAM_NONCE_HEADER]


def reordered(relayed: Relayed) -> None:
    """Swap the second and the third chunk of the stream."""
    first, second, third, *rest = frames(relayed.answer)
    relayed.answer = b"".join([first, third, second, *rest])


def frames(stream: bytes) -> list[bytes]:
    """Split a stream into its frames, of which the last is the sentinel."""
    return [frame + b"\n\n" for frame in stream.split(b"\n\n")[:-1]]


Lie = Callable[[Relayed], None]
LIES_ON_JSON: dict[str, Lie] = {"tampered": tampered, "plaintext": plaintext, "reflected": reflected}
LIES_ON_STREAMS: dict[str, Lie] = {
    "truncated": truncated,
    "no-stream-nonce": no_stream_nonce,
    "reordered": reordered,
}
LIES = {f"{PREFIX}/{name}": lie for name, lie in (LIES_ON_JSON | LIES_ON_STREAMS).items()}
STALE_CLOCK = f"{PREFIX}/stale-clock"


async def four_chunks() -> StreamingResponse:
    """Stream what can be cut and shuffled."""
    return await chat(Chat(prompt="one two three four"))


for name in LIES_ON_JSON:
    routes.add_api_route(f"{PREFIX}/{name}", secure_data, methods=["POST"])
routes.add_api_route(STALE_CLOCK, secure_data, methods=["POST"])
for name in LIES_ON_STREAMS:
    routes.add_api_route(f"{PREFIX}/{name}", four_chunks, methods=["GET", "POST"])


class Liar:
    """Stands outside of the middleware, between honest applications and the network."""

    def __init__(self) -> None:
        store = MemorySessionStore()
        self.honest = create_app(store=store)
        # Its window reaches to the clock that is ahead; see on_time() for where it begins.
        self.honest_ahead = create_app(store=store, window_ms=AHEAD_MS + WINDOW_MS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        path = scope.get("path", "")
        clock_ms = int(time.time() * 1000) + (AHEAD_MS if path == STALE_CLOCK else 0)
        send = dated(send, clock_ms)
        if path == PREFIX:
            await JSONResponse([*LIES, STALE_CLOCK])(scope, receive, send)
        elif path in LIES:
            await lied(self.honest, LIES[path], scope, receive, send)
        elif path != STALE_CLOCK:
            await self.honest(scope, receive, send)
        elif on_time(scope, clock_ms):
            await self.honest_ahead(scope, receive, send)
        else:
            error = NenError("ISO-3003")
            await Response(error.to_json(), error.http_status, media_type=JSON_CONTENT_TYPE)(scope, receive, send)


def dated(send: Send, clock_ms: int) -> Send:
    """Give the answer the one Date header that it has."""

    async def send_dated(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Date"] = formatdate(clock_ms // 1000, usegmt=True)
        await send(message)

    return send_dated


def on_time(scope: Scope, clock_ms: int) -> bool:
    """Tell whether a request's timestamp agrees with a clock."""
    timestamp = Headers(scope=scope).get(TIMESTAMP_HEADER, "")
    return re.fullmatch(r"\d{1,15}", timestamp) is not None and abs(int(timestamp) - clock_ms) <= WINDOW_MS


async def lied(app: ASGIApp, lie: Lie, scope: Scope, receive: Receive, send: Send) -> None:
    """Let the application answer, and lie about it. A refusal goes through as it is."""
    request, answer = bytearray(), bytearray()
    start: Message = {}

    async def overhear() -> Message:
        message = await receive()
        request.extend(message.get("body", b""))
        return message

    async def hold_back(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        answer.extend(message.get("body", b""))

    await app(scope, overhear, hold_back)
    relayed = Relayed(Headers(scope=scope), bytes(request), MutableHeaders(scope=start), bytes(answer))
    if start["status"] == HTTPStatus.OK:
        lie(relayed)
        del relayed.headers["Content-Length"]
    await send(start)
    await send({"type": "http.response.body", "body": relayed.answer})


if __name__ == "__main__":
    serve(Liar(), date_header=False)
