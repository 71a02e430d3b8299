"""The same steps in several frameworks on several servers, over real sockets."""

from __future__ import annotations

import gc
import json
import re
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

import nen
from tests.app import KABOOM
from tests.conftest import Connect, running
from tests.frameworks import on_django, on_fastapi, on_flask, on_litestar
from tests.peer import Peer
from tests.servers import on_gunicorn, on_hypercorn, on_waitress, on_werkzeug

# Django leaves the body of a request to the collector if its answer raises.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning")

SERVED: dict[str, tuple[Any, Any, Any]] = {
    "Flask on gunicorn": (on_gunicorn, "tests.frameworks.on_flask:app", on_flask),
    "Flask on waitress": (on_waitress, on_flask.app, on_flask),
    "Flask on werkzeug": (on_werkzeug, on_flask.app, on_flask),
    "Django on gunicorn": (on_gunicorn, "tests.frameworks.on_django:wsgi", on_django),
    "Django on waitress": (on_waitress, on_django.wsgi, on_django),
    "Django on uvicorn": (running, on_django.asgi, on_django),
    "Django on hypercorn": (on_hypercorn, on_django.asgi, on_django),
    "Litestar on uvicorn": (running, on_litestar.app, on_litestar),
    "Litestar on hypercorn": (on_hypercorn, on_litestar.app, on_litestar),
    "FastAPI on hypercorn": (on_hypercorn, on_fastapi.app, on_fastapi),
}


@pytest.fixture(scope="module", params=SERVED)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    serve, app, module = SERVED[request.param]
    module.gate.open.clear()
    module.gate.ended.clear()
    serving: AbstractContextManager[str] = serve(app)
    with serving as base_url:
        yield base_url


@pytest.fixture
def peer(url: str, connect: Connect) -> Peer:
    return connect(url)


def test_an_exchange(peer: Peer) -> None:
    value = {"amount": 1840, "text": "für dich ♥"}
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = peer.fetch(method, "/api/secure-data", value)
        assert (answer.status, answer.value["received"]) == (200, value)
        assert b"1840" not in answer.response.content
    assert peer.fetch("GET", "/api/secure-data?query").value["received"] is None
    assert peer.fetch("POST", "/api/whoami").value["session"] == peer.session.id


def test_the_path_is_signed_as_it_travels(peer: Peer) -> None:
    for path in ("/api/notes/caf%C3%A9%20au%20lait", "/api/notes/caf%c3%a9%20au%20lait"):
        assert peer.fetch("GET", path).value == {"id": "café au lait"}


def test_status_and_headers_are_kept(peer: Peer) -> None:
    created = peer.fetch("POST", "/api/created", [1])
    assert (created.status, created.value) == (201, {"created": [1]})
    assert created.response.headers["location"] == "/api/notes/1"
    assert "etag" not in created.response.headers
    moved = peer.fetch("GET", "/api/moved")
    assert moved.response.is_redirect
    assert moved.response.headers["location"] == "/api/secure-data"
    assert (peer.fetch("DELETE", "/api/nothing").status, peer.fetch("DELETE", "/api/nothing").value) == (200, None)


def test_errors_of_the_framework_are_sealed(peer: Peer) -> None:
    teapot = peer.fetch("GET", "/api/teapot")
    assert (teapot.status, "detail" in teapot.value) == (418, True)
    assert peer.fetch("GET", "/api/no-such-path").status == 404


def test_a_handler_that_fails_says_nothing_of_the_cause(peer: Peer) -> None:
    call, request = peer.seal("POST", "/api/boom")
    response = peer.send(request)
    assert response.status_code == 500
    assert KABOOM not in response.text
    if "error" in response.json():
        assert response.json()["error"]["code"] == "ISO-9000"
    else:  # the framework answers in JSON by itself, which is sealed
        outcome = call.open(peer.nen, 500, None, response.content)
        assert outcome.json is not None
        assert json.loads(outcome.json)["detail"] == "Internal Server Error"


def test_head_has_the_headers_of_get(peer: Peer) -> None:
    get = peer.fetch("GET", "/api/secure-data")
    head = peer.fetch("HEAD", "/api/secure-data")
    assert (head.status, head.response.content) == (200, b"")
    assert head.response.headers["content-length"] == get.response.headers["content-length"]


