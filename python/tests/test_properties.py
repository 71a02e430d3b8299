"""What holds of the middlewares whatever a client sends and an application answers."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import unquote, unquote_to_bytes
from wsgiref.util import setup_testing_defaults

import django.core.asgi
import django.core.wsgi
import django.urls
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import Litestar, get
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import nen
import nen.asgi
import nen.wsgi
from nen._native import HIDDEN_ANSWER_HEADERS
from tests import test_asgi, test_wsgi
from tests.frameworks import on_django  # noqa: F401 - it configures Django
from tests.test_asgi import body as body_message
from tests.test_wsgi import answering

reached: list[str] = []


def starlette() -> Any:
    def secret(_: Request) -> Response:
        reached.append("Starlette")
        return Response()

    return Starlette(routes=[Route("/api/secret", secret)])


def litestar() -> Any:
    @get("/api/secret", sync_to_thread=False)
    def secret() -> None:
        reached.append("Litestar")

    return Litestar([secret], logging_config=None)


def flask() -> Any:
    app = Flask(__name__)

    @app.get("/api/secret")
    def secret() -> str:
        reached.append("Flask")
        return ""

    return app


def django_secret(_: HttpRequest) -> HttpResponse:
    reached.append("Django")
    return HttpResponse()


class Urls:
    """Django's routes, one of them as loose as a regular expression may be."""

    urlpatterns = (
        django.urls.path("api/secret", django_secret),
        django.urls.re_path(r"^/*api/secret/*$", django_secret),
    )


FRAMEWORKS: dict[str, tuple[Callable[[], Any], bool]] = {
    "Starlette": (starlette, True),
    "Litestar": (litestar, True),
    "Django by ASGI": (django.core.asgi.get_asgi_application, True),
    "Django by WSGI": (django.core.wsgi.get_wsgi_application, False),
    "Flask": (flask, False),
}

PIECES = ["/", "/", "api", "secret", "/api/secret", "/app", "%61pi", "s%65cret", "%2F", "%2f", ".", "..", "%2e%2e"]
PIECES += [";", "%3F", "?", "%23", "#", "%0A", "%0D", "%00", "%FF", "%C3%A9", "%", "http://h", "\\", "%5C", "%20", "+"]


def spelled(before: str, encoded: set[int], after: str) -> str:
    """Spell the path of the handler: with these characters percent-encoded, and something around it."""
    path = "/api/secret"
    return before + "".join(f"%{ord(char):02x}" if at in encoded else char for at, char in enumerate(path)) + after


AROUND = st.just("") | st.sampled_from(PIECES)
SPELLINGS = st.one_of(
    st.builds(spelled, AROUND, st.sets(st.integers(1, 10), max_size=3), AROUND),
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20),
)
ROOTS = st.sampled_from(["", "", "/app", "/api", "/app/api", "/a", "/app/"])


def ask_asgi(app: Any, target: str, root: str, *, told: bool) -> None:
    """Ask as an ASGI server does, whose paths begin with its root path, or not."""
    raw = target.partition("?")[0]
    if told:
        raw = root.rstrip("/") + raw
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "root_path": root,
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
    }

    requests = [{"type": "http.request"}]

    async def receive() -> Any:
        return requests.pop() if requests else await asyncio.Event().wait()

    async def send(_: Any) -> None:
        pass

    asyncio.run(app(scope, receive, send))


def ask_wsgi(app: Any, target: str, root: str, *, told: bool) -> None:
    """Ask as a WSGI server does, that tells the raw path, or not."""
    path = target.partition("?")[0]
    environ: dict[str, Any] = {"SCRIPT_NAME": root.rstrip("/"), "HTTP_HOST": "127.0.0.1"}
    environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")
    if told:
        environ["RAW_URI"] = root.rstrip("/") + target
    setup_testing_defaults(environ)
    environ["wsgi.errors"] = io.StringIO()
    answer = app(environ, lambda *_: None)
    list(answer)
    getattr(answer, "close", lambda: None)()


