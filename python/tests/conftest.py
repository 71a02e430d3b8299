"""Real servers on free ports, and clients for them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import uvicorn
from hypothesis import HealthCheck, settings

import nen
from tests.app import create_app
from tests.clients import VARIANTS, Driven, Variant
from tests.peer import Peer
from tests.redis_server import RedisServer

# How long an example takes, or its making, says something of the machine.
settings.register_profile("nen", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("nen")

Serve = Callable[..., str]
Connect = Callable[..., Peer]
Dial = Callable[..., Driven]


@contextmanager
def running(app: Any, **options: Any) -> Iterator[str]:
    """Serve an ASGI application by uvicorn and yield its base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < deadline, "the server did not start within 10 s"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
    assert not thread.is_alive(), "the server did not stop"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that live as long as the test."""
    with ExitStack() as stack:
        yield lambda app, **options: stack.enter_context(running(app, **options))


@pytest.fixture(scope="session")
def base_url() -> Iterator[str]:
    """A server with the demo application, for tests that need no other."""
    with running(create_app(protect=["/api/*"])) as url:
        yield url


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for the tests that do not stop it."""
    with RedisServer(tmp_path_factory.mktemp("redis"), "--save", "", "--maxmemory-policy", "noeviction") as server:
        yield server


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make clients that are closed after the test, with a session unless told otherwise."""
    with ExitStack() as stack:

        def make(url: str, *, handshake: bool = True, identity: nen.Identity | None = None, **options: Any) -> Peer:
            peer = stack.enter_context(Peer(url, identity=identity, **options))
            if handshake:
                peer.handshake()
            return peer

        yield make


@pytest.fixture
def peer(base_url: str, connect: Connect) -> Peer:
    """A client with a session on the demo application."""
    return connect(base_url)


@pytest.fixture(params=VARIANTS, ids=str)
def variant(request: pytest.FixtureRequest) -> Variant:
    """Each client over each HTTP library."""
    found: Variant = request.param
    return found


@pytest.fixture
def dial(variant: Variant) -> Iterator[Dial]:
    """Make clients of our own that are closed after the test."""
    with ExitStack() as stack:
        yield lambda url, **options: stack.enter_context(Driven(variant, url, **options))


@pytest.fixture
def client(base_url: str, dial: Dial) -> Driven:
    """A client of the demo application, without a session."""
    return dial(base_url)
