"""Which path is signed, and which paths are protected: mounts, proxies, and other spellings of a path."""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as connect_websocket

import nen
from nen._paths import address, path_rule
from nen.asgi import NenMiddleware
from tests.app import create_app, unprotected_app
from tests.conftest import Connect, Serve
from tests.inprocess import client_of


def assert_serves(url: str, connect: Connect, root: str = "") -> None:
    """Check a whole exchange below a root path."""
    peer = connect(url, prefix=f"{root}/api/nen")
    assert peer.fetch("POST", f"{root}/api/secure-data", [1]).value["received"] == [1]
    assert peer.fetch("GET", f"{root}/api/notes/caf%C3%A9%20au%20lait").value == {"id": "café au lait"}
    assert peer.status() is True
    with peer.stream("GET", f"{root}/api/chat") as chunks:
        assert b"".join(chunks) == b"secure streaming works "


@pytest.mark.parametrize("http", ["h11", "auto"])
def test_at_the_root(serve: Serve, connect: Connect, http: str) -> None:
    assert_serves(serve(create_app(protect=["/api/*"]), http=http), connect)


def test_everything_is_protected_by_default(serve: Serve, connect: Connect) -> None:
    url = serve(create_app())
    assert_serves(url, connect)
    for path in ("/docs", "/openapi.json", "/", "/plain/secure-data", "//api/nen/handshake", "/api/nen"):
        assert httpx.get(url + path).json()["error"]["code"] == "ISO-2003"


def test_around_the_whole_application(serve: Serve, connect: Connect) -> None:
    url = serve(NenMiddleware(unprotected_app(), protect=["/api/*"]))
    assert_serves(url, connect)
    peer = connect(url)
    with pytest.raises(nen.InternalError, match="ISO-9000"):
        peer.fetch("POST", "/api/boom")


def test_mounted_under_a_path(serve: Serve, connect: Connect) -> None:
    app = Starlette(routes=[Mount("/one", Starlette(routes=[Mount("/two", create_app(protect=["/api/*"]))]))])
    assert_serves(serve(app), connect, "/one/two")


def test_mounted_under_a_path_that_is_encoded(serve: Serve, connect: Connect) -> None:
    app = FastAPI()
    app.mount("/café au", create_app(protect=["/api/*"]))
    url = serve(app)
    assert_serves(url, connect, "/caf%C3%A9%20au")
    assert_serves(url, connect, "/caf%c3%a9%20au")


class Stripping(httpx.BaseTransport):
    """A proxy that takes a prefix off the path, as its configuration says."""

    def __init__(self, prefix: bytes) -> None:
        self.prefix = prefix
        self.transport = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raw = request.url.raw_path
        assert raw.startswith(self.prefix)
        request.url = request.url.copy_with(raw_path=raw.removeprefix(self.prefix))
        return self.transport.handle_request(request)

    def close(self) -> None:
        self.transport.close()


