"""The clients, over both HTTP libraries, against an honest server."""

from __future__ import annotations

import asyncio
import json
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import nen
from tests.app import Gate, create_app
from tests.clients import Driven
from tests.conftest import Dial, Serve

SECRET = {"secret": "Only the endpoint that needs this can read it", "n": [1, 2.5, None, "ü"]}


def echo(received: Any) -> dict[str, Any]:
    return {"message": "Securely processed", "received": received}


def test_fetch_seals_json_and_decodes_the_answer(client: Driven) -> None:
    assert client.fetch("/api/secure-data", json=SECRET) == echo(SECRET)
    assert client.recorded.log == ["200 /api/nen/handshake", "200 /api/secure-data"]
    assert list(json.loads(client.recorded.request.content)) == ["ct"]


def test_a_json_that_is_missing_is_not_null(client: Driven) -> None:
    assert client.fetch("/api/secure-data") == echo(None)
    assert (client.recorded.request.method, client.recorded.request.content) == ("GET", b"")
    assert client.fetch("/api/secure-data", json=None) == echo(None)
    assert client.recorded.request.method == "POST"
    assert b"ct" in client.recorded.request.content


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "patch", "DELETE"])
def test_every_method_works(client: Driven, method: str) -> None:
    assert client.fetch("/api/secure-data", method=method, json=[method]) == echo([method])


def test_head_has_no_body_to_be_sure_of(client: Driven) -> None:
    answer = client.request("HEAD", "/api/secure-data")
    assert (answer.status_code, answer.content, answer.is_sealed) == (200, b"", False)
    assert client.fetch("/api/secure-data", method="HEAD") is None
    assert client.request("HEAD", "/api/chat").status_code == 200


def test_request_returns_status_headers_and_body(client: Driven) -> None:
    answer = client.request("POST", "/api/created", json=SECRET)
    assert (answer.status_code, answer.is_sealed, answer.is_success) == (201, True, True)
    assert answer.json() == {"created": SECRET}
    assert answer.headers["LOCATION"] == "/api/notes/1"
    assert answer.headers["content-type"] == nen.JSON_CONTENT_TYPE
    assert answer.headers["content-length"] == str(len(answer.content))
    assert "cache-control" not in answer.headers
    assert answer.raise_for_status() is answer
    assert repr(answer) == "<NenResponse [201 sealed]>"


def test_an_answer_that_is_empty_is_null(client: Driven) -> None:
    assert client.fetch("/api/nothing", method="DELETE") is None


def test_a_refusal_of_the_application_is_raised_and_shows_nothing(client: Driven) -> None:
    with pytest.raises(nen.NenHTTPError) as caught:
        client.fetch("/api/teapot")
    assert caught.value.response.status_code == 418
    assert caught.value.response.json() == {"detail": {"reason": "teapot"}}
    assert str(caught.value) == "the endpoint answered with HTTP status 418"
    assert "reason" not in repr(caught.value)
    assert client.request("GET", "/api/teapot").status_code == 418


def test_an_error_of_the_protocol_is_raised_by_its_code(client: Driven) -> None:
    with pytest.raises(nen.InternalError) as caught:
        client.request("POST", "/api/boom", json={})
    assert caught.value.code == "ISO-9000"
    assert "kaboom" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "note"),
    [
        ("/api/notes/caf%C3%A9%20au%20lait", "café au lait"),
        ("/api/notes/café au lait", "café au lait"),
        ("/api/notes/a?b=%2F&c", "a"),
        ("/api/notes/%41%5e^[]", "A^^[]"),
        ("/api/notes/x/../y", "y"),
    ],
)
def test_the_path_is_signed_as_it_travels(client: Driven, path: str, note: str) -> None:
    assert client.fetch(path) == {"id": note}


@pytest.mark.parametrize("path", ["", "api", "//evil.example/api", "http://evil.example/api", "?a"])
def test_a_path_is_one_of_the_server(client: Driven, path: str) -> None:
    with pytest.raises(ValueError, match="begin with one slash"):
        client.fetch(path)
    assert client.recorded.log == []


@pytest.mark.parametrize("path", ["/a\nb", "/\0", "/" + "a" * 100_000])
def test_a_path_can_stand_in_a_url(client: Driven, path: str) -> None:
    with pytest.raises(ValueError, match="the path cannot be in a URL"):
        client.fetch(path)
    assert client.recorded.log == []


@pytest.mark.parametrize("path", ["/@evil.example/", "/\\evil.example/", "/:80@evil.example"])
def test_no_path_leads_to_another_server(client: Driven, path: str) -> None:
    client.request("GET", path)
    assert str(client.recorded.request.url).startswith(client.client._connection.address._base)  # noqa: SLF001


