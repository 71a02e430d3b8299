from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from litestar import HttpMethod, Litestar, Request, Response, delete, get, post, route
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath, JSONBody
from litestar.response import Redirect, Stream

from nen.asgi import NenMiddleware, Peer
from tests.app import KABOOM, Gate

gate = Gate()
ANY_METHOD = [HttpMethod.GET, HttpMethod.HEAD, HttpMethod.POST, HttpMethod.PUT, HttpMethod.PATCH, HttpMethod.DELETE]


async def caller(request: Request[Any, Any, Any]) -> Peer:
    """Depend on who sent a protected request."""
    peer = request.scope["nen"]  # type: ignore[typeddict-item]
    assert isinstance(peer, Peer)
    return peer


@route(["/api/secure-data", "/plain/secure-data"], http_method=ANY_METHOD, status_code=200)
async def secure_data(request: Request[Any, Any, Any]) -> dict[str, Any]:
    received = await request.json() if await request.body() else None
    return {"received": received, "nen": "nen" in request.scope}


@get("/api/notes/{note:str}")
async def notes(note: FromPath[str]) -> dict[str, str]:
    return {"id": note}


@post("/api/created")
async def created(data: JSONBody[Any]) -> Response[Any]:
    return Response({"created": data}, status_code=201, headers={"Location": "/api/notes/1", "ETag": '"1"'})


@post("/api/whoami", dependencies={"peer": Provide(caller)})
async def whoami(peer: NamedDependency[Peer]) -> dict[str, str]:
    return {"session": peer.session_id}


@delete("/api/nothing")
async def nothing() -> None:
    return None


@get("/api/moved", status_code=302)
async def moved() -> Redirect:
    return Redirect("/api/secure-data")


@get("/api/teapot")
async def teapot() -> None:
    raise HTTPException(status_code=418, detail="I'm a teapot")


@post("/api/boom")
async def boom() -> None:
    raise RuntimeError(KABOOM)


@get("/api/gated")
async def gated() -> Stream:
    async def chunks() -> AsyncIterator[str]:
        yield "first"
        await asyncio.to_thread(gate.open.wait, 10)
        yield "second"

    return Stream(chunks(), media_type="text/event-stream")


@get("/api/broken-stream")
async def broken_stream() -> Stream:
    async def chunks() -> AsyncIterator[str]:
        yield "so far so good"
        raise RuntimeError(KABOOM)

    return Stream(chunks(), media_type="text/event-stream")


@get("/api/endless")
async def endless() -> Stream:
    async def chunks() -> AsyncIterator[str]:
        try:
            while True:
                yield "on and on"
                await asyncio.sleep(0.01)
        finally:
            gate.ended.set()

    return Stream(chunks(), media_type="text/event-stream")


@post("/plain/open")
async def open_gate() -> dict[str, bool]:
    gate.open.set()
    return {}


@get("/plain/ended")
async def ended() -> dict[str, bool]:
    return {"ended": await asyncio.to_thread(gate.ended.wait, 5)}


handlers = [secure_data, notes, created, whoami, nothing, moved, teapot, boom]
handlers += [gated, broken_stream, endless, open_gate, ended]
app = NenMiddleware(Litestar(handlers, logging_config=None), protect=["/api/*"])  # type: ignore[arg-type]
