"""The snippets of the README run as pasted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.conftest import Connect, Serve

README = Path(__file__).parents[1] / "README.md"


def test_the_server_of_the_readme(serve: Serve, connect: Connect) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    module: dict[str, Any] = {}
    exec(compile(snippet, "main.py", "exec"), module)  # noqa: S102 - our own README
    peer = connect(serve(module["app"]))
    answer = peer.fetch("POST", "/api/secure-data", {"secret": 1})
    assert answer.value == {"message": "Securely processed", "received": {"secret": 1}, "session": peer.session.id}
    with peer.stream("POST", "/api/chat", {"prompt": "secure streaming works"}) as chunks:
        assert list(chunks) == [b"secure ", b"streaming ", b"works "]
