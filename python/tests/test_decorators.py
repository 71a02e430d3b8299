"""Single endpoints under `with_nen` and `with_nen_stream`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

import nen
from nen.asgi import NenMiddleware, with_nen, with_nen_stream
from tests.conftest import Connect, Serve
from tests.peer import Peer


@with_nen
async def secure_data(request: Request, body: Any) -> Any:
    """Echo."""
    return {"message": "Securely processed", "received": body, "session": request.scope["nen"].session_id}


@with_nen
def in_a_thread(request: Request, body: Any) -> Any:
    return {"item": request.path_params["item"], "body": body, "main": threading.current_thread().name}


@with_nen
async def created(_: Request, body: Any) -> Response:
    return JSONResponse({"created": body}, 201, {"Location": "/notes/1"})


@with_nen
async def teapot(_: Request, __: Any) -> Any:
    raise HTTPException(418, "short and stout")


class OutOfTeaError(Exception):
    pass


@with_nen
async def out_of_tea(_: Request, __: Any) -> Any:
    raise OutOfTeaError


@with_nen
async def broken(_: Request, __: Any) -> Any:
    msg = "kaboom"
    raise LookupError(msg)


@with_nen_stream
async def chat(_: Request, body: Any) -> AsyncIterator[str]:
    async def tokens() -> AsyncIterator[str]:
        for word in body["prompt"].split():
            yield word + " "

    return tokens()


@with_nen_stream
async def generated(_: Request, __: Any) -> AsyncIterator[bytes]:
    yield b"\xff"
    yield b"__FIN__"


@with_nen_stream
def listed(_: Request, __: Any) -> list[str]:
    return ["one", "two"]


@with_nen_stream
async def refused(_: Request, __: Any) -> Response:
    return JSONResponse({"why": "no"}, 404)


@with_nen_stream
def no_stream(_: Request, __: Any) -> Any:
    return "one string is many chunks by accident"


async def plain(request: Request) -> Response:
    return JSONResponse({"nen": "nen" in request.scope})


async def no_tea(_: Request, __: Exception) -> Response:
    return JSONResponse({"tea": None}, 503)


ENDPOINTS: dict[str, Callable[..., Any]] = {
    "/secure-data": secure_data,
    "/items/{item}": in_a_thread,
    "/created": created,
    "/teapot": teapot,
    "/out-of-tea": out_of_tea,
    "/broken": broken,
    "/chat": chat,
    "/generated": generated,
    "/listed": listed,
    "/refused": refused,
    "/no-stream": no_stream,
    "/plain": plain,
}


def starlette(**options: Any) -> Starlette:
    routes = [Route(path, endpoint, methods=["GET", "POST"]) for path, endpoint in ENDPOINTS.items()]
    return Starlette(
        routes=[*routes, Mount("/mounted", routes=routes)],
        middleware=[Middleware(NenMiddleware, **options)],
        exception_handlers={OutOfTeaError: no_tea},
    )


def fastapi(**options: Any) -> FastAPI:
    app = FastAPI(exception_handlers={OutOfTeaError: no_tea})
    app.add_middleware(NenMiddleware, **options)
    for path, endpoint in ENDPOINTS.items():
        app.get(path)(endpoint)
        app.post(path, operation_id=path)(endpoint)
    mounted = FastAPI()
    mounted.post("/secure-data")(secure_data)
    app.mount("/mounted", mounted)
    return app


@pytest.fixture(params=[starlette, fastapi])
def url(request: pytest.FixtureRequest, serve: Serve) -> str:
    return serve(request.param(protect="decorated"))


@pytest.fixture
def peer(url: str, connect: Connect) -> Peer:
    return connect(url)


def test_the_handler_gets_the_opened_body_and_its_value_is_sealed(peer: Peer) -> None:
    expected = {"message": "Securely processed", "received": {"a": 1}, "session": peer.session.id}
    assert peer.fetch("POST", "/secure-data", {"a": 1}).value == expected
    assert peer.fetch("GET", "/secure-data").value == {**expected, "received": None}
    assert peer.fetch("POST", "/mounted/secure-data", {"a": 1}).value == expected


def test_an_endpoint_that_protects_itself_is_no_reason_to_warn(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    peer.fetch("POST", "/secure-data")
    assert [record for record in caplog.records if record.name == "nen"] == []


def test_a_plain_function_runs_in_a_thread_and_sees_the_path(peer: Peer) -> None:
    value = peer.fetch("POST", "/items/caf%C3%A9", 5).value
    assert (value["item"], value["body"]) == ("café", 5)
    assert value["main"].startswith("AnyIO")


def test_only_a_client_with_a_session_gets_through(url: str, connect: Connect) -> None:
    for method in ("GET", "POST"):
        for path in ENDPOINTS.keys() - {"/plain"}:
            answer = httpx.request(method, url + path.replace("{item}", "1"))
            assert answer.json()["error"]["code"] == "ISO-2003"
    peer = connect(url)
    _, request = peer.seal("POST", "/secure-data", b"{}")
    assert [peer.send(request).status_code for _ in range(2)] == [200, 409]


def test_an_endpoint_without_decorator_is_not_touched(url: str) -> None:
    assert httpx.get(url + "/plain").json() == {"nen": False}
    assert httpx.get(url + "/nowhere").status_code == 404


def test_a_response_keeps_status_and_headers(peer: Peer) -> None:
    answer = peer.fetch("POST", "/created", "x")
    assert (answer.status, answer.value) == (201, {"created": "x"})
    assert answer.response.headers["location"] == "/notes/1"


def test_exceptions_with_a_handler_are_sealed_with_its_status(peer: Peer) -> None:
    answer = peer.fetch("GET", "/teapot")
    assert answer.status == 418
    assert answer.value in ("short and stout", {"detail": "short and stout"})
    answer = peer.fetch("GET", "/out-of-tea")
    assert (answer.status, answer.value) == (503, {"tea": None})


def test_a_failure_is_told_without_its_cause(peer: Peer) -> None:
    _, request = peer.seal("GET", "/broken")
    response = peer.send(request)
    assert (response.status_code, response.json()["error"]["code"]) == (500, "ISO-9000")
    assert "kaboom" not in response.text


@pytest.mark.parametrize("text", [b"1" * 5_000, b"[" * 100_000 + b"]" * 100_000])
def test_json_that_python_cannot_read_is_refused_as_the_client_s_fault(peer: Peer, text: bytes) -> None:
    call, request = peer.seal("POST", "/secure-data", text)
    response = peer.send(request)
    assert response.status_code == 400
    outcome = call.open(peer.nen, response.status_code, None, response.content)
    assert outcome.kind == "answer"


def test_streams_of_every_kind(peer: Peer) -> None:
    for path, body, expected in [
        ("/chat", {"prompt": "one two"}, [b"one ", b"two "]),
        ("/generated", ..., [b"\xff", b"_", b"_FIN__"]),
        ("/listed", ..., [b"one", b"two"]),
    ]:
        with peer.stream("POST", path, body) as chunks:
            assert list(chunks) == expected


def test_what_is_no_stream(peer: Peer) -> None:
    answer = peer.fetch("POST", "/refused")
    assert (answer.status, answer.value) == (404, {"why": "no"})
    with pytest.raises(nen.InternalError, match="ISO-9000"):
        peer.fetch("POST", "/no-stream")


@pytest.mark.parametrize("make", [starlette, fastapi])
def test_on_a_path_that_is_protected_anyway(make: Any, serve: Serve, connect: Connect) -> None:
    peer = connect(serve(make()))
    assert peer.fetch("POST", "/secure-data", [1]).value["received"] == [1]
    assert peer.fetch("GET", "/teapot").status == 418
    with peer.stream("POST", "/chat", {"prompt": "x"}) as chunks:
        assert list(chunks) == [b"x "]
    assert peer.fetch("GET", "/plain").value == {"nen": True}


def test_around_an_application_that_sets_its_own_root_path(serve: Serve, connect: Connect) -> None:
    app = FastAPI()
    app.root_path = "/proxied"
    app.post("/secure-data")(secure_data)
    peer = connect(serve(NenMiddleware(app, protect="decorated", external_prefix="/proxied")))
    call = nen.Call("POST", "/proxied/secure-data")
    sealed = call.seal(peer.nen, b"[1]")
    response = peer.http.post("/secure-data", content=sealed.body, headers=sealed.headers)
    outcome = call.open(peer.nen, response.status_code, None, response.content)
    assert outcome.json is not None
    assert b'"received":[1]' in outcome.json


def test_without_the_middleware_it_says_what_to_add(serve: Serve) -> None:
    scope = {"type": "http", "method": "GET", "headers": []}
    with pytest.raises(RuntimeError, match=r"secure_data needs the middleware: app\.add_middleware"):
        asyncio.run(secure_data(Request(scope)))
    url = serve(Starlette(routes=[Route("/", secure_data)]))
    assert httpx.get(url).status_code == 500


@pytest.mark.parametrize("decorate", [with_nen, with_nen_stream])
@pytest.mark.parametrize("handler", [lambda _: None, lambda _, __, user="Depends(current_user)": user])
def test_a_handler_has_no_parameter_that_nobody_fills_in(decorate: Any, handler: Any) -> None:
    with pytest.raises(TypeError, match="a handler gets a request and a body"):
        decorate(handler)


def test_openapi_shows_the_handler_by_name_and_without_parameters() -> None:
    operation = fastapi(protect="decorated").openapi()["paths"]["/secure-data"]["get"]
    assert (operation["summary"], operation["description"]) == ("Secure Data", "Echo.")
    assert not operation.keys() & {"parameters", "requestBody"}


def test_a_middleware_between_may_wrap_the_request(serve: Serve, connect: Connect) -> None:
    app = fastapi()
    app.user_middleware.clear()

    @app.middleware("http")
    async def wrap(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-wrapped"] = "yes"
        return response

    app.add_middleware(NenMiddleware, protect="decorated")
    answer = connect(serve(app)).fetch("POST", "/secure-data", [1])
    assert answer.value["received"] == [1]
    assert answer.response.headers["x-wrapped"] == "yes"


def test_what_a_dependency_wants_done_afterwards_is_done_for_those_let_in(serve: Serve, connect: Connect) -> None:
    done: list[str] = []

    def later(tasks: BackgroundTasks, request: Request) -> None:
        tasks.add_task(done.append, request.query_params.get("by", ""))

    app = FastAPI()
    app.add_middleware(NenMiddleware, protect="decorated")
    app.post("/secure-data", dependencies=[Depends(later)])(secure_data)
    url = serve(app)
    assert httpx.post(f"{url}/secure-data?by=stranger").status_code == 401
    connect(url).fetch("POST", "/secure-data?by=peer", 1)
    assert done == ["peer"]


def test_a_dependency_that_reads_the_sealed_body_is_an_error(serve: Serve, connect: Connect) -> None:
    async def read(request: Request) -> None:
        await request.body()

    app = FastAPI()
    app.add_middleware(NenMiddleware, protect="decorated")
    app.post("/secure-data", dependencies=[Depends(read)])(secure_data)
    peer = connect(serve(app))
    _, request = peer.seal("POST", "/secure-data", b"1")
    assert peer.send(request).status_code == 500
