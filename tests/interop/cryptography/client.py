"""The interop client that is written from docs/PROTOCOL.md alone, without our library: client BASE_URL."""  # noqa: INP001 - a program, not a package
# ruff: noqa: S101 - its steps assert

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from typing import Any, NamedTuple

import httpx2
import steps
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from protocol import (
    ENDPOINTS,
    SENTINEL,
    SESSION_HEADER,
    Answer,
    Client,
    ProtocolError,
    identity_key,
    read_error,
    to_base64,
)

METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE")
SECRET = {"secret": "Only the endpoint that needs this can read it", "n": [1, 2.5, None, "ü"]}


class Lie(NamedTuple):
    """What a lie of the fault server must give, and for a stream the chunks before it."""

    fault: str
    code: str
    chunks: list[bytes] | None = None


LIES = [
    Lie("tampered", "ISO-4001"),
    Lie("plaintext", "ISO-6001"),
    Lie("reflected", "ISO-5001"),
    Lie("truncated", "ISO-7003", [b"one ", b"two ", b"three ", b"four "]),
    Lie("no-stream-nonce", "ISO-7001", []),
    Lie("reordered", "ISO-4001", [b"one "]),
]


def dumps(value: object) -> bytes:
    """Write JSON."""
    return json.dumps(value).encode()


def echo(received: object) -> Answer:
    """Tell what the server answers to a body."""
    return Answer(200, is_sealed=True, value={"message": "Securely processed", "received": received})


