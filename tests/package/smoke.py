"""What the installed package must do where nothing else is installed: both endpoints of a session, in one process."""
# ruff: noqa: ANN401, INP001, S101 - a test, and a script

import asyncio
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import nen
from nen.asgi import NenMiddleware

SECRET = b'{"secret":1}'


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Echo the plain body that the middleware opened."""
    assert scope["path"] == "/api/echo"
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": message["body"]})


def post(app: Any, path: str, headers: list[tuple[str, str]], body: bytes) -> tuple[int, bytes]:
    """Send a request the way an ASGI server does, and return the status and the body of the answer."""
    sent: list[Any] = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def main() -> None:
    """Shake hands, exchange JSON, replay, and stream."""
    app, client = NenMiddleware(application), nen.Client(identity=nen.Identity.generate())
    handshake = client.handshake()
    session = client.establish(handshake, *post(app, "/api/nen/handshake", [], handshake.body))

    call = nen.Call("POST", "/api/echo")
    request = call.seal(client, SECRET)
    assert request.body is not None
    assert b"secret" not in request.body
    status, answer = post(app, "/api/echo", request.headers, request.body)
    assert b"secret" not in answer
    outcome = call.open(client, status, None, answer)
    assert (outcome.kind, outcome.json) == ("answer", SECRET)

    status, answer = post(app, "/api/echo", request.headers, request.body)
    error = nen.NenError("ISO-5001")
    assert (status, json.loads(answer)["error"]["code"]) == (error.http_status, error.code)

    sealer = nen.StreamSealer(session)
    opener = nen.StreamOpener(session, sealer.nonce_header)
    opener.push(sealer.seal(b"one ") + sealer.seal(b"two") + sealer.finish())
    assert [opener.next_chunk(), opener.next_chunk(), opener.next_chunk()] == [b"one ", b"two", None]
    opener.end()

    distributions = {distribution.name for distribution in importlib.metadata.distributions()}
    assert distributions <= {"nen", "pip", "setuptools"}, distributions
    assert importlib.metadata.version("nen") == nen.__version__
    assert "site-packages" in Path(nen.__file__).parts


main()