def test_a_server_that_is_mounted_under_a_path(serve: Serve, dial: Dial) -> None:
    url = serve(Starlette(routes=[Mount("/mounted/here", create_app())]))
    client = dial(url + "/mounted/here/")
    assert client.fetch("/api/notes/a") == {"id": "a"}
    assert client.recorded.log == ["200 /mounted/here/api/nen/handshake", "200 /mounted/here/api/notes/a"]


def test_the_session_endpoints_may_be_elsewhere(serve: Serve, dial: Dial) -> None:
    client = dial(serve(create_app(prefix="/keys")), prefix="/keys")
    assert client.status() is False
    client.handshake()
    assert client.status() is True


def test_headers_of_the_caller_travel_but_for_those_that_are_ours(client: Driven) -> None:
    headers = [
        ("X-Trace", "1"),
        ("x-nen-session", "forged"),
        ("Content-Length", "1"),
        ("content-type", "text/plain"),
        ("Accept-Encoding", "gzip"),
        ("If-None-Match", "*"),
    ]
    assert client.fetch("/api/secure-data", json=1, headers=headers) == echo(1)
    assert client.fetch("/api/secure-data", json=1, headers=dict(headers)) == echo(1)
    octets: Any = {name.encode(): value.encode() for name, value in headers}
    assert client.fetch("/api/secure-data", json=1, headers=octets) == echo(1)
    sent = client.recorded.request.headers
    assert sent["x-trace"] == "1"
    assert sent.get_list("x-nen-session") == [client.session_id]
    assert sent["content-type"] == nen.JSON_CONTENT_TYPE
    assert sent["accept-encoding"] == "identity"
    assert "if-none-match" not in sent


def test_an_answer_that_a_hook_has_read_is_opened(client: Driven) -> None:
    def hook(response: Any) -> None:
        response.read()

    async def async_hook(response: Any) -> None:
        await response.aread()

    client.http.event_hooks = {"response": [async_hook if client.variant.is_async else hook]}
    assert client.fetch("/api/secure-data", json=1) == echo(1)
    assert client.texts("/api/chat") == ["secure ", "streaming ", "works "]


def test_what_the_http_client_adds_is_no_matter(base_url: str, dial: Dial) -> None:
    client = dial(
        base_url,
        http={
            "base_url": "http://elsewhere.invalid/",
            "params": {"a": "b"},
            "auth": ("user", "password"),
            "headers": {"X-Nen-Session": "forged", "Accept-Encoding": "gzip"},
            "cookies": {"c": "d"},
            "follow_redirects": True,
        },
    )
    assert client.fetch("/api/notes/x") == {"id": "x"}
    assert client.request("GET", "/api/moved").status_code == 307
    assert client.recorded.request.url.query == b"a=b"


@pytest.mark.parametrize("value", [float("nan"), "\ud800", {"a": {1, 2}}])
def test_what_is_no_json_is_not_sent(client: Driven, value: Any) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        client.fetch("/api/secure-data", json={"password": "hunter2", "value": value})
    assert "hunter2" not in str(vars(caught.value)) + str(caught.value) + repr(caught.value)
    assert not isinstance(caught.value, UnicodeError)
    assert client.recorded.log == []


@pytest.mark.parametrize("method", ["G T", "", "POST\r\nX: y"])
def test_a_method_that_is_none_is_not_sent(client: Driven, method: str) -> None:
    with pytest.raises(nen.AuthError) as caught:
        client.request(method, "/api/secure-data")
    assert caught.value.code == "ISO-3002"


def test_a_stream_is_iterated_over_as_text(client: Driven) -> None:
    assert client.texts("/api/chat", json={"prompt": "token by token"}) == ["token ", "by ", "token "]
    with pytest.raises(nen.StreamError, match="ISO-7002"):
        client.texts("/api/teapot")


def test_a_stream_is_asked_for_once(client: Driven) -> None:
    request = client.client.stream("/api/chat")
    assert "".join(client.texts_of(request)) == "secure streaming works "
    with pytest.raises(RuntimeError, match="sent already"):
        client.texts_of(request)


@pytest.mark.parametrize("options", [{}, {"json": {"prompt": "secure streaming works"}}])
def test_a_stream_is_its_chunks(client: Driven, options: Any) -> None:
    with client.stream("/api/chat", **options) as stream:
        assert list(stream.iter_bytes()) == [b"secure ", b"streaming ", b"works "]


def test_text_is_joined_across_chunks(serve: Serve, dial: Dial) -> None:
    client = dial(serve(create_app()))
    with client.stream("/api/split") as stream:
        assert list(stream.iter_text()) == ["a", "é!", "\ufffd"]


def test_a_chunk_arrives_while_the_stream_is_open(serve: Serve, dial: Dial) -> None:
    app = create_app()
    gate: Gate = app.state.gate
    with dial(serve(app)).stream("/api/gated") as stream:
        texts = stream.iter_text()
        assert next(texts) == "first"
        assert not gate.open.is_set()
        gate.open.set()
        assert list(texts) == ["second"]


