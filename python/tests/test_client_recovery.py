"""What the clients do when a session is lost or replaced, with many calls at once."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

import nen
from nen._flights import Flights
from tests.app import create_app
from tests.clients import Driven
from tests.conftest import Dial, Serve
from tests.meddler import Instead

PATH = "/api/secure-data"
HANDSHAKE = "/api/nen/handshake"
CALLS = 16


def end_behind_the_back(url: str, session_id: str | None) -> None:
    headers = {nen.SESSION_HEADER: session_id or ""}
    assert httpx.post(url + "/api/nen/terminate", headers=headers).json() == {"success": True}


class Together:
    """Lets requests through only when this many of them have come."""

    def __init__(self, count: int) -> None:
        self._missing, self._all_here = count, asyncio.Event()

    async def __call__(self, _: Request) -> None:
        self._missing -= 1
        if self._missing == 0:
            self._all_here.set()
        await asyncio.wait_for(self._all_here.wait(), 10)


def fetch_all(client: Driven) -> list[Any]:
    with ThreadPoolExecutor(CALLS) as threads:
        return [answer["received"] for answer in threads.map(lambda i: client.fetch(PATH, json=i), range(CALLS))]


def test_a_session_that_was_lost_is_made_anew(base_url: str, client: Driven) -> None:
    client.handshake()
    end_behind_the_back(base_url, client.session_id)
    assert client.fetch(PATH, json=1)["received"] == 1
    end_behind_the_back(base_url, client.session_id)
    with client.stream("/api/chat") as stream:
        assert next(stream.iter_text()) == "secure "
    again = ["401 {0}", f"200 {HANDSHAKE}", "200 {0}"]
    expected = [entry.format(path) for path in (PATH, "/api/chat") for entry in again]
    assert client.recorded.log == [f"200 {HANDSHAKE}", *expected]


def test_a_session_that_was_made_anew_is_recorded_once(
    base_url: str, client: Driven, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nen")
    client.handshake()
    end_behind_the_back(base_url, client.session_id)
    client.fetch(PATH)
    recorded = [vars(record) for record in caplog.records if getattr(record, "nen_server", None)]
    assert [(entry["nen_event"], entry["nen_server"]) for entry in recorded] == [("reestablished", base_url)]


def test_many_calls_make_one_session_anew(serve: Serve, dial: Dial) -> None:
    url = serve(Instead(create_app(), PATH, Together(CALLS)))
    client = dial(url)
    client.handshake()
    end_behind_the_back(url, client.session_id)
    client.recorded.log.clear()
    assert fetch_all(client) == list(range(CALLS))
    assert Counter(client.recorded.log) == {f"401 {PATH}": CALLS, f"200 {HANDSHAKE}": 1, f"200 {PATH}": CALLS}


def test_many_first_calls_make_one_session(client: Driven) -> None:
    assert fetch_all(client) == list(range(CALLS))
    assert Counter(client.recorded.log) == {f"200 {HANDSHAKE}": 1, f"200 {PATH}": CALLS}


def test_a_server_that_knows_no_session_is_asked_twice(serve: Serve, dial: Dial) -> None:
    async def forgets(_: Request) -> Response:
        return Response(nen.NenError("ISO-2002").to_json(), 401)

    client = dial(serve(Instead(create_app(), PATH, forgets)))
    with pytest.raises(nen.SessionError) as caught:
        client.fetch(PATH)
    assert caught.value.code == "ISO-2002"
    assert client.recorded.log == [f"200 {HANDSHAKE}", f"401 {PATH}"] * 2


def test_a_session_that_was_lost_cannot_be_rotated_and_is_made_anew(base_url: str, client: Driven) -> None:
    client.handshake()
    old = client.session_id
    end_behind_the_back(base_url, old)
    assert client.status() is False
    client.rotate()
    assert client.status() is True
    assert client.session_id != old


def test_calls_that_a_rotation_overtakes_are_repeated_without_another_handshake(serve: Serve, dial: Dial) -> None:
    arrived, rotated = threading.Semaphore(0), threading.Event()

    async def hold(_: Request) -> None:
        arrived.release()
        await asyncio.to_thread(rotated.wait, 10)

    client = dial(serve(Instead(create_app(), PATH, hold)))
    client.handshake()
    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(client.fetch, PATH, json=number) for number in range(4)]
        assert all(arrived.acquire(timeout=10) for _ in answers)
        client.rotate()
        rotated.set()
        assert [answer.result()["received"] for answer in answers] == [0, 1, 2, 3]
    once = {f"200 {HANDSHAKE}": 1, "200 /api/nen/rotate": 1}
    assert Counter(client.recorded.log) == {**once, f"401 {PATH}": 4, f"200 {PATH}": 4}


class FailsOnce:
    """Answers one handshake with an error, and counts them."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, _: Request) -> Response | None:
        self.asked += 1
        await asyncio.sleep(0)
        return PlainTextResponse("down", 502) if self.asked == 1 else None


