from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, abort, g, jsonify, redirect, request, stream_with_context
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from nen.wsgi import NenMiddleware
from tests.app import ANY_METHOD, KABOOM, Gate

app = Flask(__name__)
gate = Gate()


@app.before_request
def remember_the_caller() -> None:
    g.peer = request.environ.get("nen")


@app.errorhandler(HTTPException)
def as_json(error: HTTPException) -> ResponseReturnValue:
    return {"detail": error.name}, error.code or 500


@app.route("/api/secure-data", methods=ANY_METHOD)
@app.route("/plain/secure-data", methods=ANY_METHOD)
def secure_data() -> Response:
    return jsonify(received=request.get_json() if request.content_length else None, nen=g.peer is not None)


@app.get("/api/notes/<note>")
def notes(note: str) -> dict[str, str]:
    return {"id": note}


@app.post("/api/created")
def created() -> tuple[dict[str, Any], int, dict[str, str]]:
    return {"created": request.json}, 201, {"Location": "/api/notes/1", "ETag": '"1"'}


@app.post("/api/whoami")
def whoami() -> dict[str, str]:
    return {"session": g.peer.session_id}


@app.delete("/api/nothing")
def nothing() -> tuple[str, int]:
    return "", 204


@app.get("/api/moved")
def moved() -> BaseResponse:
    return redirect("/api/secure-data")


@app.get("/api/teapot")
def teapot() -> ResponseReturnValue:
    abort(418)


@app.post("/api/boom")
def boom() -> ResponseReturnValue:
    raise RuntimeError(KABOOM)


@app.get("/api/gated")
def gated() -> Response:
    def chunks() -> Iterator[str]:
        yield "first"
        gate.open.wait(10)
        assert g.peer is not None, "the context of the request ended before its stream"
        yield "second"

    return Response(stream_with_context(chunks()), mimetype="text/event-stream")


@app.get("/api/broken-stream")
def broken_stream() -> Response:
    def chunks() -> Iterator[str]:
        yield "so far so good"
        raise RuntimeError(KABOOM)

    return Response(chunks(), mimetype="text/event-stream")


@app.get("/api/endless")
def endless() -> Response:
    def chunks() -> Iterator[str]:
        try:
            while True:
                yield "on and on"
                time.sleep(0.01)
        finally:
            gate.ended.set()

    return Response(chunks(), mimetype="text/event-stream")


@app.post("/plain/open")
def open_gate() -> dict[str, bool]:
    gate.open.set()
    return {}


@app.get("/plain/ended")
def ended() -> dict[str, bool]:
    return {"ended": gate.ended.wait(5)}


app.wsgi_app = NenMiddleware(app.wsgi_app, protect=["/api/*"])  # type: ignore[method-assign]
