"""How many handshakes one caller may make."""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nen
from nen.limits import HandshakeLimit, caller_address
from tests.app import create_app
from tests.conftest import Connect, Serve

SECOND = 1_000_000_000


class Clock:
    """Nanoseconds that a test moves."""

    def __init__(self) -> None:
        self.now = 12345

    def __call__(self) -> int:
        return self.now


def by_name(**options: Any) -> tuple[HandshakeLimit, Clock]:
    clock = Clock()
    return HandshakeLimit(key=lambda request: request["name"], clock=clock, **options), clock


A, B = {"name": "a"}, {"name": "b"}


def test_a_burst_and_then_the_rate_exactly() -> None:
    limit, clock = by_name(per_minute=7)
    assert [limit.retry_after(A) for _ in range(8)] == [0] * 7 + [9]
    assert limit.retry_after(B) == 0
    clock.now += 60 * SECOND // 7
    assert limit.retry_after(A) == 1, "a seventh of a minute has not quite passed"
    clock.now += 1
    assert [limit.retry_after(A) for _ in range(2)] == [0, 9]
    clock.now += 60 * SECOND
    assert [limit.retry_after(A) for _ in range(8)] == [0] * 7 + [9]


def test_a_caller_that_waits_as_told_is_let_in() -> None:
    limit, clock = by_name(per_minute=7)
    for _ in range(20):
        while (seconds := limit.retry_after(A)) == 0:
            pass
        clock.now += (seconds - 1) * SECOND
        assert limit.retry_after(A) == 1
        clock.now += SECOND
        assert limit.retry_after(A) == 0


@given(st.integers(1, 200), st.lists(st.integers(0, 20 * SECOND), max_size=300))
def test_no_window_lets_in_more_than_the_burst_and_the_rate(per_minute: int, steps: list[int]) -> None:
    limit, clock = by_name(per_minute=per_minute)
    start, admitted = clock.now, 0
    for step in steps:
        clock.now += step
        admitted += limit.retry_after(A) == 0
        assert admitted <= per_minute + (clock.now - start) * per_minute / (60 * SECOND)


def test_a_clock_that_stands_or_goes_back_lets_nobody_in_early() -> None:
    limit, clock = by_name(per_minute=1)
    assert limit.retry_after(A) == 0
    clock.now -= 30 * SECOND
    assert limit.retry_after(A) == 90


def test_refused_attempts_do_not_make_the_wait_longer() -> None:
    limit, clock = by_name(per_minute=1)
    limit.retry_after(A)
    assert {limit.retry_after(A) for _ in range(100)} == {60}
    clock.now += 60 * SECOND
    assert limit.retry_after(A) == 0


def test_none_is_a_caller_without_a_limit() -> None:
    limit = HandshakeLimit(1, key=lambda _: None)
    assert [limit.retry_after({}) for _ in range(3)] == [0, 0, 0]


def test_hostile_keys_take_no_more_memory_than_the_cap() -> None:
    limit, clock = by_name(per_minute=60, max_keys=100)
    for number in range(10_000):
        assert limit.retry_after({"name": f"{number}" * 1_000}) == 0
    assert len(limit._paid) == 100  # noqa: SLF001
    assert sum(map(sys.getsizeof, limit._paid)) < 100 * 64  # noqa: SLF001
    clock.now += 2 * SECOND
    for _ in range(200):
        limit.retry_after(A)
    assert len(limit._paid) == 1, "what is paid for is forgotten"  # noqa: SLF001


def test_at_the_cap_the_one_let_in_least_recently_is_forgotten() -> None:
    limit, _ = by_name(per_minute=1, max_keys=2)
    limit.retry_after(A)
    limit.retry_after(B)
    assert limit.retry_after({"name": "c"}) == 0
    assert (limit.retry_after(B) > 0, limit.retry_after(A)) == (True, 0)


def test_any_text_is_a_key() -> None:
    limit, _ = by_name(per_minute=1)
    for name in ("", "\ud800", "\x00", "é"):
        assert [limit.retry_after({"name": name}) > 0 for _ in range(2)] == [False, True]


def test_threads_share_one_count() -> None:
    limit, _ = by_name(per_minute=500)
    barrier = threading.Barrier(8)

    def attempt(_: int) -> Counter[bool]:
        barrier.wait()
        return Counter(limit.retry_after(A) == 0 for _ in range(250))

    with ThreadPoolExecutor(8) as pool:
        counts = sum(pool.map(attempt, range(8)), Counter())
    assert counts == {True: 500, False: 1_500}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"client": ("192.0.2.1", 5)}, "192.0.2.1"),
        ({"REMOTE_ADDR": "192.0.2.1"}, "192.0.2.1"),
        ({"client": ("2001:db8:1:2:3:4:5:6", 5)}, "2001:db8:1:2::"),
        ({"client": ("2001:db8:1:2:ffff::", 5)}, "2001:db8:1:2::"),
        ({"client": ("::ffff:192.0.2.1", 5)}, "192.0.2.1"),
        ({"client": ("testclient", 5)}, "testclient"),
        ({"client": None}, ""),
        ({}, ""),
    ],
)
def test_the_address_of_a_caller(request_: Any, expected: str) -> None:
    assert caller_address(request_) == expected


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"per_minute": 0}, ValueError),
        ({"max_keys": 0}, ValueError),
        ({"per_minute": 1.5}, TypeError),
        ({"max_keys": "many"}, TypeError),
        ({"key": "client"}, TypeError),
        ({"clock": 0}, TypeError),
    ],
)
def test_arguments_are_checked(arguments: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        HandshakeLimit(**arguments)


def test_handshakes_and_rotations_over_the_limit_are_429_and_nothing_else_is(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    url = serve(create_app(handshake_limit=HandshakeLimit(2)))
    peer = connect(url)
    peer.rotate()
    body = nen.ClientHandshake().body
    for action in ("handshake", "rotate"):
        answer = httpx.post(f"{url}/api/nen/{action}", content=body)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.text == "Too Many Requests"
    assert peer.status() is True
    assert peer.fetch("GET", "/api/secure-data").status == 200
    records: list[Any] = [record for record in caplog.records if record.name == "nen"]
    assert [(record.nen_event, record.nen_retry_after) for record in records] == [("handshake-limited", 30)] * 2
    assert {record.levelno for record in records} == {logging.WARNING}


def test_a_key_of_one_s_own_tells_callers_apart(serve: Serve) -> None:
    def key(scope: Any) -> str:
        return str(dict(scope["headers"])[b"x-caller"])

    url = serve(create_app(handshake_limit=HandshakeLimit(1, key=key)))
    body = nen.ClientHandshake().body
    callers = ["a", "b", "a", "b"]
    answers = [httpx.post(f"{url}/api/nen/handshake", content=body, headers={"x-caller": caller}) for caller in callers]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
