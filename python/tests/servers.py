"""Servers of ASGI and WSGI other than uvicorn, each on a free port."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypercorn.asyncio
import hypercorn.config
import waitress  # type: ignore[import-untyped]
import werkzeug.serving


def address(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def _in_a_thread(target: Callable[[], object], stop: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=target)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(10)
    assert not thread.is_alive(), "the server did not stop"


@contextmanager
def on_hypercorn(app: Any) -> Iterator[str]:
    """Serve an ASGI application, also by HTTP/2 in the clear."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = address(listener)
    config = hypercorn.config.Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 1
    stopped = asyncio.Event()
    loop = asyncio.new_event_loop()
    serving = hypercorn.asyncio.serve(app, config, shutdown_trigger=stopped.wait)
    with _in_a_thread(lambda: loop.run_until_complete(serving), lambda: loop.call_soon_threadsafe(stopped.set)):
        yield url
    loop.close()


@contextmanager
def on_werkzeug(app: Any) -> Iterator[str]:
    """Serve a WSGI application by the development server of Flask."""
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
    with _in_a_thread(server.serve_forever, server.shutdown):
        yield f"http://127.0.0.1:{server.server_port}"
    server.server_close()


@contextmanager
def on_waitress(app: Any) -> Iterator[str]:
    """Serve a WSGI application by waitress."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: dict[int, Any] = {}
    server = waitress.create_server(app, connections, sockets=[listener], channel_request_lookahead=1)

    def stop() -> None:
        server.trigger.pull_trigger(lambda: waitress.wasyncore.close_all(connections))

    with _in_a_thread(server.run, stop):
        yield address(listener)
    server.task_dispatcher.shutdown()


@contextmanager
def on_gunicorn(app: str) -> Iterator[str]:
    """Serve a WSGI application, named as ``module:name``, by gunicorn in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}", "--threads", "4"]
        command += ["--graceful-timeout", "1", "--log-level", "error", app]
        package = Path(__file__).parents[1]
        with subprocess.Popen(command, pass_fds=[listener.fileno()], cwd=package, env=os.environ) as process:  # noqa: S603
            try:
                yield address(listener)
            finally:
                process.terminate()
                process.wait(10)
