"""The Python client among the interop peers: client BASE_URL."""  # noqa: INP001 - a program, not a package
# ruff: noqa: S101, T201 - its steps assert, and its output is what it is for

import asyncio
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import httpx2

from nen import SESSION_HEADER, AsyncNenClient, Identity, NenError

SECRET = {"secret": "Only the endpoint that needs this can read it", "n": [1, 2.5, None, "ü"]}


def echo(received: object) -> dict[str, Any]:
    """Tell what the server answers to a body."""
    return {"message": "Securely processed", "received": received}


class Lie(NamedTuple):
    """What a lie of the fault server must give, and for a stream the chunks before it."""

    fault: str
    code: str
    chunks: list[str] | None = None


LIES = [
    Lie("tampered", "ISO-4001"),
    Lie("plaintext", "ISO-6001"),
    Lie("reflected", "ISO-5001"),
    Lie("truncated", "ISO-7003", ["one ", "two ", "three ", "four "]),
    Lie("no-stream-nonce", "ISO-7001", []),
    Lie("reordered", "ISO-4001", ["one "]),
]


class Run:
    """The steps against one server."""

    def __init__(self, base: str, http: httpx2.AsyncClient, bare: httpx2.AsyncClient) -> None:
        http.event_hooks = {"response": [self.saw]}
        self.base, self.bare = base, bare
        self.client = AsyncNenClient(base, http)
        self.network: list[str] = []
        self.results: Counter[bool] = Counter()

    async def saw(self, response: httpx2.Response) -> None:
        """Record what the client asked and was answered."""
        self.network.append(f"{response.status_code} {response.request.url.path}")

    async def step(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run one step and tell how it went."""
        why = ""
        try:
            await asyncio.wait_for(run(), 30)
        except Exception as error:  # noqa: BLE001 - whatever fails fails the step
            why = " ".join(f"{type(error).__name__}: {error}".split())
        self.results[not why] += 1
        print(f"not ok {name}: {why}" if why else f"ok {name}", flush=True)

    async def all(self) -> bool:
        """Run all steps."""
        await self.step("handshake", self.handshake)
        for method in ("POST", "GET", "PUT", "PATCH", "DELETE"):
            await self.step(method.lower(), lambda method=method: self.method(method))  # type: ignore[misc]
        for step in (self.head, self.path, self.created, self.boom):
            await self.step(step.__name__, step)
        await self.step("stream-post", self.stream_post)
        await self.step("stream-get", self.stream_get)
        for step in (self.identity, self.rotate, self.recover, self.terminate):
            await self.step(step.__name__, step)
        if (await self.bare.get("/api/faults")).status_code == httpx2.codes.OK:
            for lie in LIES:
                await self.step(f"fault-{lie.fault}", lambda lie=lie: self.fault(lie))  # type: ignore[misc]
            await self.step("fault-stale-clock", self.stale_clock)
        print(f"{self.results[True]} passed, {self.results[False]} failed")
        return not self.results[False]

    async def handshake(self) -> None:
        """Exchange keys, once."""
        await self.client.handshake()
        assert self.network == ["200 /api/nen/handshake"], self.network
        assert await self.client.status() is True

    async def method(self, method: str) -> None:
        """Echo a body, by each method that may have one."""
        if method == "GET":
            assert await self.client.fetch("/api/secure-data") == echo(None)
        else:
            body = {"method": method, **SECRET}
            assert await self.client.fetch("/api/secure-data", method=method, json=body) == echo(body)

    async def head(self) -> None:
        """Get an answer without a body."""
        answer = await self.client.request("HEAD", "/api/secure-data")
        assert (answer.status_code, answer.content) == (200, b""), answer

    async def path(self) -> None:
        """Have a path verified that is percent-encoded."""
        assert await self.client.fetch("/api/notes/caf%C3%A9%20au%20lait") == {"id": "café au lait"}

    async def created(self) -> None:
        """Get a status of the handler's own."""
        answer = await self.client.request("POST", "/api/created", json=SECRET)
        assert (answer.status_code, answer.is_sealed) == (201, True), answer
        assert answer.json() == {"created": SECRET}

    async def boom(self) -> None:
        """Learn that a handler failed, and not why."""
        error = await fails(self.client.fetch("/api/boom", json={}))
        assert error.code == "ISO-9000", error
        assert "kaboom" not in str(error)

    async def stream_post(self) -> None:
        """Get each chunk before the server goes on."""
        delay = 0.2
        wish = {"prompt": "one two three", "delayMs": int(delay * 1000)}
        chunks, last = [], float("-inf")
        async with self.client.stream("/api/chat", json=wish) as stream:
            async for chunk in stream.aiter_bytes():
                # A chunk that was held back until the next one, or the end, comes together with it.
                assert time.monotonic() - last > delay / 2, f"{chunk!r} was not delivered before the server went on"
                last = time.monotonic()
                chunks.append(chunk)
        assert chunks == [b"one ", b"two ", b"three "], chunks
        exact = await self.collect("/api/chat", json={"prompt": "a __FIN__ b", "exact": True})
        assert "".join(exact) == "a__FIN__b", exact

    async def stream_get(self) -> None:
        """Get a stream without having sent a body."""
        assert await self.collect("/api/chat") == ["secure ", "streaming ", "works "]

    async def identity(self) -> None:
        """Be known by a key."""
        identity = Identity.generate()
        async with AsyncNenClient(self.base, identity=identity) as known:
            key = b64encode(identity.public_key.spki).decode()
            assert await known.fetch("/api/whoami", json={}) == {"identity": key}
            await known.terminate()
        assert await self.client.fetch("/api/whoami", json={}) == {"identity": None}

    async def rotate(self) -> None:
        """Replace the session, and find the old one dead."""
        old = self.client.session_id
        assert await self.refusal_of(old) == "ISO-3005"  # Alive: only the nonce is missing.
        await self.client.rotate()
        assert await self.refusal_of(old) == "ISO-2002"
        assert self.client.session_id != old
        self.network.clear()
        assert await self.client.fetch("/api/secure-data", json=SECRET) == echo(SECRET)
        assert self.network == ["200 /api/secure-data"], self.network  # Under the new session, without another one.

    async def recover(self) -> None:
        """Make a lost session anew, once for all calls."""
        for calls in (1, 16):
            await self.ask("POST", "/api/nen/terminate", self.client.session_id)
            self.network.clear()
            answers = await asyncio.gather(
                *(self.client.fetch("/api/secure-data", json=number) for number in range(calls))
            )
            assert answers == [echo(number) for number in range(calls)], answers
            # Each was under way when the session was found dead.
            expected = {"401 /api/secure-data": calls, "200 /api/nen/handshake": 1, "200 /api/secure-data": calls}
            assert Counter(self.network) == expected, self.network

    async def terminate(self) -> None:
        """End the session."""
        sid = self.client.session_id
        assert await self.client.status() is True
        assert (await self.ask("GET", "/api/nen/status", sid)).json() == {"valid": True}
        await self.client.terminate()
        assert await self.client.status() is False
        answer = await self.ask("GET", "/api/nen/status", sid)
        assert (answer.status_code, answer.json()) == (401, {"valid": False}), answer

    async def fault(self, lie: Lie) -> None:
        """Find a lie out."""
        await self.client.handshake()
        path = f"/api/faults/{lie.fault}"
        self.network.clear()
        chunks: list[str] = []
        if lie.chunks is None:
            error = await fails(self.client.fetch(path, json=SECRET))
        else:
            error = await fails(self.collect(path, json=SECRET, chunks=chunks))
        assert error.code == lie.code, error
        assert chunks == (lie.chunks or []), chunks
        assert self.network == [f"200 {path}"], self.network

    async def stale_clock(self) -> None:
        """Learn the server's clock."""
        path = "/api/faults/stale-clock"
        self.network.clear()
        assert await self.client.fetch(path, json=SECRET) == echo(SECRET)
        assert self.network == [f"401 {path}", f"200 {path}"], self.network

    async def collect(self, path: str, *, chunks: list[str] | None = None, **options: object) -> list[str]:
        """Read a stream to its end, or its failure."""
        chunks = [] if chunks is None else chunks
        async with self.client.stream(path, **options) as stream:  # type: ignore[arg-type]
            async for text in stream.aiter_text():
                chunks.append(text)
        return chunks

    async def ask(self, method: str, path: str, sid: str | None) -> httpx2.Response:
        """Send a request past the client, which only names a session."""
        return await self.bare.request(method, path, headers={SESSION_HEADER: sid or ""})

    async def refusal_of(self, sid: str | None) -> object:
        """Tell the code with which a session is refused."""
        return (await self.ask("GET", "/api/secure-data", sid)).json()["error"]["code"]


async def fails(call: Awaitable[object]) -> NenError:
    """Await the error of a call."""
    try:
        await call
    except NenError as error:
        return error
    msg = "it did not fail"
    raise AssertionError(msg)


async def main() -> int:
    """Run the steps."""
    if len(sys.argv) != 2:  # noqa: PLR2004
        print("usage: client BASE_URL", file=sys.stderr)
        return 2
    base = sys.argv[1]
    async with httpx2.AsyncClient() as http, httpx2.AsyncClient(base_url=base) as bare:
        return 0 if await Run(base, http, bare).all() else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
