#!/usr/bin/env python3
"""Run every server of tests/interop against every client, and print the matrix.

Each directory here is a peer with two programs, `server` and `client`. Servers keep their sessions in memory, then in a
Redis that all of them share. Exit status 0 only if each could be run, each client showed each step against each server,
and each server stopped as it should.
"""
# ruff: noqa: S603, T201 - it runs the project's own programs, and its output is what it is for

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
LOGS = HERE.parent.parent / "target" / "interop"
START_SECONDS = 20
STOP_SECONDS = 2
CLIENT_SECONDS = 120

STEPS = """
    handshake post get put patch delete head path created boom stream-post stream-get identity rotate recover terminate
""".split()  # noqa: SIM905 - better read as words
FAULT_STEPS = """
    fault-tampered fault-plaintext fault-reflected fault-truncated fault-no-stream-nonce fault-reordered
    fault-stale-clock
""".split()  # noqa: SIM905

FAULT_SERVER = "faults"
# The only program that these peers need to have. A peer that is not named here needs both.
ONE_SIDED = {FAULT_SERVER: "server"}
# Servers that know no NEN_REDIS_URL.
IN_MEMORY = {FAULT_SERVER}


class PeerError(Exception):
    """A server does not do what every server must."""


class Server(NamedTuple):
    """A server peer, and the Redis that it keeps its sessions in, if it is one."""

    name: str
    redis_url: str = ""

    def __str__(self) -> str:
        return f"{self.name}, Redis" if self.redis_url else self.name

    def log(self, rest: str) -> Path:
        """Tell where it, or a client against it, leaves its log."""
        return LOGS / f"{self.name}-{'redis-' if self.redis_url else ''}server{rest}.log"


@contextmanager
def running(server: Server) -> Iterator[str]:
    """Run a server on a free port for as long as the context lasts, and hand out its URL."""
    environment = {**os.environ, "PORT": "0", "NEN_REDIS_URL": server.redis_url}
    program = str(HERE / server.name / "server")
    with (
        server.log("").open("w") as log,
        subprocess.Popen([program], env=environment, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        url = url_of(process)
        try:
            yield url
        finally:
            stop(process)


def url_of(process: subprocess.Popen[bytes]) -> str:
    """Wait until a server says where it listens."""
    limit = Timer(START_SECONDS, process.kill)
    limit.start()
    try:
        for line in process.stdout or []:
            if match := re.match(rb"listening on (http://127\.0\.0\.1:\d+)$", line):
                return match[1].decode()
    finally:
        limit.cancel()
    process.kill()
    msg = f"ended before it listened, or did not listen within {START_SECONDS} s"
    raise PeerError(msg)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a server, which it must do soon after SIGTERM. Any third status tells of a crash or is a sanitizer's."""
    process.terminate()
    try:
        status = process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        msg = f"did not stop within {STOP_SECONDS} s of SIGTERM"
        raise PeerError(msg) from None
    if status not in (0, -signal.SIGTERM):
        msg = f"ended with status {status}"
        raise PeerError(msg)


@contextmanager
def redis() -> Iterator[str]:
    """Run a Redis on a free port for as long as the context lasts, and hand out its URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    command = ["redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--maxmemory-policy", "noeviction"]
    with (LOGS / "redis.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()


def take_keys(redis_url: str) -> int:
    """Empty a Redis, and tell how many keys of the protocol it held."""
    command = ["redis-cli", "-u", redis_url]
    keys = subprocess.run([*command, "--scan", "--pattern", "nen:session:*"], capture_output=True, check=True)
    subprocess.run([*command, "flushall"], capture_output=True, check=True)
    return len(keys.stdout.splitlines())


class Cell(NamedTuple):
    """What a client showed against a server."""

    passed: int
    expected: int
    complaints: list[str]

    def __str__(self) -> str:
        return f"{self.passed}/{self.expected}{' ✗' if self.complaints else ''}"


def run_client(name: str, url: str, steps: list[str], log: Path) -> Cell:
    """Run a client against a server, and check that it shows each of these steps once and nothing else."""
    command = [str(HERE / name / "client"), url]
    complaints: list[str] = []
    try:
        with log.open("w") as file:
            done = subprocess.run(command, stdout=file, stderr=file, timeout=CLIENT_SECONDS, check=False)
        if done.returncode != 0:
            complaints.append(f"exit status {done.returncode}")
    except subprocess.TimeoutExpired:
        complaints.append(f"did not end within {CLIENT_SECONDS} s")
    except OSError as error:
        return Cell(0, len(steps), [str(error)])

    output = log.read_text(errors="replace")
    passed = re.findall(r"^ok (\S+)$", output, re.MULTILINE)
    failed = re.findall(r"^not ok ([^\s:]+): ", output, re.MULTILINE)
    shown, expected = Counter(passed + failed), Counter(steps)
    complaints += re.findall(r"^not ok .*$", output, re.MULTILINE)
    if missing := expected - shown:
        complaints.append(f"did not show {' '.join(missing)}")
    if surplus := shown - expected:
        complaints.append(f"showed what is no step here, or twice: {' '.join(surplus)}")
    if f"{len(passed)} passed, {len(failed)} failed" not in output.splitlines():
        complaints.append("did not count its steps in its last line")
    return Cell(len(expected & Counter(passed)), len(steps), complaints)


def run_server(server: Server, clients: list[str]) -> tuple[list[Cell], list[str]]:
    """Run each of these clients against a server: their cells, and everything that is wrong."""
    steps = STEPS + FAULT_STEPS if server.name == FAULT_SERVER else STEPS
    cells: list[Cell] = []
    complaints: list[str] = []
    try:
        with running(server) as url:
            for client in clients:
                cell = run_client(client, url, steps, server.log(f"-{client}-client"))
                cells.append(cell)
                complaints += [f"{client} client: {complaint}" for complaint in cell.complaints]
    except (OSError, PeerError) as error:
        complaints.append(str(error))
    if server.redis_url and not take_keys(server.redis_url):
        complaints.append("kept nothing in Redis")
    return cells, complaints


def peers(role: str, names: list[str]) -> list[str]:
    """Find the peers that have a program for a role, or should."""
    return [name for name in names if ONE_SIDED.get(name, role) == role or (HERE / name / role).exists()]


def print_table(rows: list[list[str]]) -> None:
    """Print cells in columns that are as wide as they need to be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def main() -> int:
    """Run the pairs, print what is wrong with each server's as it comes, and the matrix at the end."""
    names = sorted(path.name for path in HERE.iterdir() if path.is_dir() and path.name[0] not in "._")
    arguments = argparse.ArgumentParser(description="Run interop servers against interop clients: by default, all.")
    arguments.add_argument("--server", action="append", choices=names, help="run only this server; may be repeated")
    arguments.add_argument("--client", action="append", choices=names, help="run only this client; may be repeated")
    chosen = arguments.parse_args()
    servers = chosen.server or peers("server", names)
    clients = chosen.client or peers("client", names)

    LOGS.mkdir(parents=True, exist_ok=True)
    sound = True
    table = [["server \\ client", *clients]]
    with redis() as url:
        shared = [Server(name, url) for name in servers if name not in IN_MEMORY]
        for server in [*map(Server, servers), *shared]:
            cells, complaints = run_server(server, clients)
            for complaint in complaints:
                print(f"server {server}: {complaint}", flush=True)
            sound = sound and not complaints
            missing = ["✗"] * (len(clients) - len(cells))
            table.append([f"{server} ✗" if complaints else str(server), *map(str, cells), *missing])
    print_table(table)
    if not sound:
        print(f"the logs are in {os.path.relpath(LOGS)}")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
