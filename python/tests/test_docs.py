"""Every Python block and every command of the documentation runs as it stands.

A page is one story. A block of Python that begins with `# main.py` is that file, also if the prose says so. A line of
sh starts a server, at a port of ours in place of 8000, which runs until the page starts another one; or it is a command
that ends; or it exports a variable to those after it. All other Python runs in order, in one namespace. A line
`print(...)  # this` prints this. A page that names port 6379 has a Redis.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
# Where the documentation runs: in this environment, or in another one that has only what people install.
PYTHON = Path(os.environ.get("NEN_DOCS_PYTHON", sys.executable))
SECONDS = 30
# The languages of blocks that are there to be seen.
SHOWN = {"ini", "json", "nginx", "text", "toml"}

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n\s*(?:Save it as `(\S+\.py)` and run `([^`]+)`)?", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"# (\S+\.py)\n")
PROMISED = re.compile(r"^\s*print\(.*\)  # (.*)$", re.MULTILINE)
READER = """
import json, sys
namespace = {"__name__": "__main__"}
for line in sys.stdin:
    exec(compile(json.loads(line), "<page>", "exec"), namespace)
    print(end="\\0", flush=True)
"""


class Step(NamedTuple):
    """One thing that a page has its reader do."""

    does: str
    """``save``, ``run``, or ``python``."""
    text: str
    file: str = ""


def steps(page: Path) -> Iterator[Step]:
    """Read a page. Commands of the repository's README are for the repository, and so not taken."""
    for language, text, saved, command in BLOCK.findall(page.read_text()):
        named = NAMED.match(text)
        if language == "python":
            file = saved or (named[1] if named else "")
            yield Step("save" if file else "python", text, file)
        elif language == "sh" and page != ROOT / "README.md":
            lines = text.replace("\\\n", " ").splitlines()
            yield from (Step("run", line) for line in lines if shlex.split(line, comments=True))
        if command:
            yield Step("run", command)


PAGES = [ROOT / "README.md", ROOT / "python/README.md", *sorted((ROOT / "docs/python").glob("**/*.md"))]


class Reader:
    """Someone who does what a page says, in a folder of their own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.server = stack.enter_context(ExitStack())
        self.port, self.redis_port = free_port(), free_port()
        self.environment = {
            **os.environ,
            "PATH": f"{PYTHON.parent}:{os.environ['PATH']}",
            "UVICORN_PORT": str(self.port),
        }
        command = [str(PYTHON), "-W", "error", "-c", READER]
        self.python = stack.enter_context(self.process(command, subprocess.PIPE))

    def follow(self, step: Step) -> None:
        """Do one step; whatever goes wrong is a failure of the page."""
        text = step.text.replace("8000", str(self.port)).replace("6379", str(self.redis_port))
        if step.does == "save":
            path = self.folder / step.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif step.does == "run":
            self.run(text)
        else:
            self.execute(text)

    def run(self, command: str) -> None:
        """Start a server, in place of the one before; or run a command that ends."""
        program, *arguments = shlex.split(command, comments=True)
        if program == "pip":
            return  # what it would install is there already
        if program == "export":
            name = arguments[0].partition("=")[0]
            shell = ["sh", "-euc", f"{command}; printenv {name}"]
            exported = subprocess.run(shell, env=self.environment, capture_output=True, text=True, check=True)  # noqa: S603
            self.environment[name] = exported.stdout.removesuffix("\n")
            return
        self.server.close()
        program = program.removeprefix(".venv/bin/")
        wait_for(self.port, self.server.enter_context(self.process([program, *arguments])))

    def execute(self, block: str) -> None:
        """Run a block in the page's namespace, and hold what it prints against what it promises."""
        assert self.python.stdin is not None
        assert self.python.stdout is not None
        self.python.stdin.write(json.dumps(block).encode() + b"\n")
        self.python.stdin.flush()
        printed = bytearray()
        while (byte := self.python.stdout.read(1)) not in (b"\0", b""):
            printed += byte
        assert byte, f"this block failed, or ended the process:\n{block}"
        lines = (line.rstrip() for line in printed.decode().splitlines())
        missing = [promise for promise in PROMISED.findall(block) if promise not in lines]
        assert not missing, f"not printed: {missing}; but:\n{printed.decode()}"

    @contextmanager
    def process(self, command: list[str], pipe: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """Run a process, and end it with those that it started."""
        process = subprocess.Popen(  # noqa: S603 - our own documentation
            command, cwd=self.folder, env=self.environment, stdin=pipe, stdout=pipe, start_new_session=True
        )
        try:
            yield process
        finally:
            for end in (process.stdin, process.stdout):
                if end is not None:
                    end.close()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the process listens there, or has ended well."""
    deadline = time.monotonic() + SECONDS
    while process.poll() is None:
        assert time.monotonic() < deadline, f"{process.args!r} does not listen"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    assert process.returncode == 0, f"{process.args!r} failed"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_of_the_documentation(page: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        reader = Reader(tmp_path, stack)
        if "6379" in page.read_text():
            redis = ["redis-server", "--port", str(reader.redis_port), "--save", "", "--loglevel", "warning"]
            wait_for(reader.redis_port, stack.enter_context(reader.process(redis)))
        for step in steps(page):
            reader.follow(step)


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_of_a_page_is_passed_over(page: Path) -> None:
    fences = re.findall(r"^ *(?:```|~~~)(.*)$", page.read_text(), re.MULTILINE)
    assert {"python", "sh", *SHOWN, ""} >= set(fences)
    assert len(BLOCK.findall(page.read_text())) == len(fences) / 2
