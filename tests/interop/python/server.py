"""The Python interop server: FastAPI on uvicorn, protected the way the documentation says."""  # noqa: INP001 - a program, not a package

import asyncio
import logging
import os
import socket
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Annotated, Any

import uvicorn
from fastapi import Body, FastAPI, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from nen.asgi import NenMiddleware

ANY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

app = FastAPI()
app.add_middleware(NenMiddleware, protect=["/api/*"])

Json = Annotated[Any, Body()]


@app.api_route("/api/secure-data", methods=ANY_METHOD, include_in_schema=False)
@app.post("/plain/secure-data")
async def secure_data(body: Json = None) -> dict[str, Any]:
    """Answer with what was received."""
    return {"message": "Securely processed", "received": body}


@app.get("/api/notes/{note}")
async def notes(note: str) -> dict[str, str]:
    """Answer with the decoded last part of the path."""
    return {"id": note}


@app.post("/api/created", status_code=201)
async def created(body: Json = None) -> dict[str, Any]:
    """Answer with a status of its own."""
    return {"created": body}


@app.post("/api/boom")
async def boom() -> None:
    """Fail."""
    msg = "kaboom"
    raise RuntimeError(msg)


@app.post("/api/whoami")
async def whoami(request: Request) -> dict[str, str | None]:
    """Answer with the client's verified identity."""
    identity = request.scope["nen"].identity
    return {"identity": identity and b64encode(identity.spki).decode()}


class Chat(BaseModel):
    """What to stream, and how."""

    prompt: str = "secure streaming works"
    exact: bool = False
    delayMs: int = 0  # noqa: N815 - the name on the wire


@app.api_route("/api/chat", methods=["GET", "POST"], include_in_schema=False)
async def chat(body: Chat | None = None) -> StreamingResponse:
    """Stream the words of a prompt, one chunk each."""
    wish = body or Chat()

    async def words() -> AsyncIterator[str]:
        for number, word in enumerate(wish.prompt.split()):
            if number:
                await asyncio.sleep(wish.delayMs / 1000)
            yield word if wish.exact else word + " "

    return StreamingResponse(words(), media_type="text/event-stream")


class Server(uvicorn.Server):
    """Says on standard output where it listens, once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        for listener in sockets or ():
            print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    listening = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "0"))))
    Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)).run([listening])
