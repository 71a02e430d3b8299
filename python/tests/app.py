"""The application that the tests protect: FastAPI, as its users write it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, HTTPException, Request, Response, WebSocket
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel

from nen import RedisSessionStore
from nen.asgi import NenMiddleware, Peer

ANY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
KABOOM = "kaboom"


class Item(BaseModel):
    """What a shop sells."""

    name: str
    price: float = 1.0


class Gate:
    """Lets a test decide when the next chunk of a stream is made, and see that its generator has ended."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.ended = threading.Event()


def caller(request: Request) -> Peer:
    """Depend on who sent a protected request."""
    peer = request.scope["nen"]
    assert isinstance(peer, Peer)
    return peer


def create_app(**options: Any) -> FastAPI:
    """Make the application, protected with these options of the middleware."""
    app = unprotected_app()
    app.add_middleware(NenMiddleware, **options)
    return app


def app_on(client: Any, **options: Any) -> Any:
    """Make an application with its sessions in Redis, which closes the client when it shuts down."""
    app = create_app(protect=["/api/*"], store=RedisSessionStore(client), **options)

    async def closing(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)
        if scope["type"] == "lifespan":
            await client.aclose() if hasattr(client, "aclose") else client.close()

    return closing


def unprotected_app(**options: Any) -> FastAPI:  # noqa: C901, PLR0915 - a list of routes
    """Make the application without nen."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.started = True
        yield

    app = FastAPI(lifespan=lifespan, **options)
    app.state.started = False
    app.state.gate = Gate()

    @app.api_route("/api/secure-data", methods=ANY_METHOD, include_in_schema=False)
    async def secure_data(body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return {"message": "Securely processed", "received": body}

    @app.get("/api/notes/{note}")
    async def notes(note: str) -> dict[str, str]:
        return {"id": note}

    @app.post("/api/created", status_code=201)
    async def created(body: Annotated[Any, Body()], response: Response) -> dict[str, Any]:
        response.headers["Location"] = "/api/notes/1"
        response.headers["ETag"] = '"1"'
        response.headers["X-Accel-Redirect"] = "/plain-file"
        response.headers["Cache-Control"] = "public, max-age=60"
        return {"created": body}

    @app.post("/api/whoami")
    async def whoami(peer: Annotated[Peer, Depends(caller)]) -> dict[str, Any]:
        identity = peer.identity and peer.identity.spki.hex()
        return {"session": peer.session_id, "identity": identity, "protocol": peer.protocol}

    @app.post("/api/items")
    async def items(item: Item) -> Item:
        return item

    @app.post("/api/request")
    async def request_as_seen(request: Request) -> dict[str, Any]:
        body = await request.body()
        return {"headers": dict(request.headers), "length": len(body), "extensions": list(request["extensions"])}

    @app.post("/api/boom")
    async def boom() -> None:
        raise RuntimeError(KABOOM)

    @app.delete("/api/nothing", status_code=204)
    async def nothing() -> None:
        return None

    @app.get("/api/teapot")
    async def teapot() -> None:
        raise HTTPException(418, detail={"reason": "teapot"})

    @app.get("/api/moved")
    async def moved() -> RedirectResponse:
        return RedirectResponse("/api/secure-data")

    @app.get("/api/plain-404", response_class=PlainTextResponse)
    async def plain_404() -> PlainTextResponse:
        return PlainTextResponse("no such thing", status_code=404)

    @app.get("/api/html-500", response_class=HTMLResponse)
    async def html_500() -> HTMLResponse:
        return HTMLResponse(KABOOM, status_code=500)

    @app.get("/api/not-modified")
    async def not_modified() -> Response:
        return Response(status_code=304)

    @app.get("/api/packed")
    async def packed() -> Response:
        return Response(b"\x1f\x8b", media_type="application/json", headers={"Content-Encoding": "gzip"})

    @app.get("/api/file", response_class=FileResponse)
    async def file() -> FileResponse:
        return FileResponse(Path(__file__), filename="app.py")

    @app.api_route("/api/chat", methods=["GET", "HEAD", "POST"], include_in_schema=False)
    async def chat(prompt: Annotated[str, Body(embed=True)] = "secure streaming works") -> StreamingResponse:
        async def words() -> AsyncIterator[str]:
            for word in prompt.split():
                yield word + " "

        return StreamingResponse(words(), media_type="text/event-stream")

    @app.get("/api/tokens")
    async def tokens() -> StreamingResponse:
        return StreamingResponse(iter([b"a", b"", b"__FIN__", b"\xff"]))

    @app.get("/api/split")
    async def split() -> StreamingResponse:
        return StreamingResponse(iter([b"a", b"\xc3", b"\xa9!", b"\xc3"]))

    @app.get("/api/gated")
    async def gated() -> StreamingResponse:
        gate: Gate = app.state.gate

        async def chunks() -> AsyncIterator[str]:
            yield "first"
            await asyncio.to_thread(gate.open.wait, 10)
            yield "second"

        return StreamingResponse(chunks(), media_type="text/event-stream")

    @app.get("/api/endless")
    async def endless() -> StreamingResponse:
        gate: Gate = app.state.gate

        async def chunks() -> AsyncIterator[str]:
            try:
                while True:
                    yield "on and on"
                    await asyncio.sleep(0.01)
            finally:
                gate.ended.set()

        return StreamingResponse(chunks(), media_type="text/event-stream")

    @app.get("/api/broken-stream")
    async def broken_stream() -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            yield "so far so good"
            raise RuntimeError(KABOOM)

        return StreamingResponse(chunks(), media_type="text/event-stream")

    @app.websocket("/api/socket")
    @app.websocket("/plain/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    @app.api_route("/plain/secure-data", methods=ANY_METHOD, include_in_schema=False)
    async def plain(request: Request, body: Annotated[Any, Body()] = None) -> dict[str, Any]:
        return {"message": "Plainly processed", "received": body, "nen": "nen" in request.scope}

    return app
