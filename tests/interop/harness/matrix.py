"""Every server against every client."""
# ruff: noqa: S603 - it runs the project's own programs

import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from harness.databases import Database
from harness.peers import FAULT_SERVER, LOGS, PeerError, program, running

CLIENT_SECONDS = 120

STEPS = """
    handshake post get put patch delete head path created boom stream-post stream-get identity rotate recover terminate
""".split()  # noqa: SIM905 - better read as words
FAULT_STEPS = """
    fault-tampered fault-plaintext fault-reflected fault-truncated fault-no-stream-nonce fault-reordered
    fault-stale-clock
""".split()  # noqa: SIM905


class Client(NamedTuple):
    """A program that is run against servers."""

    name: str
    role: str = "client"
    """Or `wire`: its steps are its own."""

    def __str__(self) -> str:
        return self.name if self.role == "client" else f"{self.name}/{self.role}"


class Server(NamedTuple):
    """A server peer, and the database that it keeps its sessions in, if it is one."""

    name: str
    database: Database | None = None

    def __str__(self) -> str:
        return f"{self.name}, Redis" if self.database else self.name

    def log(self, rest: str = "") -> Path:
        """Tell where it, or a client against it, leaves its log."""
        return LOGS / f"{self.name}-{'redis-' if self.database else ''}server{rest}.log"


class Cell(NamedTuple):
    """What a client showed against a server."""

    passed: int
    expected: int
    complaints: list[str]

    def __str__(self) -> str:
        return f"{self.passed}/{self.expected}{' ✗' if self.complaints else ''}"


def run_client(client: Client, url: str, steps: list[str] | None, log: Path) -> Cell:
    """Run a client against a server, and check that it shows each step once and nothing else.

    Without steps it may show any, of which there must be one.
    """
    command = [str(program(client.name, client.role)), url]
    complaints: list[str] = []
    try:
        with log.open("w") as file:
            done = subprocess.run(command, stdout=file, stderr=file, timeout=CLIENT_SECONDS, check=False)
        if done.returncode != 0:
            complaints.append(f"exit status {done.returncode}")
    except subprocess.TimeoutExpired:
        complaints.append(f"did not end within {CLIENT_SECONDS} s")
    except OSError as error:
        return Cell(0, len(steps or []), [str(error)])

    output = log.read_text(errors="replace")
    passed = re.findall(r"^ok (\S+)$", output, re.MULTILINE)
    failed = re.findall(r"^not ok ([^\s:]+): ", output, re.MULTILINE)
    shown = Counter(passed + failed)
    expected = Counter(steps or set(shown) or ["any step"])
    complaints += re.findall(r"^not ok .*$", output, re.MULTILINE)
    if missing := expected - shown:
        complaints.append(f"did not show {' '.join(missing)}")
    if surplus := shown - expected:
        complaints.append(f"showed what is no step here, or twice: {' '.join(surplus)}")
    if f"{len(passed)} passed, {len(failed)} failed" not in output.splitlines():
        complaints.append("did not count its steps in its last line")
    return Cell(len(expected & Counter(passed)), expected.total(), complaints)


def run_server(server: Server, clients: list[Client]) -> tuple[dict[Client, Cell], list[str]]:
    """Run each of these clients against a server: their cells, and everything that is wrong."""
    steps = STEPS + FAULT_STEPS if server.name == FAULT_SERVER else STEPS
    variables = {"NEN_REDIS_URL": server.database.url if server.database else ""}
    cells: dict[Client, Cell] = {}
    complaints: list[str] = []
    try:
        with running(server.name, server.log(), variables) as url:
            for client in clients:
                log = server.log(f"-{client.name}-{client.role}")
                cells[client] = run_client(client, url, steps if client.role == "client" else None, log)
                complaints += [f"{client}: {complaint}" for complaint in cells[client].complaints]
    except (OSError, PeerError) as error:
        complaints.append(str(error))
    if server.database and not any(key.startswith("nen:session:") for key in server.database.take_keys()):
        complaints.append("kept nothing in Redis")
    return cells, complaints
