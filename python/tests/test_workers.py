"""Sessions in memory do not serve several workers, and the log says so: with the servers that start them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import httpx
import pytest

from nen import RedisSessionStore, _workers, wsgi
from nen._workers import are_asked_for, warn_if_several
from nen.asgi import NenMiddleware
from tests.app import create_app
from tests.redis_server import RedisServer, free_port

WARNING = "sessions are kept in this process's memory"
MAIN = """
import os
import redis.asyncio
from starlette.applications import Starlette
from nen import RedisSessionStore
from nen.asgi import NenMiddleware

url = os.environ.get("REDIS_URL")
app = Starlette()
app.add_middleware(NenMiddleware, store=RedisSessionStore(redis.asyncio.Redis.from_url(url)) if url else None)
"""


@pytest.fixture(autouse=True)
def quiet_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a process that has not warned, and a command line that asks for nothing."""
    monkeypatch.setattr(_workers._Process, "has_warned", False)  # noqa: SLF001
    monkeypatch.setattr(sys, "argv", ["main.py"])
    for name in ("WEB_CONCURRENCY", "GUNICORN_CMD_ARGS"):
        monkeypatch.delenv(name, raising=False)


def warnings(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record for record in caplog.records if getattr(record, "nen_event", "") == "several-workers"]


Log = Callable[..., str]


@pytest.fixture
def log_of(tmp_path: Path) -> Log:
    """Serve a small application by some command, ask until the log has some text, and return the log."""
    (tmp_path / "main.py").write_text(MAIN)

    def run(*command: str, until: str = "", **environment: str) -> str:
        port, log = free_port(), tmp_path / "log"
        words = [sys.executable, "-m", *(word.format(port=port) for word in command)]
        with log.open("w") as file:
            process = subprocess.Popen(  # noqa: S603
                words, cwd=tmp_path, stderr=file, stdout=file, env={**os.environ, **environment}
            )
        try:
            deadline = time.monotonic() + 30
            while not ask(port, 40) or until not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
        finally:
            process.terminate()
            process.wait(20)
        return log.read_text()

    return run


def ask(port: int, times: int) -> bool:
    """Ask over connections of their own, which different workers take; tell whether all were answered."""
    with suppress(httpx.TransportError):
        return all(httpx.get(f"http://127.0.0.1:{port}/api/nen/status").status_code == 401 for _ in range(times))
    return False


UVICORN = ("uvicorn", "main:app", "--port", "{port}")
GUNICORN = ("gunicorn", "main:app", "--worker-class", "asgi", "--bind", "127.0.0.1:{port}")
HYPERCORN = ("hypercorn", "main:app", "--bind", "127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        ((*UVICORN, "--workers", "2"), {}),
        (UVICORN, {"WEB_CONCURRENCY": "2"}),
        ((*GUNICORN, "-w", "2"), {}),
        (GUNICORN, {"GUNICORN_CMD_ARGS": "--workers=2"}),
        ((*GUNICORN, "--preload", "--config", "workers.py"), {}),
        ((*HYPERCORN, "-w2"), {}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_several_workers_are_seen(
    log_of: Log, tmp_path: Path, command: tuple[str, ...], environment: dict[str, str]
) -> None:
    (tmp_path / "workers.py").write_text("workers = 2\n")
    assert WARNING in log_of(*command, until=WARNING, **environment)


@pytest.mark.parametrize("command", [(*UVICORN, "--workers", "1"), (*GUNICORN, "--preload", "-w", "1")])
def test_one_worker_is_no_reason_to_warn(log_of: Log, command: tuple[str, ...]) -> None:
    assert WARNING not in log_of(*command)


def test_several_workers_that_share_a_redis_are_no_reason_to_warn(log_of: Log, redis_server: RedisServer) -> None:
    assert WARNING not in log_of(*UVICORN, "--workers", "2", REDIS_URL=redis_server.url)


def test_the_warning_comes_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    for _ in range(2):
        NenMiddleware(create_app())
    (record,) = warnings(caplog)
    assert (record.name, record.levelno) == ("nen", logging.WARNING)


def test_what_a_wsgi_server_says_counts(caplog: pytest.LogCaptureFixture) -> None:
    middleware = wsgi.NenMiddleware(lambda _, __: [])
    environ: dict[str, Any] = {"wsgi.multiprocess": False}
    setup_testing_defaults(environ)
    for multiprocess in (False, True, True):
        environ["wsgi.multiprocess"] = multiprocess
        list(middleware(environ, lambda *_: lambda _: None))
        assert len(warnings(caplog)) == multiprocess


def test_a_store_that_workers_share_is_no_reason_to_warn(
    caplog: pytest.LogCaptureFixture, redis_server: RedisServer
) -> None:
    with redis_server.client() as client:
        warn_if_several(RedisSessionStore(client), multiprocess=True)
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("line", "environment", "several"),
    [
        ("uvicorn main:app --workers 2", {}, True),
        ("uvicorn main:app --workers=2 --reload", {}, True),
        ("gunicorn -w 12 main:app", {}, True),
        ("gunicorn -w12 main:app", {}, True),
        ("gunicorn main:app", {"GUNICORN_CMD_ARGS": "--bind=:80 --workers=3"}, True),
        ("uvicorn main:app", {"WEB_CONCURRENCY": "2"}, True),
        ("uvicorn main:app --workers 1", {"WEB_CONCURRENCY": "4"}, False),
        ("uvicorn main:app --workers 4 --workers 1", {}, False),
        ("uvicorn main:app", {"WEB_CONCURRENCY": "1"}, False),
        ("uvicorn main:app", {"WEB_CONCURRENCY": "auto"}, False),
        ("uvicorn main:app", {"WEB_CONCURRENCY": "9" * 5000}, False),
        ("main.py --workers-max 4 --log-w 4 --workers many", {}, False),
        ("main.py", {}, False),
    ],
)
def test_how_many_workers_a_command_line_asks_for(
    line: str,
    environment: dict[str, str],
    several: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", line.split())
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert are_asked_for() is several
