"""Sealed streams over a real connection."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

import nen
from nen.asgi import NenMiddleware
from tests import app as app_module
from tests.app import Gate, create_app
from tests.conftest import Connect, Serve
from tests.peer import Peer


@pytest.mark.parametrize(("method", "value"), [("GET", ...), ("POST", {"prompt": "one two"})])
def test_each_chunk_of_the_application_is_one_sealed_chunk(peer: Peer, method: str, value: Any) -> None:
    with peer.stream(method, "/api/chat", value) as chunks:
        expected = [b"secure ", b"streaming ", b"works "] if value is ... else [b"one ", b"two "]
        assert list(chunks) == expected


def test_the_headers_of_a_stream(peer: Peer) -> None:
    _, request = peer.seal("GET", "/api/chat")
    response = peer.send(request)
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    assert "content-length" not in response.headers
    frames = response.text.split("\n\n")
    assert [frame[:6] for frame in frames] == ["data: "] * 4 + [""]
    assert "secure" not in response.text


def test_head_of_a_stream_has_its_headers_and_no_body(peer: Peer) -> None:
    _, request = peer.seal("HEAD", "/api/chat")
    response = peer.send(request)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "text/event-stream"
    assert nen.STREAM_NONCE_HEADER in response.headers


def test_what_is_not_json_is_streamed_whatever_its_type(peer: Peer) -> None:
    with peer.stream("GET", "/api/tokens") as chunks:
        assert list(chunks) == [b"a", b"_", b"_FIN__", b"\xff"]
    with peer.stream("GET", "/api/file") as chunks:
        assert b"".join(chunks) == Path(app_module.__file__).read_bytes()


def test_a_chunk_arrives_while_the_stream_is_open(serve: Serve, connect: Connect) -> None:
    app = create_app()
    gate: Gate = app.state.gate
    with connect(serve(app)).stream("GET", "/api/gated") as chunks:
        assert next(chunks) == b"first"
        assert not gate.open.is_set()
        gate.open.set()
        assert list(chunks) == [b"second"]


def test_a_client_that_leaves_stops_the_generator(serve: Serve, connect: Connect) -> None:
    app = create_app()
    gate: Gate = app.state.gate
    with connect(serve(app)).stream("GET", "/api/endless") as chunks:
        assert next(chunks) == b"on and on"
        assert not gate.ended.is_set()
    assert gate.ended.wait(10)


def test_a_slow_client_makes_the_generator_wait(serve: Serve, connect: Connect) -> None:
    size, total, made = 256 * 1024, 128, 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal made
        for made in range(1, total + 1):  # noqa: B007 - the test sees how far it has come
            yield bytes(size)

    async def flood(_: Request) -> StreamingResponse:
        return StreamingResponse(chunks())

    app = Starlette(routes=[Route("/flood", flood)], middleware=[Middleware(NenMiddleware)])
    peer = connect(serve(app))
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)]
    with httpx.Client(base_url=str(peer.http.base_url), transport=httpx.HTTPTransport(socket_options=small)) as http:
        peer.http.close()
        peer.http = http
        with peer.stream("GET", "/flood") as received:
            length, before = len(next(received)), -1
            while made != before:
                before = made
                time.sleep(0.5)
            assert made < total / 2, "32 MiB fit into no buffer, so that the generator must have stopped"
            assert length + sum(map(len, received)) == total * size
    assert made == total


def test_a_failure_in_the_middle_reaches_the_client_as_truncation(peer: Peer) -> None:
    with peer.stream("GET", "/api/broken-stream") as chunks:
        assert next(chunks) == b"so far so good"
        with pytest.raises(nen.StreamError) as caught:
            next(chunks)
    assert caught.value.code == "ISO-7003"


def test_a_refused_stream_has_the_code_of_the_server(peer: Peer) -> None:
    with pytest.raises(nen.InternalError) as caught, peer.stream("POST", "/api/boom"):
        pass
    assert caught.value.code == "ISO-9000"


def test_an_answer_that_is_no_stream_is_told_from_one(peer: Peer) -> None:
    with pytest.raises(nen.StreamError) as caught, peer.stream("GET", "/api/secure-data"):
        pass
    assert caught.value.code == "ISO-7001"
