"""A real Redis on a free port, and a way to it that loses answers."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from typing_extensions import Self


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class RedisServer:
    """A Redis that keeps what it is told on the disk, so that it can be killed and started again."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._command = ["redis-server", *options, "--port", str(self.port), "--bind", "127.0.0.1"]
        self._directory = directory

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start, and return once it answers."""
        self._process = subprocess.Popen(self._command, cwd=self._directory, stdout=subprocess.DEVNULL)  # noqa: S603
        deadline = time.monotonic() + 10
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended"
            assert time.monotonic() < deadline, "redis-server did not start within 10 s"
            time.sleep(0.02)

    def _answers(self) -> bool:
        # One that is loading its file raises a subclass of ConnectionError, too.
        with suppress(redis.ConnectionError), self.client() as client:
            return bool(client.ping())
        return False

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self._process.kill()
        self._process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop it from answering; connections stay open."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0))

    def keys(self) -> dict[str, int]:
        """List all keys, and for how long they live, in milliseconds."""
        with self.client() as client:
            return {key.decode(): client.pttl(key) for key in client.scan_iter()}


class LosingProxy:
    """Passes on to a Redis what it is sent. The answer to the first claim of a nonce is lost with its connection."""

    def __init__(self, port: int) -> None:
        self._redis = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.claims = 0
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        threads = []
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                break
            threads.append(threading.Thread(target=self._pass_on, args=(connection,)))
            threads[-1].start()
        for thread in threads:
            thread.join(10)

    def _pass_on(self, connection: socket.socket) -> None:
        # redis-py asks one question at a time, so that these turns are all there is.
        with connection, socket.create_connection(self._redis) as redis_connection:
            while question := connection.recv(65536):
                redis_connection.sendall(question)
                answer = redis_connection.recv(65536)
                if b"\r\nNX\r\n" in question:
                    self.claims += 1
                    if self.claims == 1:
                        return
                connection.sendall(answer)
