"""What the clients make of answers that are not what the endpoint has said."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from time import time
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse

import nen
from tests.app import create_app
from tests.clients import Driven, Variant
from tests.conftest import Dial, Serve
from tests.meddler import Instead, Meddler, Relayed

PATH = "/api/secure-data"
CHAT = "/api/chat"
HANDSHAKE = "/api/nen/handshake"


def changed(**members: str) -> Callable[[Relayed], None]:
    def lie(relayed: Relayed) -> None:
        relayed.body = json.dumps({**json.loads(relayed.body), **members}).encode()

    return lie


def instead(body: bytes) -> Callable[[Relayed], None]:
    def lie(relayed: Relayed) -> None:
        relayed.body = body

    return lie


def reflected(relayed: Relayed) -> None:
    relayed.body = json.dumps(
        {"ct": json.loads(relayed.request)["ct"], "n": relayed.request_headers[nen.NONCE_HEADER]}
    ).encode()


def compressed(relayed: Relayed) -> None:
    relayed.body = gzip.compress(relayed.body)
    relayed.headers["content-encoding"] = "gzip"


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        pytest.param(instead(b'{"message":"Securely processed","received":1}'), "ISO-6001", id="plaintext"),
        pytest.param(instead(b""), "ISO-6001", id="nothing"),
        pytest.param(instead(nen.NenError("ISO-2002").to_json()), "ISO-6001", id="an error with status 200"),
        pytest.param(compressed, "ISO-6001", id="compressed"),
        pytest.param(instead(b"{" * 2000), "ISO-6001", id="too long"),
        pytest.param(changed(ct="?"), "ISO-6002", id="no base64"),
        pytest.param(changed(ct="A" * 64), "ISO-4001", id="forged"),
        pytest.param(reflected, "ISO-5001", id="reflected"),
    ],
)
def test_a_lie_with_status_200_is_an_error(serve: Serve, dial: Dial, lie: Callable[[Relayed], None], code: str) -> None:
    client = dial(serve(Meddler(create_app(), PATH, lie)), max_answer=1999)
    with pytest.raises(nen.NenError) as caught:
        client.fetch(PATH, json={"password": "hunter2"})
    assert caught.value.code == code
    assert "hunter2" not in str(caught.value)
    assert client.recorded.log == [f"200 {HANDSHAKE}", f"200 {PATH}"]


def frames(*order: int) -> Callable[[Relayed], None]:
    def lie(relayed: Relayed) -> None:
        all_of_them = [frame + b"\n\n" for frame in relayed.body.split(b"\n\n")[:-1]]
        relayed.body = b"".join(all_of_them[number] for number in order)

    return lie


def without_nonce(relayed: Relayed) -> None:
    del relayed.headers[nen.STREAM_NONCE_HEADER]


def two_nonces(relayed: Relayed) -> None:
    relayed.headers.append(nen.STREAM_NONCE_HEADER, "A" * 16)


def our_own_nonce(relayed: Relayed) -> None:
    relayed.headers[nen.STREAM_NONCE_HEADER] = relayed.request_headers[nen.NONCE_HEADER]


@pytest.mark.parametrize(
    ("lie", "chunks", "code"),
    [
        pytest.param(frames(0, 1, 2), ["secure ", "streaming ", "works "], "ISO-7003", id="truncated"),
        pytest.param(frames(0, 2, 1, 3), ["secure "], "ISO-4001", id="reordered"),
        pytest.param(frames(0, 2, 3), ["secure "], "ISO-4001", id="dropped"),
        pytest.param(frames(0, 0, 1), ["secure "], "ISO-4001", id="repeated"),
        pytest.param(instead(b"data: ?\n\n"), [], "ISO-6002", id="no base64"),
        pytest.param(instead(b"data: " + b"A" * 5000), [], "ISO-6001", id="an endless frame"),
        pytest.param(without_nonce, None, "ISO-7001", id="without a nonce"),
        pytest.param(two_nonces, None, "ISO-7001", id="with two nonces"),
        pytest.param(our_own_nonce, None, "ISO-5001", id="with our own nonce"),
    ],
)
def test_a_lie_in_a_stream_is_an_error_after_what_was_right(
    serve: Serve, dial: Dial, lie: Callable[[Relayed], None], chunks: list[str] | None, code: str
) -> None:
    client = dial(serve(Meddler(create_app(), CHAT, lie)), max_chunk=1000)
    received: list[str] | None = None
    with pytest.raises(nen.NenError) as caught, client.stream(CHAT) as stream:  # noqa: PT012 - what came before counts
        received = []
        for text in stream.iter_text():
            received.append(text)
    assert (caught.value.code, received) == (code, chunks)


def test_a_chunk_over_the_limit_is_refused(base_url: str, dial: Dial) -> None:
    with pytest.raises(nen.WireError), dial(base_url, max_chunk=6).stream(CHAT) as stream:
        list(stream.iter_bytes())


async def bad_gateway(_: Request) -> Response:
    return PlainTextResponse("upstream is down", 502)


async def stranger(_: Request) -> Response:
    return Response(b'{"error":"unauthorized"}', 401, media_type="application/json")


async def redirect(_: Request) -> Response:
    return RedirectResponse("/api/notes/elsewhere", 307)


async def bomb(_: Request) -> Response:
    return Response(gzip.compress(bytes(10_000_000), mtime=0), 502, {"Content-Encoding": "gzip"})


@pytest.mark.parametrize(("answer", "status"), [(bad_gateway, 502), (stranger, 401), (redirect, 307), (bomb, 502)])
def test_an_answer_that_is_not_the_endpoints_is_handed_over_as_such(
    serve: Serve, dial: Dial, answer: Any, status: int
) -> None:
    client = dial(serve(Instead(create_app(), PATH, answer)), http={"follow_redirects": True}, max_answer=20_000)
    response = client.request("POST", PATH, json=1)
    assert (response.status_code, response.is_sealed) == (status, False)
    assert len(response.content) < 20_000
    with pytest.raises(nen.NenHTTPError, match="not the endpoint") as caught:
        client.fetch(PATH, json=1)
    assert caught.value.response.content == response.content
    with pytest.raises(nen.StreamError) as refused, client.stream(PATH):
        pass
    assert refused.value.code == "ISO-7002"
    assert isinstance(refused.value.__cause__, nen.NenHTTPError)
    assert client.recorded.log == [f"200 {HANDSHAKE}"] + [f"{status} {PATH}"] * 3


async def endless(_: Request) -> Response:
    async def zeros() -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)
            await asyncio.sleep(0)

    return StreamingResponse(zeros(), 500)


def test_an_endless_answer_is_not_kept(serve: Serve, dial: Dial) -> None:
    client = dial(serve(Instead(create_app(), PATH, endless)))
    for ask in (lambda: client.fetch(PATH), lambda: client.stream(PATH).__enter__()):
        with pytest.raises(nen.WireError, match="max_answer") as caught:
            ask()
        assert caught.value.code == "ISO-6001"


@pytest.mark.parametrize(("answer", "cause"), [(bad_gateway, None), (endless, nen.WireError)])
def test_an_answer_that_is_no_handshake(serve: Serve, dial: Dial, answer: Any, cause: type | None) -> None:
    client = dial(serve(Instead(create_app(), HANDSHAKE, answer)))
    with pytest.raises(nen.HandshakeError) as caught:
        client.fetch(PATH)
    assert caught.value.code == "ISO-1004"
    assert isinstance(caught.value.__cause__, cause or type(None))
    assert client.session_id is None


async def late(_: Request) -> None:
    await asyncio.sleep(0.5)


def test_a_handshake_that_nobody_answers(serve: Serve, dial: Dial, unused_url: str) -> None:
    for client, why in (
        (dial(unused_url), "ConnectError"),
        (dial(serve(Instead(create_app(), HANDSHAKE, late)), http={"timeout": 0.1}), "ReadTimeout"),
    ):
        with pytest.raises(nen.HandshakeError) as caught:
            client.fetch(PATH)
        assert caught.value.code == "ISO-1003"
        assert isinstance(caught.value.__cause__, getattr(client.variant.library, why))


def test_a_call_that_nobody_answers_fails_as_the_http_client_does(serve: Serve, dial: Dial) -> None:
    client = dial(serve(Instead(create_app(), PATH, late)))
    with pytest.raises(client.variant.library.ReadTimeout):
        client.fetch(PATH, timeout=0.1)
    with pytest.raises(client.variant.library.ReadTimeout), client.stream(PATH, timeout=0.1):
        pass
    assert client.fetch(PATH)["message"] == "Securely processed"


def test_a_stream_that_stalls_fails_as_the_http_client_does(serve: Serve, dial: Dial) -> None:
    app = create_app()
    client = dial(serve(app))
    with client.stream("/api/gated", timeout=0.3) as stream:
        texts = stream.iter_text()
        assert next(texts) == "first"
        with pytest.raises(client.variant.library.ReadTimeout):
            next(texts)
        with pytest.raises(nen.StreamError):  # Not the end of it.
            next(stream.iter_text())
    app.state.gate.open.set()


class WrongClock:
    """Refuses for the time, under a Date of its own, until it has done so a number of times."""

    def __init__(self, refusals: int, date: str | None) -> None:
        self.refusals, self.date = refusals, date

    async def __call__(self, _: Request) -> Response | None:
        if self.refusals == 0:
            return None
        self.refusals -= 1
        error = nen.NenError("ISO-3003")
        return Response(error.to_json(), error.http_status, {"Date": self.date} if self.date else {})


def date_in(seconds: int) -> str:
    return formatdate(time() + seconds, usegmt=True)


def test_a_clock_that_is_wrong_is_corrected_once(serve: Serve, dial: Dial, caplog: pytest.LogCaptureFixture) -> None:
    clock = WrongClock(1, date_in(20))
    client = dial(serve(Instead(create_app(), PATH, clock), date_header=False))
    assert client.fetch(PATH)["message"] == "Securely processed"
    assert client.recorded.log == [f"200 {HANDSHAKE}", f"401 {PATH}", f"200 {PATH}"]
    ahead = int(client.recorded.request.headers[nen.TIMESTAMP_HEADER]) - time() * 1000
    assert 15_000 < ahead < 25_000
    events = [getattr(record, "nen_event", None) for record in caplog.records if record.name == "nen"]
    assert events == ["clock-corrected"]


@pytest.mark.parametrize(
    ("date", "options", "attempts"),
    [(20, {}, 2), (None, {}, 1), ("yesterday", {}, 1), (20, {"correct_clock": False}, 1)],
)
def test_a_clock_that_cannot_be_corrected_is_an_error(
    serve: Serve, dial: Dial, date: str | int | None, options: Any, attempts: int
) -> None:
    date = date_in(date) if isinstance(date, int) else date
    client = dial(serve(Instead(create_app(), PATH, WrongClock(9, date)), date_header=False), **options)
    with pytest.raises(nen.AuthError) as caught:
        client.fetch(PATH)
    assert caught.value.code == "ISO-3003"
    assert client.recorded.log == [f"200 {HANDSHAKE}"] + [f"401 {PATH}"] * attempts


@pytest.fixture
def unused_url() -> Iterator[str]:
    """A port where nobody listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"


@contextmanager
def answering(raw: bytes) -> Iterator[str]:
    """Answer each connection with these bytes and no more."""

    def serve() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(raw)
                if b"101" in raw:  # It stays open, and nothing ever comes.
                    connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nmore", "ISO-1003", id="101"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}", "ISO-1003", id="cut off"),
        pytest.param(b"\x00 no HTTP\r\n\r\n", "ISO-1003", id="no HTTP"),
    ],
)
def test_what_is_hardly_http_is_an_error_and_no_wait(variant: Variant, raw: bytes, code: str) -> None:
    with answering(raw) as url, Driven(variant, url, http={"timeout": None}) as client:
        with pytest.raises(nen.HandshakeError) as caught:
            client.handshake()
        assert caught.value.code == code
