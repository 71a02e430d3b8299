"""The Python interop server: FastAPI on uvicorn, protected the way the documentation says."""  # noqa: INP001 - a program, not a package

import asyncio
import logging
import os
import socket
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

import redis.asyncio
import uvicorn
from fastapi import APIRouter, Body, FastAPI, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from starlette.types import ASGIApp

from nen import RedisSessionStore, SessionStore
from nen.asgi import NenMiddleware

ANY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

routes = APIRouter()

Json = Annotated[Any, Body()]


@routes.api_route("/api/secure-data", methods=ANY_METHOD, include_in_schema=False)
@routes.post("/plain/secure-data")
async def secure_data(body: Json = None) -> dict[str, Any]:
    """Answer with what was received."""
    return {"message": "Securely processed", "received": body}


@routes.get("/api/notes/{note}")
async def notes(note: str) -> dict[str, str]:
    """Answer with the decoded last part of the path."""
    return {"id": note}


@routes.post("/api/created", status_code=201)
async def created(body: Json = None) -> dict[str, Any]:
    """Answer with a status of its own."""
    return {"created": body}


@routes.post("/api/boom")
async def boom() -> None:
    """Fail."""
    msg = "kaboom"
    raise RuntimeError(msg)


@routes.post("/api/whoami")
async def whoami(request: Request) -> dict[str, str | None]:
    """Answer with the client's verified identity."""
    identity = request.scope["nen"].identity
    return {"identity": identity and b64encode(identity.spki).decode()}


class Chat(BaseModel):
    """What to stream, and how."""

    prompt: str = "secure streaming works"
    exact: bool = False
    delayMs: int = 0  # noqa: N815 - the name on the wire


@routes.api_route("/api/chat", methods=["GET", "POST"], include_in_schema=False)
async def chat(body: Chat | None = None) -> StreamingResponse:
    """Stream the words of a prompt, one chunk each."""
    wish = body or Chat()

    async def words() -> AsyncIterator[str]:
        for number, word in enumerate(wish.prompt.split()):
            if number:
                await asyncio.sleep(wish.delayMs / 1000)
            yield word if wish.exact else word + " "

    return StreamingResponse(words(), media_type="text/event-stream")


def create_app(
    *, store: SessionStore | None = None, store_keys: Sequence[str] = ("plain",), window_ms: int | None = None
) -> FastAPI:
    """Make the application, protected with these options of the middleware."""
    app = FastAPI()
    app.include_router(routes)
    app.add_middleware(NenMiddleware, protect=["/api/*"], store=store, store_keys=store_keys, window_ms=window_ms)
    return app


def shared_store() -> SessionStore | None:
    """Find the Redis that servers share, if there is one."""
    url = os.environ.get("NEN_REDIS_URL")
    return RedisSessionStore(redis.asyncio.Redis.from_url(url, retry=Retry(NoBackoff(), 1))) if url else None


def shared_store_keys() -> list[str]:
    """Find the keys under which the servers seal what they keep there."""
    return os.environ.get("NEN_STORE_KEYS", "plain").split(",")


class Server(uvicorn.Server):
    """Says on standard output where it listens, once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        for listener in sockets or ():
            print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201


def serve(app: ASGIApp, *, date_header: bool = True) -> None:
    """Serve an application the way that every server among the peers does."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    listening = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "0"))))
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1, date_header=date_header)
    Server(config).run([listening])


if __name__ == "__main__":
    serve(create_app(store=shared_store(), store_keys=shared_store_keys()))
