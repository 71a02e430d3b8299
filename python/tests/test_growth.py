"""Memory stays where it is, however many requests are served."""

from __future__ import annotations

import gc
import resource
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import nen
from nen.limits import HandshakeLimit
from tests.inprocess import InProcess, echo

REQUESTS = 100_000
HANDSHAKES_EVERY = 50
MIB = 1024 * 1024


def resident() -> int:
    """Bytes of this process's memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class FakeTime(InProcess):
    """A client and a server to whom each request takes a millisecond, so that the test's speed changes nothing."""

    def __init__(self, **options: Any) -> None:
        super().__init__(echo, **options)
        self.now_ms: int = 1_763_750_000_000
        server, storage = self.middleware._guard.server, self.middleware._storage  # noqa: SLF001

        class At:
            @staticmethod
            def admit(*arguments: Any) -> nen.Exchange:
                return server.admit(*arguments, now_ms=self.now_ms)

            @staticmethod
            def respond(*arguments: Any) -> nen.Answer:
                return server.respond(*arguments, now_ms=self.now_ms)

        storage._server = At  # type: ignore[assignment]  # noqa: SLF001

    def seal(self, method: str, path: str, body: bytes | None) -> Any:
        self.now_ms += 1
        return super().seal(method, path, body)


def use(local: InProcess, requests: int) -> None:
    """Make requests and handshakes, among them some that are refused."""
    for number in range(requests):
        if number % HANDSHAKES_EVERY == 0:
            local.handshake()
            assert local.request("POST", "/api/nen/handshake", [], b"{}").status == 400
        if number % 10 == 0:
            assert local.request("GET", "/x", []).status == 401
        assert local.fetch("POST", "/x", b'{"amount":1840}') == b'{"amount":1840}'


def test_memory_does_not_grow_over_100_000_requests(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", "nen")  # pytest keeps each record
    # Short lives, so that what is remembered reaches its steady state within the warm-up.
    store = nen.MemorySessionStore()
    limit = HandshakeLimit(1_000_000, key=lambda _: "everybody")
    local = FakeTime(store=store, session_ttl_ms=1_000, window_ms=1_000, handshake_limit=limit)
    use(local, REQUESTS // 5)
    before = resident()
    use(local, REQUESTS)
    growth = resident() - before

    tracemalloc.start()
    use(local, 500)
    gc.collect()
    traced, _ = tracemalloc.get_traced_memory()
    use(local, 2_000)
    gc.collect()
    traced_growth = tracemalloc.get_traced_memory()[0] - traced
    tracemalloc.stop()

    print(  # noqa: T201 - the figures, with pytest -s
        f"\n{REQUESTS} requests: {growth} bytes resident, {traced_growth / 2_000:.2f} bytes of Python objects each; "
        f"{store.sessions} sessions, {store.nonces} nonces"
    )
    assert growth < 2 * MIB, "20 bytes a request"
    assert traced_growth < 8 * 2_000, "8 bytes a request"
