"""What a client and a protected FastAPI application say to each other when all is well."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

import nen
from tests.app import unprotected_app
from tests.conftest import Connect
from tests.peer import Peer

VALUE: dict[str, Any] = {"amount": 1840, "text": "für dich ♥", "list": [1, None, True]}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_body_is_opened_and_the_answer_sealed(peer: Peer, method: str) -> None:
    answer = peer.fetch(method, "/api/secure-data", VALUE)
    assert answer.status == 200
    assert answer.value == {"message": "Securely processed", "received": VALUE}
    assert set(answer.response.json()) == {"ct", "n"}
    assert answer.response.headers["content-type"] == "application/json"
    assert answer.response.headers["cache-control"] == "no-store"
    assert b"1840" not in answer.response.content


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_a_request_without_a_body_has_a_sealed_answer(peer: Peer, method: str) -> None:
    assert peer.fetch(method, "/api/secure-data").value == {"message": "Securely processed", "received": None}


def test_head_has_the_headers_and_no_body(peer: Peer) -> None:
    get = peer.fetch("GET", "/api/secure-data")
    head = peer.fetch("HEAD", "/api/secure-data")
    assert (head.status, head.value, head.response.content) == (200, None, b"")
    for name in ("content-length", "content-type", "cache-control"):
        assert head.response.headers[name] == get.response.headers[name]


def test_a_query_is_not_signed_and_reaches_the_application(peer: Peer) -> None:
    call = nen.Call("GET", "/api/secure-data")
    sealed = call.seal(peer.nen)
    response = peer.http.get("/api/secure-data?page=2", headers=sealed.headers)
    assert call.open(peer.nen, response.status_code, None, response.content).kind == "answer"


def test_the_application_sees_the_method_as_it_was_signed(peer: Peer) -> None:
    call = nen.Call("DELETE", "/api/secure-data")
    request = peer.http.build_request("DELETE", "/api/secure-data", headers=call.seal(peer.nen).headers)
    request.method = "delete"  # httpx writes it in upper case, something in between may not
    response = peer.http.send(request)
    assert response.status_code == 200
    assert call.open(peer.nen, response.status_code, None, response.content).kind == "answer"


def test_the_path_is_signed_as_it_travels(peer: Peer) -> None:
    answer = peer.fetch("GET", "/api/notes/caf%C3%A9%20au%20lait")
    assert answer.value == {"id": "café au lait"}
    assert peer.fetch("GET", "/api/notes/caf%c3%a9%20au%20lait").value == {"id": "café au lait"}


def test_the_status_and_headers_of_the_handler_are_kept(peer: Peer) -> None:
    answer = peer.fetch("POST", "/api/created", [1, 2])
    assert (answer.status, answer.value) == (201, {"created": [1, 2]})
    assert answer.response.headers["location"] == "/api/notes/1"
    assert not {"etag", "x-accel-redirect"} & set(answer.response.headers)
    assert answer.response.headers.get_list("cache-control") == ["no-store"]
    assert int(answer.response.headers["content-length"]) == len(answer.response.content)


def test_a_status_without_a_body_is_sealed_as_null(peer: Peer) -> None:
    answer = peer.fetch("DELETE", "/api/nothing")
    assert (answer.status, answer.value) == (200, None)
    assert set(answer.response.json()) == {"ct", "n"}


@pytest.mark.parametrize(
    ("method", "path", "value", "status"),
    [
        ("GET", "/api/no-such-path", ..., 404),
        ("POST", "/api/items", {"price": "dear"}, 422),
        ("GET", "/api/teapot", ..., 418),
        ("PUT", "/api/items", {}, 405),
    ],
)
def test_errors_of_fastapi_are_sealed(peer: Peer, method: str, path: str, value: Any, status: int) -> None:
    answer = peer.fetch(method, path, value)
    assert answer.status == status
    assert "detail" in answer.value
    assert b"detail" not in answer.response.content


def test_a_redirect_and_plain_text_are_sealed_as_json(peer: Peer) -> None:
    moved = peer.fetch("GET", "/api/moved")
    assert (moved.status, moved.value, moved.response.headers["location"]) == (307, None, "/api/secure-data")
    missing = peer.fetch("GET", "/api/plain-404")
    assert (missing.status, missing.value) == (404, "no such thing")


def test_pydantic_models_and_dependencies_work(peer: Peer) -> None:
    assert peer.fetch("POST", "/api/items", {"name": "tea"}).value == {"name": "tea", "price": 1.0}
    who = peer.fetch("POST", "/api/whoami").value
    assert who == {"session": peer.session.id, "identity": None, "protocol": nen.PROTOCOL}


def test_the_application_sees_a_plain_json_request(peer: Peer) -> None:
    call, request = peer.seal("POST", "/api/request", b'{"a":1}')
    request.headers.update({"If-None-Match": '"1"', "Accept-Encoding": "gzip", "X-Mine": "kept"})
    response = peer.send(request)
    outcome = call.open(peer.nen, response.status_code, None, response.content)
    assert outcome.json is not None
    seen = httpx.Response(200, content=outcome.json).json()
    assert seen["length"] == 7
    assert seen["headers"]["content-length"] == "7"
    assert seen["headers"]["content-type"] == "application/json"
    assert seen["headers"]["x-mine"] == "kept"
    assert not {"accept-encoding", "if-none-match", "transfer-encoding"} & set(seen["headers"])
    assert not [name for name in seen["headers"] if name.startswith("x-nen-")]
    assert seen["extensions"] == []


def test_an_identity_reaches_the_application(base_url: str, connect: Connect) -> None:
    identity = nen.Identity.generate()
    peer = connect(base_url, identity=identity)
    assert peer.fetch("POST", "/api/whoami").value["identity"] == identity.public_key.spki.hex()


def test_a_large_body_goes_both_ways(peer: Peer) -> None:
    value = "x" * 5_000_000
    assert peer.fetch("POST", "/api/secure-data", value).value["received"] == value


def test_a_body_may_come_in_pieces(peer: Peer) -> None:
    call, request = peer.seal("POST", "/api/secure-data", b"[1]")
    body = request.content
    headers = {name: value for name, value in request.headers.items() if name != "content-length"}
    response = peer.http.post("/api/secure-data", headers=headers, content=iter([body[:5], body[5:9], body[9:]]))
    outcome = call.open(peer.nen, response.status_code, None, response.content)
    assert outcome.json == b'{"message":"Securely processed","received":[1]}'


def test_rotation_terminates_the_old_session(peer: Peer) -> None:
    old = peer.session
    peer.rotate()
    assert peer.session.id != old.id
    assert peer.fetch("GET", "/api/secure-data").status == 200
    status = peer.http.get("/api/nen/status", headers={nen.SESSION_HEADER: old.id})
    assert (status.status_code, status.json()) == (401, {"valid": False})


def test_termination_ends_a_session(base_url: str, peer: Peer) -> None:
    assert peer.status() is True
    call, request = peer.seal("GET", "/api/secure-data")
    terminate = peer.http.post(f"{base_url}/api/nen/terminate", headers={nen.SESSION_HEADER: peer.session.id})
    assert (terminate.status_code, terminate.json()) == (200, {"success": True})
    assert peer.status() is False
    response = peer.send(request)
    assert call.open(peer.nen, response.status_code, None, response.content).kind == "reestablish"
    peer.terminate()
    assert peer.nen.session is None


def test_a_client_learns_the_clock_of_the_server(peer: Peer) -> None:
    behind = time.time_ns() // 1_000_000 - 90_000
    call, request = peer.seal("GET", "/api/secure-data", now_ms=behind)
    response = peer.send(request)
    outcome = call.open(peer.nen, response.status_code, response.headers["date"], response.content, now_ms=behind)
    assert outcome.kind == "repeat"
    headers = call.seal(peer.nen, now_ms=behind).headers
    response = peer.http.get("/api/secure-data", headers=headers)
    assert call.open(peer.nen, response.status_code, None, response.content, now_ms=behind).kind == "answer"


def test_session_answers_are_not_cached(peer: Peer) -> None:
    assert peer.handshake().headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "action"),
    [("GET", "handshake"), ("POST", "status"), ("POST", "other"), ("OPTIONS", "handshake"), ("POST", "handshake/")],
)
def test_other_actions_are_not_found(base_url: str, method: str, action: str) -> None:
    answer = httpx.request(method, f"{base_url}/api/nen/{action}")
    assert (answer.status_code, answer.text) == (404, "Not Found")


def test_unprotected_paths_are_not_touched(base_url: str, serve: Any) -> None:
    bare = serve(unprotected_app())
    for method, path in [("POST", "/plain/secure-data"), ("GET", "/docs"), ("GET", "/plain/none"), ("HEAD", "/docs")]:
        with_nen = httpx.request(method, base_url + path, json=VALUE)
        without = httpx.request(method, bare + path, json=VALUE)
        assert with_nen.status_code == without.status_code
        assert with_nen.content == without.content
        ours, theirs = (dict(answer.headers) for answer in (with_nen, without))
        ours.pop("date"), theirs.pop("date")
        assert ours == theirs
    assert httpx.post(base_url + "/plain/secure-data", json=VALUE).json()["nen"] is False


def test_the_openapi_document_is_that_of_the_application(base_url: str) -> None:
    document = httpx.get(base_url + "/openapi.json").json()
    assert document == unprotected_app().openapi()
    assert "Item" in document["components"]["schemas"]


def test_sixteen_calls_at_once_all_succeed(peer: Peer) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: peer.fetch("POST", "/api/secure-data", n).value["received"], range(64)))
    assert answers == list(range(64))
