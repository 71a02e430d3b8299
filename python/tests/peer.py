"""A small client: the protocol from `nen`, the transport from httpx."""

from __future__ import annotations

import json
import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from typing_extensions import Self

import nen


@dataclass
class Opened:
    """An opened answer."""

    response: httpx.Response
    value: Any

    @property
    def status(self) -> int:
        return self.response.status_code


class Peer:
    """A client of one server."""

    def __init__(self, base_url: str, *, identity: nen.Identity | None = None, prefix: str = "/api/nen") -> None:
        self.http = httpx.Client(base_url=base_url, timeout=10)
        self.nen = nen.Client(identity=identity)
        self.prefix = prefix

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    @property
    def session(self) -> nen.Session:
        assert self.nen.session is not None
        return self.nen.session

    def handshake(self) -> httpx.Response:
        """Establish a session."""
        handshake = self.nen.handshake()
        answer = self.http.post(f"{self.prefix}/handshake", content=handshake.body)
        self.nen.establish(handshake, answer.status_code, answer.content)
        return answer

    def rotate(self) -> None:
        """Replace the session."""
        assert self._lifecycle("rotate", nen.LifecycleCall.rotate) is True

    def terminate(self) -> None:
        """End the session."""
        assert self._lifecycle("terminate", nen.LifecycleCall.terminate) is True

    def status(self) -> bool | None:
        """Ask whether the session lives."""
        return self._lifecycle("status", nen.LifecycleCall.status)

    def _lifecycle(self, action: str, make: Callable[[str], nen.LifecycleCall]) -> bool | None:
        path = f"{self.prefix}/{action}"
        call = make(path)
        request = call.seal(self.nen)
        answer = self.http.request(call.method, path, content=request.body, headers=request.headers)
        outcome = call.open(self.nen, answer.status_code, answer.headers.get("date"), answer.content)
        assert outcome.kind == "done"
        return outcome.value

    def sealed_by_hand(self, method: str, path: str, plaintext: bytes) -> httpx.Request:
        """Make a request that our own client would not: whatever the plaintext, it is sealed and signed."""
        nonce, timestamp = secrets.token_bytes(nen.NONCE_SIZE), time.time_ns() // 1_000_000
        signature = self.session.sign(method, path, timestamp, nonce)
        headers = {
            nen.SESSION_HEADER: self.session.id,
            nen.TIMESTAMP_HEADER: str(timestamp),
            nen.NONCE_HEADER: b64encode(nonce).decode(),
            nen.SIGNATURE_HEADER: b64encode(signature).decode(),
        }
        body = {"ct": b64encode(self.session.seal(nonce, plaintext)).decode()}
        return self.http.build_request(method, path, json=body, headers=headers)

    def seal(self, method: str, path: str, body: bytes | None = None, **options: Any) -> tuple[nen.Call, httpx.Request]:
        """Make a sealed request, to be sent as it is or changed before."""
        call = nen.Call(method, path)
        sealed = call.seal(self.nen, body, **options)
        request = self.http.build_request(method, path, content=sealed.body, headers=sealed.headers)
        return call, request

    def send(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        return self.http.send(request, stream=stream)

    def fetch(self, method: str, path: str, value: Any = ...) -> Opened:
        """Send a sealed request and open its answer."""
        call, request = self.seal(method, path, None if value is ... else json.dumps(value).encode())
        response = self.send(request)
        outcome = call.open(self.nen, response.status_code, response.headers.get("date"), response.content)
        assert outcome.kind == "answer"
        return Opened(response, None if outcome.json is None else json.loads(outcome.json))

    @contextmanager
    def stream(self, method: str, path: str, value: Any = ...) -> Iterator[Iterator[bytes]]:
        """Open a stream and yield its chunks as they come; a stream without its end mark raises."""
        call, request = self.seal(method, path, None if value is ... else json.dumps(value).encode())
        response = self.send(request, stream=True)
        try:
            if not response.is_success:
                call.refuse_stream(self.nen, response.status_code, response.headers.get("date"), response.read())
            yield self._chunks(response, call.open_stream(self.nen, response.headers.get(nen.STREAM_NONCE_HEADER)))
        finally:
            response.close()

    @staticmethod
    def _chunks(response: httpx.Response, opener: nen.StreamOpener) -> Iterator[bytes]:
        try:
            for data in response.iter_raw():
                opener.push(data)
                while (chunk := opener.next_chunk()) is not None:
                    yield chunk
        except httpx.RemoteProtocolError:
            pass  # the transport broke off; whether anything is missing, the sealed end mark says
        opener.end()