class Run:
    """The steps against one server."""

    def __init__(self, http: httpx2.AsyncClient, bare: httpx2.AsyncClient) -> None:
        http.event_hooks = {"response": [self.saw]}
        self.bare, self.client = bare, Client(http)
        self.network: list[str] = []

    async def saw(self, response: httpx2.Response) -> None:
        """Record what the client asked and was answered."""
        self.network.append(f"{response.status_code} {response.request.url.path}")

    async def steps(self) -> list[steps.Step]:
        """List the steps; the faults only where the server has them."""
        all_steps: list[steps.Step] = [("handshake", self.handshake)]
        all_steps += [(method.lower(), partial(self.method, method)) for method in METHODS]
        others = [self.head, self.path, self.created, self.boom, self.stream_post, self.stream_get]
        others += [self.identity, self.rotate, self.recover, self.terminate]
        all_steps += [(step.__name__.replace("_", "-"), step) for step in others]
        if (await self.bare.get("/api/faults")).is_success:
            all_steps += [(f"fault-{lie.fault}", partial(self.fault, lie)) for lie in LIES]
            all_steps += [("fault-stale-clock", self.stale_clock)]
        return all_steps

    async def handshake(self) -> None:
        """Exchange keys, once."""
        await self.client.handshake()
        assert self.network == ["200 /api/nen/handshake"], self.network
        assert await self.client.status() is True

    async def method(self, method: str) -> None:
        """Echo a body, by each method that may have one."""
        if method == "GET":
            assert await self.client.call("GET", "/api/secure-data") == echo(None)
        else:
            value = {"method": method, **SECRET}
            assert await self.client.call(method, "/api/secure-data", dumps(value)) == echo(value)

    async def head(self) -> None:
        """Get an answer without a body."""
        assert (await self.client.call("HEAD", "/api/secure-data")).status == httpx2.codes.OK
        assert self.network[-1] == "200 /api/secure-data", self.network

    async def path(self) -> None:
        """Have a path verified that is percent-encoded."""
        answer = await self.client.call("GET", "/api/notes/caf%C3%A9%20au%20lait")
        assert answer == Answer(200, is_sealed=True, value={"id": "café au lait"}), answer

    async def created(self) -> None:
        """Get a status of the handler's own."""
        answer = await self.client.call("POST", "/api/created", dumps(SECRET))
        assert answer == Answer(201, is_sealed=True, value={"created": SECRET}), answer

    async def boom(self) -> None:
        """Learn that a handler failed."""
        await fails("ISO-9000", self.client.call("POST", "/api/boom", dumps({})))

    async def stream_post(self) -> None:
        """Get each chunk before the server goes on; none is a sentinel."""
        delay = 0.2
        wish = {"prompt": "one two three", "delayMs": int(delay * 1000)}
        chunks, last = [], float("-inf")
        async for chunk in self.client.stream("POST", "/api/chat", dumps(wish)):
            # A chunk that was held back until the next one, or the end, comes together with it.
            assert time.monotonic() - last > delay / 2, f"{chunk!r} was not delivered before the server went on"
            last = time.monotonic()
            chunks.append(chunk)
        assert chunks == [b"one ", b"two ", b"three "], chunks
        exact = await collect(self.client.stream("POST", "/api/chat", dumps({"prompt": "a __FIN__ b", "exact": True})))
        assert b"".join(exact) == b"a" + SENTINEL + b"b", exact

    async def stream_get(self) -> None:
        """Get a stream without having sent a body."""
        chunks = await collect(self.client.stream("GET", "/api/chat"))
        assert chunks == [b"secure ", b"streaming ", b"works "], chunks

    async def identity(self) -> None:
        """Be known by a key, and by none without it."""
        identity = MLDSA65PrivateKey.generate()
        known = Client(self.client.http, identity)
        await known.handshake()
        key = to_base64(identity_key(identity))
        assert (await known.call("POST", "/api/whoami", dumps({}))).value == {"identity": key}
        await known.rotate()
        assert (await known.call("POST", "/api/whoami", dumps({}))).value == {"identity": key}
        await known.terminate()
        assert (await self.client.call("POST", "/api/whoami", dumps({}))).value == {"identity": None}

    async def rotate(self) -> None:
        """Replace the session, and find the old one dead."""
        old = self.client.session.sid
        assert await self.refusal_of(old) == "ISO-3005"  # Alive: only the nonce is missing.
        await self.client.rotate()
        assert await self.refusal_of(old) == "ISO-2002"
        assert self.client.session.sid != old
        self.network.clear()
        assert await self.client.call("POST", "/api/secure-data", dumps(SECRET)) == echo(SECRET)
        assert self.network == ["200 /api/secure-data"], self.network  # Under the new session, without another one.
        await self.ask("POST", f"{ENDPOINTS}/terminate", self.client.session.sid)
        await self.client.rotate()  # There is nothing left to rotate: a handshake.
        assert self.network[-1] == "200 /api/nen/handshake", self.network
        assert await self.client.status() is True

    async def recover(self) -> None:
        """Make a lost session anew, once for all calls."""
        for calls in (1, 16):
            await self.ask("POST", f"{ENDPOINTS}/terminate", self.client.session.sid)
            self.network.clear()
            answers = await asyncio.gather(
                *(self.client.call("POST", "/api/secure-data", dumps(number)) for number in range(calls))
            )
            assert answers == [echo(number) for number in range(calls)], answers
            # Each was under way when the session was found dead.
            expected = {"401 /api/secure-data": calls, "200 /api/nen/handshake": 1, "200 /api/secure-data": calls}
            assert Counter(self.network) == expected, self.network

    async def terminate(self) -> None:
        """End the session."""
        session = self.client.session
        assert await self.client.status() is True
        await self.client.terminate()
        await fails("ISO-2001", self.client.call("GET", "/api/secure-data"))
        self.client.current = session
        assert await self.client.status() is False

    async def fault(self, lie: Lie) -> None:
        """Find a lie out."""
        await self.client.handshake()
        path = f"/api/faults/{lie.fault}"
        self.network.clear()
        chunks: list[bytes] = []
        if lie.chunks is None:
            await fails(lie.code, self.client.call("POST", path, dumps(SECRET)))
        else:
            await fails(lie.code, collect(self.client.stream("POST", path, dumps(SECRET)), chunks))
        assert chunks == (lie.chunks or []), chunks
        assert self.network == [f"200 {path}"], self.network

    async def stale_clock(self) -> None:
        """Learn the server's clock."""
        path = "/api/faults/stale-clock"
        self.network.clear()
        assert await self.client.call("POST", path, dumps(SECRET)) == echo(SECRET)
        assert self.network == [f"401 {path}", f"200 {path}"], self.network

    async def ask(self, method: str, path: str, sid: str) -> httpx2.Response:
        """Send a request past the client, which only names a session."""
        return await self.bare.request(method, path, headers={SESSION_HEADER: sid})

    async def refusal_of(self, sid: str) -> str | None:
        """Tell the code with which a session is refused."""
        error = read_error(await self.ask("GET", "/api/secure-data", sid))
        return error.code if error else None


async def collect(stream: AsyncIterator[bytes], chunks: list[bytes] | None = None) -> list[bytes]:
    """Read a stream to its end, or its failure."""
    chunks = [] if chunks is None else chunks
    async for chunk in stream:
        chunks.append(chunk)
    return chunks


async def fails(code: str, call: Awaitable[Any]) -> None:
    """Await a call that must fail with a code."""
    try:
        await call
    except ProtocolError as error:
        assert error.code == code, error  # noqa: PT017 - no pytest here
        return
    msg = f"it did not fail with {code}"
    raise AssertionError(msg)


async def run(base: str) -> bool:
    """Run the steps."""
    async with httpx2.AsyncClient(base_url=base) as http, httpx2.AsyncClient(base_url=base) as bare:
        return await steps.run(await Run(http, bare).steps())


if __name__ == "__main__":
    sys.exit(steps.main(run))