@pytest.mark.parametrize("protect", [["/api/*"], ["/api/secret"]])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_no_spelling_of_a_path_reaches_a_protected_handler(framework: str, protect: list[str]) -> None:
    make, is_asgi = FRAMEWORKS[framework]
    ask, middleware = (ask_asgi, nen.asgi.NenMiddleware) if is_asgi else (ask_wsgi, nen.wsgi.NenMiddleware)
    routed = 0

    @settings(max_examples=150)
    @given(SPELLINGS, ROOTS, st.booleans())
    def holds(target: str, root: str, told: bool) -> None:  # noqa: FBT001 - hypothesis passes by position
        nonlocal routed
        reached.clear()
        ask(bare, target, root, told=told)
        routed += bool(reached)
        reached.clear()
        ask(protected, target, root, told=told)
        assert reached == []

    with override_settings(ROOT_URLCONF=Urls):
        bare = make()
        protected = middleware(make(), protect=protect)
        holds()
    assert routed >= 5, "hardly a spelling was one that the framework takes, so that little was shown"


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut bytes into pieces."""
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


CUTS = st.lists(st.integers(min_value=0), max_size=8)
VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=8)
TEXT = ("Content-Type", "text/plain")
JSON = ("Content-Type", "application/json")


@given(VALUES, CUTS, CUTS)
def test_a_body_in_any_pieces_is_the_same_by_asgi(value: Any, request_cuts: list[int], answer_cuts: list[int]) -> None:
    async def echo(_: Any, receive: Any, send: Any) -> None:
        received = (await receive())["body"]
        await send(test_asgi.start())
        for piece in split(received, answer_cuts):
            await send(body_message(piece, more=True))
        await send(body_message())

    connection = test_asgi.Connection(echo, body=json.dumps(value).encode())
    pieces = split(connection.incoming[0]["body"], request_cuts)
    connection.incoming = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    connection.incoming.append({"type": "http.request"})
    connection.run()
    assert connection.value == value


class Pieces:
    """A request's body, that comes in these pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = [piece for piece in pieces if piece]

    def read(self, size: int) -> bytes:
        if not self.pieces:
            return b""
        piece, rest = self.pieces[0][:size], self.pieces[0][size:]
        self.pieces[:1] = [rest] if rest else []
        return piece

    readline = readlines = __iter__ = None


@given(VALUES, CUTS, CUTS, st.booleans())
def test_a_body_in_any_pieces_is_the_same_by_wsgi(
    value: Any,
    request_cuts: list[int],
    answer_cuts: list[int],
    with_length: bool,  # noqa: FBT001 - hypothesis passes by position
) -> None:
    def echo(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [JSON])
        yield from split(environ["wsgi.input"].read(), answer_cuts)

    connection = test_wsgi.Connection(echo, body=json.dumps(value).encode())
    connection.environ["wsgi.input"] = Pieces(split(connection.sealed, request_cuts))
    if not with_length:
        connection.environ |= {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
    connection.app = connection.middleware
    connection.sent.extend(connection.open())
    assert connection.value == value


@given(st.lists(st.binary(max_size=20), max_size=8), st.integers(min_value=1, max_value=8))
def test_a_stream_is_what_the_application_yields(chunks: list[bytes], max_chunk: int) -> None:
    connection = test_wsgi.Connection(answering("200 OK", [TEXT], chunks), max_chunk=max_chunk)
    connection.run()
    opened = list(connection.chunks())
    assert b"".join(opened) == b"".join(chunks)
    assert max(map(len, opened), default=0) <= max_chunk


OURS = {"cache-control", "content-length", "content-type", "x-accel-buffering", nen.STREAM_NONCE_HEADER.lower()}
HIDDEN = {*HIDDEN_ANSWER_HEADERS} | OURS
NAMES = st.sampled_from(sorted(HIDDEN)).map(str.title) | st.from_regex(r"X-[A-Z][a-z]{3}", fullmatch=True)
HEADER_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)


@given(st.lists(st.tuples(NAMES, HEADER_VALUES), max_size=8), st.sampled_from(["200 OK", "404 Not Found"]))
def test_headers_travel_that_do_not_speak_of_the_plain_body(headers: list[tuple[str, str]], status: str) -> None:
    sent: list[tuple[str, str]] = []
    connection = test_wsgi.Connection(answering(status, headers, [b'"the plaintext"']))

    def start_response(_: str, headers: list[tuple[str, str]], *__: object) -> Callable[[bytes], None]:
        sent.extend(headers)
        return connection.sent.append

    body = b"".join(connection.middleware(connection.environ, start_response))
    assert b"the plaintext" not in body
    names = [name.lower() for name, _ in sent]
    assert [name for name in HIDDEN if names.count(name) > (name in OURS)] == []
    if b'"error"' not in body:
        others = [header for header in headers if header[0].lower() not in HIDDEN]
        assert [header for header in sent if header[0].lower() not in HIDDEN] == others
