"""Which path a request is for: the one that was signed, and the one that decides whether it is protected.

They are different on purpose. The client signed the external path as it travelled, percent-encoded. Applications
route by the decoded path below their mount point; a protected route must not become reachable by another spelling of
its path, so that is the one to decide by.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from nen._types import Environ, Scope

PathRule = Callable[[str], bool]

# Control characters, and what stands for bytes that are not UTF-8.
_DOUBTFUL = re.compile(r"[\x00-\x1f\x7f\ufffd]")
_ABSOLUTE_FORM = re.compile(r"\Ahttps?://[^/?#]*", re.IGNORECASE)
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~/]*")


class Address(NamedTuple):
    """The paths of one request."""

    path: str
    """Decoded, below the mount point: what the application routes by."""
    readings: tuple[str, ...]
    """The same as every router would read it. They differ on where a mount point ends that stands in a path twice."""
    target: bytes
    """The path as it travelled, below the mount point."""
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
    readings = [below or "/"]
    if root and root in path:
        readings.append(path.split(root, 1)[1] or "/")
    return Address(readings[0], tuple(readings), target or b"/", signed)


def wsgi_scope(environ: Environ) -> Scope:
    """Tell of the path of a WSGI request what ASGI would."""
    root, info = (
        environ.get(key, "").encode("latin-1").decode(errors="replace") for key in ("SCRIPT_NAME", "PATH_INFO")
    )
    path = root + info or "/"
    return {"path": path, "root_path": root, "raw_path": _wsgi_raw_path(environ) if path.startswith("/") else b""}


def _wsgi_raw_path(environ: Environ) -> bytes | None:
    """Find the path as it travelled. No standard tells of it, but most servers do, in one of two ways."""
    target: str | None = environ.get("RAW_URI", environ.get("REQUEST_URI"))
    if target is None:
        return None
    # What a client sends to a proxy has a scheme and an authority (RFC 9112 section 3.2.2).
    path = _ABSOLUTE_FORM.sub("", target).partition("?")[0]
    return path.encode("latin-1") or b"/"


def path_rule(protect: Iterable[str] | PathRule | Literal["decorated"] | None) -> PathRule:
    """Turn the option ``protect`` into a rule. Whatever is doubtful about a path makes it a protected one."""
    if protect is None:
        return lambda _: True
    if protect == "decorated":
        return lambda _: False
    matches = protect if callable(protect) else _patterns(protect)

    def protects(path: str) -> bool:
        # Routers differ on repeated and trailing slashes and on paths that are none, and a regular expression's `$`
        # overlooks a final line feed.
        if not path.startswith("/") or _DOUBTFUL.search(path):
            return True
        plain = re.sub("/+", "/", path).rstrip("/")
        return any(matches(spelling) for spelling in {path, plain or "/", plain + "/"})

    return protects


def _patterns(patterns: Iterable[str]) -> PathRule:
    if isinstance(patterns, (str, bytes)) or not isinstance(patterns, Iterable):
        msg = f'protect is a list of patterns, a function of the path, or "decorated", not {patterns!r}'
        raise TypeError(msg)
    patterns = list(patterns)
    if not patterns:
        msg = "protect is an empty list, so that nothing would be protected"
        raise ValueError(msg)
    for pattern in patterns:
        if not isinstance(pattern, str):
            msg = f"a pattern of protect must be a string, not {type(pattern).__name__}"
            raise TypeError(msg)
        if not pattern.startswith(("/", "*")):
            msg = f"a pattern of protect must start with a slash or an asterisk: {pattern!r}"
            raise ValueError(msg)
    pieces = [pattern.split("*") for pattern in patterns]
    # `/api/*` covers `/api` itself.
    pieces += [pattern[:-2].split("*") for pattern in patterns if pattern.endswith("/*")]
    return lambda path: any(_matches(path, literals) for literals in pieces)


def _matches(path: str, literals: list[str]) -> bool:
    """Whether a path is these literals with anything in between, slashes too; in time linear in the path."""
    first, *rest = literals
    if not rest:
        return path == first
    *middle, last = rest
    if not path.startswith(first):
        return False
    position = len(first)
    for literal in middle:
        found = path.find(literal, position)
        if found < 0:
            return False
        position = found + len(literal)
    return len(path) - position >= len(last) and path.endswith(last)


def _split(raw: bytes, root: str) -> tuple[bytes, bytes]:
    """Split a raw path into the mount point, if it is below it, and the rest."""
    parts = raw.split(b"/")
    segments = root.count("/") + 1
    head = b"/".join(parts[:segments])
    if root and unquote_to_bytes(head) == root.encode():
        return head, raw[len(head) :]
    return b"", raw
