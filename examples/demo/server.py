"""The demo's server: an ordinary FastAPI application behind NenMiddleware."""  # noqa: INP001 - a program, not a package

import asyncio
import json
import logging
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from nen.asgi import NenMiddleware

app = FastAPI()
app.add_middleware(NenMiddleware, protect=["/api/*"])


def show(event: str, value: object) -> None:
    """Tell the demo what the handler has in its hands."""
    sys.stdout.write(json.dumps({"event": event, "value": value}) + "\n")
    sys.stdout.flush()


class ShowLog(logging.Handler):
    """Hand the log to the demo. Causes and hints stand here and are never sent to a client."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        show("log", record.getMessage())


logging.getLogger("nen").addHandler(ShowLog(logging.WARNING))


@app.post("/api/secure-data")
async def echo(body: dict[str, Any]) -> dict[str, Any]:
    """Answer with what was received."""
    show("received", body)
    return {"message": "Securely processed", "received": body}


@app.get("/api/secure-data")
async def read() -> dict[str, Any]:
    """Answer a request without a body."""
    return {"message": "Securely read", "balance": 1840}


@app.post("/api/chat")
async def chat(body: dict[str, str]) -> StreamingResponse:
    """Answer word by word, as a language model would."""

    async def words() -> AsyncIterator[str]:
        for word in body["prompt"].split():
            yield word + " "
            await asyncio.sleep(0.15)

    return StreamingResponse(words(), media_type="text/event-stream")


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    show("listening", listener.getsockname()[1])
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