def test_chunks_arrive_while_the_stream_is_open(peer: Peer) -> None:
    with peer.stream("GET", "/api/gated") as chunks:
        assert next(chunks) == b"first"
        peer.http.post("/plain/open")
        assert list(chunks) == [b"second"]


def test_a_stream_that_fails_is_truncated(peer: Peer) -> None:
    with peer.stream("GET", "/api/broken-stream") as chunks:
        assert next(chunks) == b"so far so good"
        with pytest.raises(nen.StreamError, match="ISO-7003"):
            next(chunks)
    gc.collect()


def test_a_client_that_leaves_stops_the_stream(peer: Peer) -> None:
    with peer.stream("GET", "/api/endless") as chunks:
        assert next(chunks) == b"on and on"
    assert peer.http.get("/plain/ended").json() == {"ended": True}


def test_a_replay_is_refused(peer: Peer) -> None:
    _, request = peer.seal("POST", "/api/secure-data", b"{}")
    assert peer.send(request).status_code == 200
    assert peer.send(request).json()["error"]["code"] == "ISO-5001"


@pytest.mark.parametrize("name", [nen.SESSION_HEADER, nen.TIMESTAMP_HEADER, nen.NONCE_HEADER, nen.SIGNATURE_HEADER])
def test_a_header_that_stands_twice_is_refused(peer: Peer, name: str) -> None:
    headers = nen.Call("GET", "/api/secure-data").seal(peer.nen).headers
    twice = [header for header in headers if header[0] == name] + headers
    assert peer.http.get("/api/secure-data", headers=twice).status_code == 401


def test_other_paths_are_not_touched(url: str) -> None:
    answer = httpx.post(f"{url}/plain/secure-data", json=[1])
    assert answer.json() == answer.json() | {"received": [1], "nen": False}
    assert httpx.post(f"{url}/api/secure-data", json=[1]).json()["error"]["code"] == "ISO-2003"


def test_a_body_may_come_in_pieces(peer: Peer) -> None:
    call, request = peer.seal("POST", "/api/secure-data", b"[1]")
    headers = {name: value for name, value in request.headers.items() if name != "content-length"}
    pieces = iter([request.content[:5], request.content[5:]])
    response = peer.http.post("/api/secure-data", headers=headers, content=pieces)
    outcome = call.open(peer.nen, response.status_code, None, response.content)
    assert outcome.json is not None
    assert b"[1]" in outcome.json.replace(b" ", b"")


# The server of werkzeug, which is for development, answers HTTP/1.0 by chunks of HTTP/1.1.
@pytest.mark.parametrize("url", [name for name in SERVED if "werkzeug" not in name], indirect=True)
def test_a_client_of_http_1_0_has_its_stream(peer: Peer) -> None:
    peer.http.post("/plain/open")
    call, request = peer.seal("GET", "/api/gated")
    lines = ["GET /api/gated HTTP/1.0", *(f"{name}: {value}" for name, value in request.headers.items()), "", ""]
    with socket.create_connection((request.url.host, request.url.port or 80), timeout=10) as connection:
        connection.sendall("\r\n".join(lines).replace("keep-alive", "close").encode())
        head, _, body = b"".join(iter(lambda: connection.recv(4096), b"")).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    nonce = re.search(rb"(?i)x-nen-stream-nonce: (\S+)", head)
    assert nonce is not None
    opener = call.open_stream(peer.nen, nonce[1])
    opener.push(body)
    assert [opener.next_chunk(), opener.next_chunk(), opener.next_chunk()] == [b"first", b"second", None]
    opener.end()


@pytest.mark.parametrize("url", [name for name in SERVED if "Django" in name], indirect=True)
def test_views_of_django_that_want_a_csrf_token_still_do(peer: Peer) -> None:
    assert peer.fetch("POST", "/api/form", {}).status == 403


def test_http_2(connect: Connect) -> None:
    with on_hypercorn(on_fastapi.app) as url:
        peer = connect(url, handshake=False)
        peer.http.close()
        peer.http = httpx.Client(base_url=url, http1=False, http2=True)
        peer.handshake()
        answer = peer.fetch("GET", "/api/notes/caf%C3%A9%20au%20lait")
        assert (answer.response.http_version, answer.value) == ("HTTP/2", {"id": "café au lait"})
        with peer.stream("GET", "/api/chat") as chunks:
            assert list(chunks) == [b"secure ", b"streaming ", b"works "]
