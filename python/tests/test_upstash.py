"""What is said of and by Upstash stays where it belongs. What the store does is in `test_stores.py`."""

from __future__ import annotations

import logging
import traceback
from typing import Any
from uuid import uuid4

import httpx
import httpx2
import pytest

import nen
from nen import UpstashSessionStore, _http
from tests.redis_server import RedisServer
from tests.upstash import TOKEN, UpstashServer

SID = str(uuid4())
RECORD = b'{"sharedSecret":"the-shared-secret"}'
FAR = 2**45


@pytest.fixture
def upstash(redis_server: RedisServer) -> Any:
    with UpstashServer(redis_server.port) as server:
        yield server


@pytest.fixture
def store(upstash: UpstashServer) -> Any:
    store = UpstashSessionStore(upstash.url, TOKEN)
    yield store
    store.close()


def test_without_a_client_the_store_has_one_of_its_own(store: UpstashSessionStore) -> None:
    store.set(SID, RECORD, FAR)
    assert store.get(SID) == RECORD
    store.close()
    with pytest.raises(RuntimeError, match="closed"):
        store.get(SID)


def test_a_clients_own_credentials_do_not_take_the_place_of_the_token(upstash: UpstashServer) -> None:
    with httpx.Client(auth=("user", "password"), headers={"Authorization": "Basic x"}) as client:
        assert UpstashSessionStore(upstash.url, TOKEN, client).get(str(uuid4())) is None
    (request,) = upstash.requests
    assert request["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ((500, {}, b"{}"), "Upstash answered with status 500"),
        ((200, {}, b"no json"), "something else than a result"),
        ((200, {}, b"[]"), "something else than a result"),
        ((200, {}, b"[" * 50_000), "something else than a result"),
        ((200, {}, b'{"error":"ERR the-shared-secret"}'), "something else than a result"),
        ((200, {}, b'{"result":"' + b"x" * 65536 + b'"}'), "more than 65536 bytes"),
        ((200, {"Content-Encoding": "gzip"}, b"\x1f\x8b"), "something else than a result"),
    ],
)
def test_an_answer_that_is_none_is_an_error(
    upstash: UpstashServer, store: UpstashSessionStore, answer: Any, detail: str
) -> None:
    upstash.script = lambda _: answer
    with pytest.raises(nen.InternalError) as caught:
        store.get(SID)
    assert caught.value.code == "ISO-9001"
    assert detail in caught.value.detail


@pytest.mark.parametrize("result", ["7", '["x"]', "true"])
def test_a_result_of_another_type_is_an_error(upstash: UpstashServer, store: UpstashSessionStore, result: str) -> None:
    upstash.script = lambda _: (200, {}, f'{{"result":{result}}}'.encode())
    with pytest.raises(TypeError, match="Redis replied with"):
        store.get(SID)


@pytest.mark.parametrize("client", [None, httpx.Client(follow_redirects=True), httpx2.Client(follow_redirects=True)])
def test_no_redirect_is_followed(upstash: UpstashServer, redis_server: RedisServer, client: Any) -> None:
    with UpstashServer(redis_server.port) as elsewhere:
        upstash.script = lambda _: (307, {"Location": elsewhere.url}, b"")
        store = UpstashSessionStore(upstash.url, TOKEN, client)
        with pytest.raises(nen.InternalError, match="status 307"):
            store.get(SID)
        assert elsewhere.requests == []
    (client or store).close()


def test_neither_token_nor_record_shows_anywhere(
    upstash: UpstashServer, store: UpstashSessionStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    failures: list[BaseException] = []
    upstash.script = lambda command: (400, {}, f'{{"error":"ERR {command}"}}'.encode())
    with pytest.raises(nen.InternalError) as caught:
        store.set(SID, RECORD, FAR)
    failures.append(caught.value)
    wrong = UpstashSessionStore(upstash.url, f"{TOKEN}-wrong")
    with pytest.raises(nen.InternalError, match=r"status 401") as caught:
        wrong.set(SID, RECORD, FAR)
    failures.append(caught.value)
    gone = UpstashSessionStore("http://127.0.0.1:1", TOKEN)
    with pytest.raises(Exception, match="refused") as unreachable:
        gone.set(SID, RECORD, FAR)
    failures.append(unreachable.value)
    for each in (wrong, gone):
        each.close()
    shown = caplog.text + repr(store) + "".join("".join(traceback.format_exception(error)) for error in failures)
    assert "httpcore" in shown, "the HTTP client logged nothing"
    assert TOKEN not in shown
    assert "the-shared-secret" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "db.upstash.io",
        "ftp://db.upstash.io",
        "https://",
        "https://default:secret@db.upstash.io",
        "https://db.upstash.io?_token=secret",
        "https://db.upstash.io#secret",
        "http://db.upstash.io",
        "http://localhost.evil.example",
    ],
)
def test_a_url_that_would_not_do_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url must be") as caught:
        UpstashSessionStore(url, TOKEN)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "two words", "line\r\nX-Injected: 1", "tökén"])
def test_a_token_that_would_not_do_is_refused_at_once_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError, match=r"^token must be UPSTASH_REDIS_REST_TOKEN: ASCII, with no white space$"):
        UpstashSessionStore("https://db.upstash.io", token)


def test_what_is_no_http_client_is_refused() -> None:
    client: Any = "httpx"
    with pytest.raises(TypeError, match="needs a client of httpx2 or httpx, not str"):
        UpstashSessionStore("https://db.upstash.io", TOKEN, client)


def test_without_any_http_client_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_http, "find_spec", lambda _: None)
    with pytest.raises(ImportError, match="pip install"):
        UpstashSessionStore("https://db.upstash.io", TOKEN)
