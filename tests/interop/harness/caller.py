"""A client that decides nothing: it seals and opens by the library, and sends the same bytes wherever it is told."""
# ruff: noqa: S101 - its checks are asserts

import asyncio
import json
import random
import time
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx2

import nen

HTTP_SECONDS = 15
NOTHING: Any = object()
"""Stands for no body, where None is one."""


class Request(NamedTuple):
    """The bytes of a request; which server gets it is another matter."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes | None = None


class Reply(NamedTuple):
    """An answer, and how long it took, in seconds."""

    response: httpx2.Response
    seconds: float

    @property
    def verdict(self) -> str:
        """Tell status and code, such as `200` or `401 ISO-2002`."""
        status, text = self.response.status_code, self.response.text
        return f"{status} {json.loads(text)['error']['code']}" if '"error"' in text else str(status)


class Known(NamedTuple):
    """A session that was made, and for whom."""

    session: nen.Session
    identity: nen.Identity | None


@dataclass
class Network:
    """The servers, and a record of all that was sealed for them."""

    urls: dict[str, str]
    http: httpx2.AsyncClient
    sessions: list[Known] = field(default_factory=list)
    nonce_keys: set[str] = field(default_factory=set)

    async def send(self, server: str, request: Request) -> Reply:
        """Send a request to a server."""
        start = time.monotonic()
        response = await self.http.request(
            request.method, self.urls[server] + request.path, headers=request.headers, content=request.body
        )
        return Reply(response, time.monotonic() - start)

    async def send_to_all(self, request: Request) -> dict[str, Reply]:
        """Send the very same request to all servers at once, in any order."""
        order = random.sample(list(self.urls), len(self.urls))
        return dict(zip(order, await asyncio.gather(*(self.send(server, request) for server in order)), strict=True))


class Caller:
    """A client with one session, which any server may be asked to honour."""

    def __init__(self, network: Network, *, identity: nen.Identity | None = None) -> None:
        self.identity = identity
        self._network = network
        self._client = nen.Client(identity=identity, correct_clock=False)

    @property
    def session(self) -> nen.Session:
        """The session there is."""
        session = self._client.session
        assert session is not None, "there is no session"
        return session

    async def handshake(self, server: str) -> None:
        """Make a session at a server."""
        handshake = self._client.handshake()
        reply = await self._network.send(server, handshake_request(handshake))
        session = self._client.establish(handshake, reply.response.status_code, reply.response.content)
        self._network.sessions.append(Known(session, self.identity))

    def seal(self, method: str, path: str, value: object = NOTHING) -> tuple[nen.Call, Request]:
        """Make a sealed request."""
        call = nen.Call(method, path)
        body = None if value is NOTHING else json.dumps(value).encode()
        return call, self._noted(method, path, call.seal(self._client, body))

    async def fetch(self, server: str, method: str, path: str, value: object = NOTHING) -> Any:  # noqa: ANN401 - JSON
        """Send a sealed request and open its answer."""
        call, request = self.seal(method, path, value)
        reply = await self._network.send(server, request)
        assert reply.verdict == "200", f"{method} {path} at {server}: {reply.verdict}"
        response = reply.response
        outcome = call.open(self._client, response.status_code, response.headers.get("date"), response.content)
        assert outcome.json is not None, f"{method} {path} at {server}: the answer holds nothing"
        return json.loads(outcome.json)

    async def stream(self, server: str, value: object) -> list[bytes]:
        """Ask for a stream, and open it to its end."""
        call, request = self.seal("POST", "/api/chat", value)
        response = (await self._network.send(server, request)).response
        assert response.status_code == httpx2.codes.OK, f"stream at {server}: {response.status_code}"
        opener = call.open_stream(self._client, response.headers.get(nen.STREAM_NONCE_HEADER))
        opener.push(response.content)
        chunks: list[bytes] = []
        while (chunk := opener.next_chunk()) is not None:
            chunks.append(chunk)
        opener.end()
        return chunks

    def lifecycle(self, action: str) -> tuple[nen.LifecycleCall, Request]:
        """Make a signed request for `rotate`, `terminate` or `status`."""
        path = f"{nen.ENDPOINT_PREFIX}/{action}"
        call: nen.LifecycleCall = getattr(nen.LifecycleCall, action)(path)
        return call, self._noted(call.method, path, call.seal(self._client))

    async def change(self, server: str, action: str) -> bool | None:
        """Rotate or terminate the session, or ask after it."""
        call, request = self.lifecycle(action)
        response = (await self._network.send(server, request)).response
        outcome = call.open(self._client, response.status_code, response.headers.get("date"), response.content)
        assert outcome.kind == "done", f"{action} at {server}: {outcome.kind}"
        if action == "rotate":
            self._network.sessions.append(Known(self.session, self.identity))
        return outcome.value

    def _noted(self, method: str, path: str, sealed: nen.SealedRequest) -> Request:
        nonce = b64decode(dict(sealed.headers)[nen.NONCE_HEADER])
        self._network.nonce_keys.add(nen.nonce_key(self.session.id, nonce))
        return Request(method, path, sealed.headers, sealed.body)


def handshake_request(handshake: nen.ClientHandshake) -> Request:
    """Make the request that offers a key."""
    return Request("POST", f"{nen.ENDPOINT_PREFIX}/handshake", [], handshake.body)


def bare(method: str, action: str, session: nen.Session) -> Request:
    """Make a request for an endpoint that names a session and is not signed."""
    return Request(method, f"{nen.ENDPOINT_PREFIX}/{action}", [(nen.SESSION_HEADER, session.id)])