def only_telling_its_root(app: Any, root_path: str) -> Any:
    """Serve as some servers do: ``root_path`` is told, and the paths do not begin with it."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "root_path": root_path}, receive, send)

    return serve


@pytest.mark.parametrize("told_by", ["the server", "the server in part", "the option"])
def test_behind_a_proxy_that_strips_a_prefix(serve: Serve, connect: Connect, told_by: str) -> None:
    if told_by == "the server":
        url = serve(create_app(protect=["/api/*"]), root_path="/proxied")
    elif told_by == "the server in part":
        url = serve(only_telling_its_root(create_app(protect=["/api/*"]), "/proxied"))
    else:
        url = serve(create_app(protect=["/api/*"], external_prefix="/proxied"))
    peer = connect(url, handshake=False, prefix="/proxied/api/nen")
    peer.http.close()
    peer.http = httpx.Client(base_url=url, transport=Stripping(b"/proxied"))
    peer.handshake()
    assert peer.fetch("POST", "/proxied/api/secure-data", [1]).value["received"] == [1]
    assert peer.status() is True
    _, request = peer.seal("GET", "/api/secure-data")
    answer = httpx.get(url + "/api/secure-data", headers=request.headers)
    assert answer.json()["error"]["code"] == "ISO-3002"


def test_another_prefix(serve: Serve, connect: Connect) -> None:
    peer = connect(serve(create_app(prefix="/keys")), prefix="/keys")
    assert peer.fetch("GET", "/api/secure-data").status == 200


SPELLINGS = [
    "/api/secure-data",
    "/%61pi/secure-data",
    "/api/secure%2Ddata",
    "/api/secure-data%0A",
    "/api/secure-data/",
    "/api//secure-data",
    "//api/secure-data",
    "/api/%2Fsecure-data",
    "/api/secure-data?x",
    "/api/secure-data%3Fx/..",
    "/api/secure-data;v=1",
    "/api/./secure-data",
]


@pytest.mark.parametrize("protect", [["/api/secure-data"], ["/api/*"], lambda path: path == "/api/secure-data", None])
def test_no_spelling_of_a_protected_path_gets_through(serve: Serve, protect: Any) -> None:
    url = serve(create_app(protect=protect))
    for spelling in SPELLINGS:
        answer = httpx.post(httpx.URL(url, raw_path=spelling.encode()), json={"secret": 1})
        assert "Securely processed" not in answer.text, spelling
        assert answer.status_code in (307, 401, 404), spelling


def test_the_router_would_take_some_of_these_spellings(serve: Serve) -> None:
    url = serve(unprotected_app())
    taken = [s for s in SPELLINGS if httpx.post(httpx.URL(url, raw_path=s.encode()), json={}).status_code == 200]
    assert {"/%61pi/secure-data", "/api/secure%2Ddata", "/api/secure-data%0A"} <= set(taken)


@pytest.mark.parametrize(
    ("patterns", "protected", "open_paths"),
    [
        (["/api/*"], ["/api", "/api/", "/api/x", "/api/x/y", "//api/x", "/x\n"], ["/", "/apix", "/x/api/y"]),
        (["/api/x"], ["/api/x", "/api/x/", "/api//x", "/api/x\n"], ["/api", "/api/x/y", "/api/X"]),
        (["/api/x/"], ["/api/x", "/api/x/", "/api//x"], ["/api", "/api/x/y"]),
        (["/*/x/*"], ["/a/x", "/a/x/", "/a/b/x/c", "/x/x"], ["/a", "/a/b"]),
        (["*.json"], ["/a.json", "/a/b.json/"], ["/a.jsonx", "/json"]),
        (["*"], ["/", "/x", "/x/y"], []),
        (["/a/*/c", "/b"], ["/a/b/c", "/a/b/b/c", "/b"], ["/a/c", "/a/b", "/a/b/c/d"]),
        (["/a.c"], ["/a.c"], ["/abc"]),
    ],
)
def test_patterns(patterns: list[str], protected: list[str], open_paths: list[str]) -> None:
    rule = path_rule(patterns)
    assert [path for path in protected if not rule(path)] == []
    assert [path for path in open_paths if rule(path)] == []


@pytest.mark.parametrize(
    ("protect", "error"),
    [
        ("/api/*", TypeError),
        (b"/api/*", TypeError),
        (re.compile("/api/"), TypeError),
        ([], ValueError),
        (["api/*"], ValueError),
    ],
)
def test_a_rule_that_cannot_be_meant(protect: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="protect"):
        NenMiddleware(unprotected_app(), protect=protect)


@pytest.mark.parametrize("options", [{"external_prefix": "proxied"}, {"external_prefix": "/é"}, {"max_body": 0}])
def test_options_are_checked_when_the_middleware_is_made(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - that it is one is the contract
        NenMiddleware(unprotected_app(), **options)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"path": "/a b", "raw_path": b"/a%20b"}, ("/a b", b"/a%20b", b"/a%20b")),
        ({"path": "/r/a", "raw_path": b"/r/a", "root_path": "/r"}, ("/a", b"/a", b"/r/a")),
        ({"path": "/a", "raw_path": b"/a", "root_path": "/r"}, ("/a", b"/a", b"/r/a")),
        ({"path": "/rest", "raw_path": b"/rest", "root_path": "/r"}, ("/rest", b"/rest", b"/r/rest")),
        ({"path": "/r", "raw_path": b"/r", "root_path": "/r/"}, ("/", b"/", b"/r")),
        ({"path": "/é/x", "raw_path": b"/%c3%a9/x", "root_path": "/é"}, ("/x", b"/x", b"/%c3%a9/x")),
        # A server that does not tell the raw path: only what has one spelling is taken.
        ({"path": "/a-b.c_d~e/1"}, ("/a-b.c_d~e/1", b"/a-b.c_d~e/1", b"/a-b.c_d~e/1")),
        ({"path": "/a b", "raw_path": None}, ("/a b", b"/", b"")),
        ({"path": "/caf\u00e9"}, ("/café", b"/", b"")),
    ],
)
def test_addresses(scope: dict[str, Any], expected: tuple[str, bytes, bytes]) -> None:
    found = address(scope, b"")
    assert (found.path, found.target, found.signed) == expected
    assert found.path == found.readings[0]


@pytest.mark.parametrize("path", ["/zzz/app/api/secret", "http://h/api/secret", "api/secret", "/app/api/secret"])
def test_a_path_that_routers_read_differently_is_protected(path: str) -> None:
    rule = path_rule(["/api/*"])
    assert any(map(rule, address({"path": path, "root_path": "/app"}, b"").readings))


@pytest.mark.filterwarnings("ignore::fastapi.exceptions.FastAPIDeprecationWarning")
def test_an_application_with_a_root_path_of_its_own_must_be_wrapped_from_inside() -> None:
    with pytest.raises(ValueError, match="add_middleware"):
        NenMiddleware(FastAPI(root_path="/v1"), protect=["/api/*"])
    FastAPI(root_path="/v1").add_middleware(NenMiddleware, protect=["/api/*"])
    NenMiddleware(FastAPI(root_path="/v1"))


def test_a_fragment_is_no_way_to_another_path(serve: Serve, connect: Connect) -> None:
    peer = connect(serve(create_app(protect=["/api/*"]), http="h11"))
    for target, status in (("/api/notes/1", 200), ("/api/notes/1#2", 401), ("/api/notes/1%232", 401)):
        _, request = peer.seal("GET", "/api/notes/1")
        connection = HTTPConnection(peer.http.base_url.host, peer.http.base_url.port, timeout=10)
        with closing(connection):
            connection.request("GET", target, headers=dict(request.headers))
            assert connection.getresponse().status == status, target


def test_matching_takes_time_linear_in_the_path() -> None:
    rule = path_rule(["/tenants/*/projects/*/files/*/raw"])
    path = "/tenants/" + "/projects//files/" * 20_000
    started = time.monotonic()
    assert not rule(path)
    assert rule("/tenants/1/projects/2/files/3/raw")
    assert time.monotonic() - started < 1


def test_a_server_without_a_raw_path_lets_no_guessed_path_through() -> None:
    sent: list[Any] = []

    async def call(path: str) -> int:
        sent.clear()
        world = nen.MemorySessionStore()
        middleware = NenMiddleware(unprotected_app(), store=world)
        headers = nen.Call("GET", path).seal(client_of(world)).headers

        async def receive() -> Any:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/api/notes/a b" if "%" in path else path,
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        }
        await middleware(scope, receive, send)
        return int(sent[0]["status"])

    assert asyncio.run(call("/api/notes/a")) == 200
    assert asyncio.run(call("/api/notes/a%20b")) == 401
    assert json.loads(sent[1]["body"])["error"]["code"] == "ISO-3002"


def test_websockets_pass_where_nothing_is_protected_and_are_refused_elsewhere(serve: Serve) -> None:
    url = serve(create_app(protect=["/api/*"])).replace("http", "ws")
    with connect_websocket(f"{url}/plain/socket") as socket:
        socket.send("hello")
        assert socket.recv() == "hello"
    with pytest.raises(InvalidStatus) as caught:
        connect_websocket(f"{url}/api/socket")
    assert caught.value.response.status_code == 403


def test_the_lifespan_reaches_the_application(serve: Serve) -> None:
    app = create_app()
    assert app.state.started is False
    serve(app)
    assert app.state.started is True
