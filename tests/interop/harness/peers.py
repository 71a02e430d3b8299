"""The peers: each directory beside this one is one, with a program for each role that it plays."""
# ruff: noqa: S603 - it runs the project's own programs

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

HERE = Path(__file__).resolve().parent
PEERS = HERE.parent
BUILT = PEERS.parent.parent / "target"
LOGS = BUILT / "interop"
START_SECONDS = 20
STOP_SECONDS = 2

FAULT_SERVER = "faults"
# The only role that these peers need to have a program for. A peer that is not named here needs server and client.
ONE_SIDED = {FAULT_SERVER: "server", "cryptography": "client", "noble": "client"}
# Servers that know no NEN_REDIS_URL.
IN_MEMORY = {FAULT_SERVER}


class PeerError(Exception):
    """A server does not do what every server must."""


def names() -> list[str]:
    """List the peers."""
    return sorted(path.name for path in PEERS.iterdir() if path.is_dir() and path != HERE and path.name[0] not in "._")


def with_role(role: str) -> list[str]:
    """Find the peers that have a program for a role, or should."""
    needed = {name for name in names() if role != "wire" and ONE_SIDED.get(name, role) == role}
    return [name for name in names() if name in needed or program(name, role).exists()]


def program(name: str, role: str) -> Path:
    """Tell where the program of a peer for a role is."""
    return PEERS / name / role


@contextmanager
def running(name: str, log: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Run a server on a free port for as long as the context lasts, and hand out its URL."""
    variables = {**os.environ, **environment, "PORT": "0"}
    command = [str(program(name, "server"))]
    with (
        log.open("w") as file,
        subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=file) as process,
    ):
        try:
            yield _url_of(process, log)
        except BaseException:
            process.kill()
            raise
        _stop(process, log)


def _url_of(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until a server says where it listens."""
    limit = Timer(START_SECONDS, process.kill)
    limit.start()
    try:
        for line in process.stdout or []:
            if match := re.match(rb"listening on (http://127\.0\.0\.1:\d+)$", line):
                return match[1].decode()
    finally:
        limit.cancel()
    msg = f"ended before it listened, or did not listen within {START_SECONDS} s: its log is {log}"
    raise PeerError(msg)


def _stop(process: subprocess.Popen[bytes], log: Path) -> None:
    """Stop a server, which it must do soon after SIGTERM. Any third status tells of a crash or is a sanitizer's."""
    process.terminate()
    try:
        status = process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        msg = f"did not stop within {STOP_SECONDS} s of SIGTERM: its log is {log}"
        raise PeerError(msg) from None
    if status not in (0, -signal.SIGTERM):
        msg = f"ended with status {status}: its log is {log}"
        raise PeerError(msg)