def test_leaving_a_stream_ends_the_request(serve: Serve, dial: Dial) -> None:
    app = create_app()
    gate: Gate = app.state.gate
    with dial(serve(app)).stream("/api/endless") as stream:
        assert next(stream.iter_text()) == "on and on"
        assert not gate.ended.is_set()
    assert gate.ended.wait(10)


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_stream_may_be_closed_while_a_task_reads_it(serve: Serve, library: ModuleType) -> None:
    app = create_app()
    url = serve(app)

    async def story() -> None:
        async with library.AsyncClient() as http, nen.AsyncNenClient(url, http).stream("/api/gated") as stream:
            chunks = stream.aiter_bytes()
            assert await anext(chunks) == b"first"
            reader = asyncio.ensure_future(anext(chunks))
            await asyncio.sleep(0.05)
            await stream.aclose()
            with pytest.raises(nen.StreamError, match="ISO-7003"):
                await reader

    asyncio.run(story())
    app.state.gate.open.set()


def test_what_was_not_read_of_a_stream_that_was_left_is_missing(serve: Serve, dial: Dial) -> None:
    with dial(serve(create_app())).stream("/api/endless") as stream:
        assert next(stream.iter_bytes()) == b"on and on"
        stream.close()
        with pytest.raises(nen.StreamError) as caught:
            list(stream.iter_bytes())
    assert caught.value.code == "ISO-7003"


def test_a_failure_in_the_middle_is_a_truncated_stream_for_good(client: Driven) -> None:
    with client.stream("/api/broken-stream") as stream:
        chunks = stream.iter_bytes()
        assert next(chunks) == b"so far so good"
        for further in (chunks, stream.iter_bytes(), stream.iter_text()):
            with pytest.raises(nen.StreamError) as caught:
                next(further)
            assert caught.value.code == "ISO-7003"


def test_a_stream_that_was_refused_names_the_answer(client: Driven) -> None:
    with pytest.raises(nen.StreamError) as caught, client.stream("/api/teapot"):
        pass
    assert caught.value.code == "ISO-7002"
    cause = caught.value.__cause__
    assert isinstance(cause, nen.NenHTTPError)
    assert cause.response.json() == {"detail": {"reason": "teapot"}}
    with pytest.raises(nen.InternalError), client.stream("/api/boom", method="POST"):
        pass


def test_whole_answers_and_streams_are_told_apart(client: Driven) -> None:
    with pytest.raises(nen.StreamError, match=r"use fetch\(\)") as caught, client.stream("/api/secure-data"):
        pass
    assert caught.value.code == "ISO-7001"
    with pytest.raises(nen.WireError, match=r"use stream\(\)") as refused:
        client.fetch("/api/chat")
    assert refused.value.code == "ISO-6001"


def test_an_identity_reaches_the_endpoint(base_url: str, dial: Dial) -> None:
    identity = nen.Identity.generate()
    known = dial(base_url, identity=identity).fetch("/api/whoami", json={})
    assert known["identity"] == identity.public_key.spki.hex()


def test_rotation_replaces_the_session_and_keeps_calls_under_way(serve: Serve, dial: Dial) -> None:
    app = create_app()
    client = dial(serve(app))
    with client.stream("/api/gated") as stream:
        texts = stream.iter_text()
        assert next(texts) == "first"
        old = client.session_id
        client.rotate()
        app.state.gate.open.set()
        assert list(texts) == ["second"]
    assert client.session_id not in (None, old)
    assert client.fetch("/api/whoami", json={})["session"] == client.session_id


def test_without_a_session_there_is_nothing_to_rotate_or_end(client: Driven) -> None:
    with pytest.raises(nen.SessionError) as caught:
        client.rotate()
    assert caught.value.code == "ISO-2001"
    client.terminate()
    assert client.status() is False
    assert client.recorded.log == []


def test_terminate_ends_the_session_and_the_next_call_makes_another(client: Driven) -> None:
    client.handshake()
    old = client.session_id
    assert client.status() is True
    client.terminate()
    assert (client.session_id, client.status()) == (None, False)
    assert client.fetch("/api/secure-data") == echo(None)
    assert client.session_id != old


def test_a_handshake_by_wish_makes_a_new_session(client: Driven) -> None:
    client.handshake()
    first = client.session_id
    client.handshake()
    assert client.session_id != first


def test_a_client_that_was_closed_says_so_and_leaves_the_callers_open(client: Driven) -> None:
    client.handshake()
    client.close()
    assert client.session_id is None
    for use in (client.handshake, client.rotate, client.terminate, client.status, lambda: client.fetch("/")):
        with pytest.raises(RuntimeError, match="was closed"):
            use()
    assert not client.http.is_closed
