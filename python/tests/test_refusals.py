"""Every refusal over HTTP: its code, its status, and a body that says nothing more."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import nen
from tests.app import KABOOM, create_app
from tests.conftest import Connect, Serve
from tests.peer import Peer


def assert_refused(response: httpx.Response, code: str) -> None:
    """Check that an answer is this error of ours, and nothing else."""
    error = nen.ERRORS[code]
    assert response.json() == {"error": {"code": code, "message": error.message}}
    assert response.status_code == error.http_status
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"


def without(name: str) -> Callable[[httpx.Request], None]:
    def change(request: httpx.Request) -> None:
        del request.headers[name]

    return change


def with_header(name: str, value: str) -> Callable[[httpx.Request], None]:
    return lambda request: request.headers.update({name: value})


def flip(request: httpx.Request) -> None:
    signature = bytearray(base64.b64decode(request.headers[nen.SIGNATURE_HEADER]))
    signature[7] ^= 1
    request.headers[nen.SIGNATURE_HEADER] = base64.b64encode(signature).decode()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (without(nen.SESSION_HEADER), "ISO-2003"),
        (with_header(nen.SESSION_HEADER, ""), "ISO-2003"),
        (with_header(nen.SESSION_HEADER, "3f2b8c1e-4d5a-4b6c-8d7e-9f0a1b2c3d4e"), "ISO-2002"),
        (with_header(nen.SESSION_HEADER, "no uuid"), "ISO-2002"),
        (without(nen.NONCE_HEADER), "ISO-3005"),
        (with_header(nen.NONCE_HEADER, "AAAA"), "ISO-3005"),
        (without(nen.SIGNATURE_HEADER), "ISO-3001"),
        (with_header(nen.SIGNATURE_HEADER, "AAAA"), "ISO-3002"),
        (flip, "ISO-3002"),
        (with_header(nen.TIMESTAMP_HEADER, "1"), "ISO-3002"),
        (without(nen.TIMESTAMP_HEADER), "ISO-3003"),
    ],
)
def test_bad_headers(peer: Peer, change: Callable[[httpx.Request], None], code: str) -> None:
    _, request = peer.seal("POST", "/api/secure-data", b"{}")
    change(request)
    assert_refused(peer.send(request), code)


@pytest.mark.parametrize("offset", [-31_000, 31_000])
def test_a_timestamp_out_of_the_window(peer: Peer, offset: int) -> None:
    _, request = peer.seal("GET", "/api/secure-data", now_ms=time.time_ns() // 1_000_000 + offset)
    assert_refused(peer.send(request), "ISO-3003")


@pytest.mark.parametrize(("method", "path"), [("PUT", "/api/secure-data"), ("POST", "/api/created")])
def test_a_signature_for_another_request(peer: Peer, method: str, path: str) -> None:
    _, request = peer.seal("POST", "/api/secure-data", b"{}")
    response = peer.http.request(method, path, content=request.content, headers=request.headers)
    assert_refused(response, "ISO-3002")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{}", "ISO-6001"),
        (b"not json", "ISO-6001"),
        (b'{"ct":1}', "ISO-6001"),
        (b'{"ct":"AAAA","ct":"AAAA"}', "ISO-6001"),
        (b'{"ct":"!"}', "ISO-6002"),
        (b'{"ct":"AAAA"}', "ISO-4001"),
        (b'{"ct":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}', "ISO-4001"),
    ],
)
def test_bad_bodies(peer: Peer, body: bytes, code: str) -> None:
    sealed = nen.Call("POST", "/api/secure-data").seal(peer.nen)
    assert_refused(peer.http.post("/api/secure-data", content=body, headers=sealed.headers), code)


def test_one_flipped_bit_of_the_ciphertext(peer: Peer) -> None:
    _, request = peer.seal("POST", "/api/secure-data", b'{"amount":1840}')
    ciphertext = bytearray(base64.b64decode(json.loads(request.content)["ct"]))
    ciphertext[3] ^= 1
    body = json.dumps({"ct": base64.b64encode(ciphertext).decode()}).encode()
    response = peer.http.post(
        "/api/secure-data",
        content=body,
        headers={k: v for k, v in request.headers.items() if k.startswith("x-nen-")},
    )
    assert_refused(response, "ISO-4001")


@pytest.mark.parametrize("plaintext", [b"not json", b"", b"\xff", b"{'a':1}"])
def test_a_plaintext_that_is_not_json(peer: Peer, plaintext: bytes) -> None:
    assert_refused(peer.send(peer.sealed_by_hand("POST", "/api/secure-data", plaintext)), "ISO-4003")


def test_a_replay(peer: Peer) -> None:
    _, request = peer.seal("POST", "/api/secure-data", b"{}")
    assert peer.send(request).status_code == 200
    assert_refused(peer.send(request), "ISO-5001")


def test_of_sixteen_replays_at_once_exactly_one_is_accepted(peer: Peer) -> None:
    _, request = peer.seal("POST", "/api/secure-data", b"{}")
    barrier = threading.Barrier(16)

    def send(_: int) -> httpx.Response:
        with httpx.Client(timeout=10) as http:
            barrier.wait()
            return http.post(request.url, content=request.content, headers=request.headers)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(16)))
    assert sum(answer.status_code == 200 for answer in answers) == 1
    for answer in answers:
        if answer.status_code != 200:
            assert_refused(answer, "ISO-5001")


def test_a_request_that_is_refused_leaves_no_nonce_behind(serve: Serve, connect: Connect) -> None:
    store = nen.MemorySessionStore()
    peer = connect(serve(create_app(store=store)))
    for change in (without(nen.SIGNATURE_HEADER), flip):
        _, request = peer.seal("GET", "/api/secure-data")
        change(request)
        peer.send(request)
    assert store.nonces == 0
    assert peer.fetch("GET", "/api/secure-data").status == 200
    assert store.nonces == 1


def test_a_full_replay_cache(serve: Serve, connect: Connect) -> None:
    peer = connect(serve(create_app(store=nen.MemorySessionStore(max_nonces=1))))
    assert peer.fetch("GET", "/api/secure-data").status == 200
    _, request = peer.seal("GET", "/api/secure-data")
    assert_refused(peer.send(request), "ISO-5002")


def test_a_full_session_store(serve: Serve, connect: Connect) -> None:
    url = serve(create_app(store=nen.MemorySessionStore(max_sessions=1)))
    connect(url)
    with pytest.raises(nen.InternalError) as caught:
        connect(url)
    assert caught.value.code == "ISO-9001"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "ISO-1001"),
        (b"[]", "ISO-1001"),
        (b"{}", "ISO-1001"),
        (b'{"pk":1}', "ISO-1001"),
        (b'{"pk":"AAAA"}', "ISO-1001"),
        (json.dumps({"pk": base64.b64encode(b"\xff" * nen.KEM_PUBLIC_KEY_SIZE).decode()}).encode(), "ISO-1001"),
        (b'{"pk":"!"}', "ISO-6002"),
        (b" " * (nen.MAX_HANDSHAKE_BODY + 1), "ISO-6001"),
    ],
)
def test_bad_handshakes(base_url: str, body: bytes, code: str) -> None:
    assert_refused(httpx.post(f"{base_url}/api/nen/handshake", content=body), code)


def test_a_handshake_that_never_ends_is_not_read_whole(base_url: str) -> None:
    endless = iter([b" " * 1024] * 1024)
    assert_refused(httpx.post(f"{base_url}/api/nen/handshake", content=endless), "ISO-6001")


@pytest.mark.parametrize("kept", ["sigPk", "sigOfPk", "both, of another key"])
def test_an_identity_that_does_not_verify(base_url: str, kept: str) -> None:
    body = json.loads(nen.ClientHandshake(identity=nen.Identity.generate()).body)
    if kept in body:
        body = {"pk": body["pk"], kept: body[kept]}
    else:
        body["pk"] = json.loads(nen.ClientHandshake().body)["pk"]
    assert_refused(httpx.post(f"{base_url}/api/nen/handshake", json=body), "ISO-3004")


def test_an_identity_that_is_not_on_the_list(serve: Serve, connect: Connect) -> None:
    friend = nen.Identity.generate()
    url = serve(create_app(identities=[friend.public_key]))
    assert connect(url, identity=friend).fetch("POST", "/api/whoami").status == 200
    for identity in (None, nen.Identity.generate()):
        with pytest.raises(nen.AuthError) as caught:
            connect(url, identity=identity)
        assert caught.value.code == "ISO-3004"


def test_lifecycle_requests(base_url: str, serve: Serve, connect: Connect) -> None:
    assert_refused(httpx.get(f"{base_url}/api/nen/status"), "ISO-2003")
    peer = connect(base_url)
    unsigned = {nen.SESSION_HEADER: peer.session.id}
    assert peer.http.get("/api/nen/status", headers=unsigned).json() == {"valid": True}
    signed = nen.LifecycleCall.terminate("/api/nen/terminate").seal(peer.nen).headers
    forged = dict(signed) | {nen.SIGNATURE_HEADER: "A" * 43 + "="}
    assert_refused(peer.http.post("/api/nen/terminate", headers=forged), "ISO-3002")
    assert peer.status() is True

    strict = connect(serve(create_app(require_signed_lifecycle=True)))
    unsigned = {nen.SESSION_HEADER: strict.session.id}
    assert_refused(strict.http.get("/api/nen/status", headers=unsigned), "ISO-3001")
    assert strict.status() is True


def test_a_rotation_that_fails_loses_nothing(peer: Peer) -> None:
    headers = nen.LifecycleCall.rotate("/api/nen/rotate").seal(peer.nen).headers
    assert_refused(peer.http.post("/api/nen/rotate", content=b"{}", headers=headers), "ISO-1001")
    assert peer.fetch("GET", "/api/secure-data").status == 200


def test_unsigned_requests_of_legacy_clients(serve: Serve, connect: Connect) -> None:
    peer = connect(serve(create_app(strict=False)))
    call, request = peer.seal("POST", "/api/secure-data", b"[1]")
    request.headers.pop(nen.SIGNATURE_HEADER)
    response = peer.send(request)
    assert call.open(peer.nen, response.status_code, None, response.content).kind == "answer"
    assert_refused(peer.send(request), "ISO-5001")


@pytest.mark.parametrize("path", ["/api/boom", "/api/html-500", "/api/not-modified", "/api/packed"])
def test_a_handler_that_fails_says_nothing_of_the_cause(peer: Peer, path: str) -> None:
    _, request = peer.seal("POST" if path == "/api/boom" else "GET", path)
    response = peer.send(request)
    assert_refused(response, "ISO-9000")
    assert KABOOM not in response.text


def test_the_server_logs_the_exception(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    _, request = peer.seal("POST", "/api/boom")
    peer.send(request)
    (record,) = [record for record in caplog.records if record.name == "uvicorn.error" and record.exc_info]
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == KABOOM


def test_a_refused_head_has_no_body(peer: Peer) -> None:
    head = peer.http.head("/api/secure-data")
    get = peer.http.get("/api/secure-data")
    assert (head.status_code, head.content) == (401, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


class Raw:
    """A request written by hand, to send a part of its body only."""

    def __init__(self, url: httpx.URL, headers: Any) -> None:
        self.socket = socket.create_connection(urlsplit(str(url)).netloc.split(":"), timeout=10)  # type: ignore[arg-type]
        head = [f"POST {url.raw_path.decode()} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        self.socket.sendall("\r\n".join([*head, "Host: test", "", ""]).encode())

    def answer(self) -> httpx.Response:
        with self.socket, self.socket.makefile("rb") as reader:
            status = int(reader.readline().split()[1])
            headers = dict(line.decode().strip().split(": ", 1) for line in iter(reader.readline, b"\r\n"))
            return httpx.Response(status, headers=headers, content=reader.read(int(headers["content-length"])))


def test_a_body_that_says_it_is_too_long_is_not_read_at_all(peer: Peer) -> None:
    headers = nen.Call("POST", "/api/secure-data").seal(peer.nen).headers
    length = ("Content-Length", str(8 * 1024 * 1024 + 1))
    assert_refused(Raw(peer.http.base_url.join("/api/secure-data"), [*headers, length]).answer(), "ISO-6001")


def test_a_body_that_turns_out_too_long_is_read_up_to_the_limit(serve: Serve, connect: Connect) -> None:
    peer = connect(serve(create_app(max_body=1000)))
    headers = nen.Call("POST", "/api/secure-data").seal(peer.nen).headers
    raw = Raw(peer.http.base_url.join("/api/secure-data"), [*headers, ("Transfer-Encoding", "chunked")])
    raw.socket.sendall(b"3e9\r\n" + b" " * 1001 + b"\r\n")  # and no end
    assert_refused(raw.answer(), "ISO-6001")
    _, request = peer.seal("POST", "/api/secure-data", json.dumps("x" * 700).encode())
    assert peer.send(request).status_code == 200


def test_headers_are_checked_before_the_body_is_read(peer: Peer) -> None:
    headers = nen.Call("POST", "/api/secure-data").seal(peer.nen).headers[:-1]
    raw = Raw(peer.http.base_url.join("/api/secure-data"), [*headers, ("Content-Length", "100")])
    assert_refused(raw.answer(), "ISO-3001")


@pytest.mark.parametrize("limit", ["max_sessions", "max_nonces", "max_nonces_per_session"])
def test_a_store_in_memory_takes_no_limit_that_refuses_everything(limit: str) -> None:
    with pytest.raises(ValueError, match=f"{limit} must be at least 1"):
        nen.MemorySessionStore(**{limit: 0})
