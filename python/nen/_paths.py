"""Which path a request is for: the one that was signed, and the one that decides whether it is protected.

They are different on purpose. The client signed the external path as it travelled, percent-encoded. Applications
route by the decoded path below their mount point; a protected route must not become reachable by another spelling of
its path, so that is the one to decide by.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from nen._types import Scope

PathRule = Callable[[str], bool]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~/]*")


class Address(NamedTuple):
    """The paths of one request."""

    path: str
    """Decoded, below the mount point: what the application routes by."""
    target: bytes
    """The same as it travelled."""
    signed: bytes
    """The external path as it travelled: what the client signed. Empty if it cannot be known."""


def address(scope: Scope, external_prefix: bytes) -> Address:
    """Find the paths of a request.

    A path that is not below ``root_path`` was stripped of it by a proxy, by the convention of Starlette's routing.
    """
    root = scope.get("root_path", "").rstrip("/")
    path = scope["path"]
    raw = scope.get("raw_path")
    if raw is None:
        # No encoder changes unreserved characters (RFC 3986 section 2.3). Any other path has several encodings:
        # which of them was signed is not to be guessed, and without it no signature verifies.
        raw = path.encode() if _UNRESERVED.fullmatch(path) else b""
    raw_root, target = _split(raw, root)
    if not raw_root:
        raw_root = quote(root).encode()
    below = path[len(root) :] if path == root or path.startswith(root + "/") else path
    signed = external_prefix + raw_root + target if raw else b""
    return Address(below or "/", target or b"/", signed)


def path_rule(protect: Iterable[str] | PathRule | None) -> PathRule:
    """Turn the option ``protect`` into a rule. Whatever is doubtful about a path makes it a protected one."""
    if protect is None:
        return lambda _: True
    matches = protect if callable(protect) else _patterns(protect)

    def protects(path: str) -> bool:
        # Routers differ on repeated and trailing slashes, and a regular expression's `$` overlooks a final line feed.
        plain = re.sub("/+", "/", path).rstrip("/") or "/"
        return bool(_CONTROL.search(path)) or bool(matches(path)) or (plain != path and bool(matches(plain)))

    return protects


def _patterns(patterns: Iterable[str]) -> PathRule:
    if isinstance(patterns, str):
        msg = "protect is a list of patterns or a function, not a string"
        raise TypeError(msg)
    patterns = list(patterns)
    if not patterns:
        msg = "protect is an empty list, so that nothing would be protected"
        raise ValueError(msg)
    for pattern in patterns:
        if not pattern.startswith(("/", "*")):
            msg = f"a pattern of protect must start with a slash or an asterisk: {pattern!r}"
            raise ValueError(msg)
    expression = re.compile("|".join(map(_expression, patterns)), re.DOTALL)
    return lambda path: expression.fullmatch(path) is not None


def _expression(pattern: str) -> str:
    """``*`` stands for anything, slashes too; ``/api/*`` covers ``/api`` itself."""
    stem, below = (pattern[:-2], "(?:/.*)?") if pattern.endswith("/*") else (pattern, "")
    return ".*".join(map(re.escape, stem.split("*"))) + below


def _split(raw: bytes, root: str) -> tuple[bytes, bytes]:
    """Split a raw path into the mount point, if it is below it, and the rest."""
    parts = raw.split(b"/")
    segments = root.count("/") + 1
    head = b"/".join(parts[:segments])
    if root and unquote_to_bytes(head) == root.encode():
        return head, raw[len(head) :]
    return b"", raw