def test_a_call_that_is_repeated_has_the_same_headers(base_url: str, client: Driven) -> None:
    client.handshake()
    end_behind_the_back(base_url, client.session_id)
    client.fetch(PATH, json=1, headers=(pair for pair in [("X-Trace", "1")]))
    assert client.recorded.request.headers["x-trace"] == "1"


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_failure_is_that_of_all_who_wait_and_of_nobody_after_them(serve: Serve, library: ModuleType) -> None:
    fails = FailsOnce()
    url = serve(Instead(create_app(), HANDSHAKE, fails))

    async def story() -> None:
        async with library.AsyncClient() as http, nen.AsyncNenClient(url, http) as client:
            calls = (client.fetch(PATH, json=number) for number in range(CALLS))
            errors = await asyncio.gather(*calls, return_exceptions=True)
            assert {getattr(error, "code", error) for error in errors} == {"ISO-1004"}
            assert fails.asked == 1
            assert (await client.fetch(PATH, json=1))["received"] == 1

    asyncio.run(story())


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_who_waits_takes_over_from_who_was_cancelled(serve: Serve, library: ModuleType) -> None:
    arrived, asked = threading.Event(), []

    async def first_hangs(_: Request) -> None:
        asked.append(1)
        if len(asked) == 1:
            arrived.set()
            await asyncio.sleep(1)

    url = serve(Instead(create_app(), HANDSHAKE, first_hangs))

    async def story() -> None:
        async with library.AsyncClient() as http, nen.AsyncNenClient(url, http) as client:
            first, *others = [asyncio.create_task(client.fetch(PATH, json=number)) for number in range(4)]
            await asyncio.to_thread(arrived.wait, 10)
            first.cancel()
            assert [(await other)["received"] for other in others] == [1, 2, 3]
            with pytest.raises(asyncio.CancelledError):
                await first
        assert len(asked) == 2

    asyncio.run(story())


@pytest.mark.parametrize(
    ("end", "times"), [(None, 1), (ValueError("what the transport raised"), 1), (KeyboardInterrupt(), 2)]
)
def test_threads_share_a_change_and_its_failure_but_no_interruption(end: BaseException | None, times: int) -> None:
    flights, second_waits, made = Flights(), threading.Event(), []

    class Landed(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            second_waits.set()
            return super().wait(timeout)

    flights._event = Landed  # noqa: SLF001 - to see that the second thread waits

    def change() -> None:
        made.append(1)
        if len(made) == 1:
            assert second_waits.wait(10)
            if end:
                raise end

    def join() -> BaseException | None:
        try:
            flights.join("rotate", change)
        except BaseException as error:  # noqa: BLE001
            return error
        return None

    with ThreadPoolExecutor(2) as threads:
        results = [threads.submit(join) for _ in range(2)]
    assert {result.result() for result in results} == ({end} if times == 1 else {end, None})
    assert len(made) == times
    flights.join("rotate", change)
    assert len(made) == times + 1


def test_a_call_that_would_wait_for_itself_is_refused(base_url: str, dial: Dial) -> None:
    client = dial(base_url)

    def hook(_: Any) -> None:
        client.client.fetch(PATH)

    async def async_hook(_: Any) -> None:
        await client.client.fetch(PATH)

    client.http.event_hooks = {"request": [async_hook if client.variant.is_async else hook]}
    with pytest.raises(RuntimeError, match="wait for itself"):
        client.fetch(PATH)
    client.http.event_hooks = {}
    assert client.fetch(PATH, json=1)["received"] == 1
