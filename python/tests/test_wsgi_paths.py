"""Which path of a WSGI request is signed, and which is protected: servers, mounts, proxies."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
import pytest
from flask import Flask, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

import nen
from nen._paths import address, path_rule, wsgi_scope
from nen.wsgi import NenMiddleware
from tests.conftest import Connect
from tests.servers import on_waitress, on_werkzeug


def notes(**options: Any) -> Flask:
    """An application of one route."""
    app = Flask(__name__)

    @app.get("/api/notes/<note>")
    def note(note: str) -> dict[str, Any]:
        return {"id": note, "mount": request.script_root}

    app.wsgi_app = NenMiddleware(app.wsgi_app, **options)  # type: ignore[method-assign]
    return app


def assert_serves(url: str, connect: Connect, root: str) -> None:
    peer = connect(url, prefix=f"{root}/api/nen")
    assert peer.fetch("GET", f"{root}/api/notes/caf%C3%A9%20au%20lait").value["id"] == "café au lait"
    assert peer.status() is True


@pytest.mark.parametrize("root", ["/one", "/caf%C3%A9%20au", "/caf%c3%a9%20au"])
@pytest.mark.parametrize("serve", [on_werkzeug, on_waitress])
def test_mounted_under_a_path(serve: Any, connect: Connect, root: str) -> None:
    mount = unquote_to_bytes(root).decode("latin-1")
    with serve(DispatcherMiddleware(Flask("outer"), {mount: notes(protect=["/api/*"])})) as url:
        assert_serves(url, connect, root)


def test_around_mounts(connect: Connect) -> None:
    inner = notes(protect=["/none"]).wsgi_app.app  # type: ignore[attr-defined]
    whole = NenMiddleware(DispatcherMiddleware(Flask("outer"), {"/one": inner}), protect=["/one/api/*"])
    with on_werkzeug(whole) as url:
        peer = connect(url)
        assert peer.fetch("GET", "/one/api/notes/1").value == {"id": "1", "mount": "/one"}
        assert httpx.get(f"{url}/one/api/notes/1").json()["error"]["code"] == "ISO-2003"


@pytest.mark.parametrize("told_by", ["the proxy", "the option"])
def test_behind_a_proxy_that_strips_a_prefix(connect: Connect, told_by: str) -> None:
    by_option = notes(protect=["/api/*"], external_prefix="/proxied")
    by_proxy = ProxyFix(notes(protect=["/api/*"]), x_prefix=1)
    with on_werkzeug(by_proxy if told_by == "the proxy" else by_option) as url:
        peer = connect(url, handshake=False)
        peer.http.headers["X-Forwarded-Prefix"] = "/proxied"
        peer.handshake()
        headers = nen.Call("GET", "/proxied/api/notes/1").seal(peer.nen).headers
        assert peer.http.get("/api/notes/1", headers=headers).status_code == 200
        headers = nen.Call("GET", "/api/notes/1").seal(peer.nen).headers
        assert peer.http.get("/api/notes/1", headers=headers).json()["error"]["code"] == "ISO-3002"


@pytest.mark.parametrize("serve", [on_werkzeug, on_waitress])
def test_the_absolute_form_of_a_target(serve: Any, connect: Connect) -> None:
    with serve(notes()) as url:
        peer = connect(url)
        for target, status in [
            ("http://test/api/notes/1", 200),
            ("HTTPS://test:1/api/notes/1?x#y", 200),
            ("http://test#/api/notes/1", 401),
            ("http://test?/api/notes/1", 401),
            ("/api/notes/1#2", 401),
        ]:
            headers = dict(nen.Call("GET", "/api/notes/1").seal(peer.nen).headers)
            with closing(HTTPConnection(urlsplit(url).netloc, timeout=10)) as connection:
                connection.request("GET", target, headers=headers)
                assert connection.getresponse().status == status, target


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def test_a_server_without_a_raw_path_lets_no_guessed_path_through(connect: Connect) -> None:
    with make_server("127.0.0.1", 0, notes(), handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            peer = connect(f"http://127.0.0.1:{server.server_port}")
            assert peer.fetch("GET", "/api/notes/a-b.c_d~1").value["id"] == "a-b.c_d~1"
            _, signed = peer.seal("GET", "/api/notes/a%20b")
            assert peer.send(signed).json()["error"]["code"] == "ISO-3002"
        finally:
            server.shutdown()
            thread.join(10)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"PATH_INFO": "/a b", "RAW_URI": "/a%20b?x"}, ("/a b", b"/a%20b", b"/a%20b")),
        ({"PATH_INFO": "/a b", "REQUEST_URI": "/a%20b"}, ("/a b", b"/a%20b", b"/a%20b")),
        ({"SCRIPT_NAME": "/r", "PATH_INFO": "/a", "RAW_URI": "/r/a"}, ("/a", b"/a", b"/r/a")),
        ({"SCRIPT_NAME": "/r", "PATH_INFO": "", "RAW_URI": "/r"}, ("/", b"/", b"/r")),
        ({"SCRIPT_NAME": "/r", "PATH_INFO": "/a", "RAW_URI": "/a"}, ("/a", b"/a", b"/r/a")),
        ({"SCRIPT_NAME": "/r", "PATH_INFO": "/r/a", "RAW_URI": "/r/r/a"}, ("/r/a", b"/r/a", b"/r/r/a")),
        ({"PATH_INFO": "/caf\xc3\xa9", "RAW_URI": "/caf%C3%A9"}, ("/café", b"/caf%C3%A9", b"/caf%C3%A9")),
        ({"PATH_INFO": "", "RAW_URI": "http://h"}, ("/", b"/", b"/")),
        ({"PATH_INFO": "http://h/a", "REQUEST_URI": "http://h/a"}, ("http://h/a", b"/", b"")),
        ({"PATH_INFO": "/a-b.c_d~e/1"}, ("/a-b.c_d~e/1", b"/a-b.c_d~e/1", b"/a-b.c_d~e/1")),
        ({"PATH_INFO": "/a b"}, ("/a b", b"/", b"")),
        ({"PATH_INFO": "/caf\xc3\xa9"}, ("/café", b"/", b"")),
    ],
)
def test_addresses(environ: dict[str, Any], expected: tuple[str, bytes, bytes]) -> None:
    found = address(wsgi_scope(environ), b"")
    assert (found.path, found.target, found.signed) == expected


@pytest.mark.parametrize("path", ["api/secret", "http://h/api/secret", "//api/secret", "/x\n", "/caf\xe9"])
def test_a_path_that_routers_read_differently_is_protected(path: str) -> None:
    readings: Iterable[str] = address(wsgi_scope({"PATH_INFO": path}), b"").readings
    assert any(map(path_rule(["/api/*"]), readings))
