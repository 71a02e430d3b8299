"""The HTTP library below a client, httpx2 or httpx, and the address of the server."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

LIBRARIES = ("httpx2", "httpx")


def library_of(http: object, kind: str) -> ModuleType:
    """Find the library that a caller's ``Client`` or ``AsyncClient`` is of."""
    for name in LIBRARIES:
        library = sys.modules.get(name)
        if library is not None and isinstance(http, getattr(library, kind)):
            return library
    wanted = " or ".join(f"{name}.{kind}" for name in LIBRARIES)
    msg = f"http must be an instance of {wanted}, not of {type(http).__module__}.{type(http).__name__}"
    raise TypeError(msg)


def installed_library() -> ModuleType:
    """Import the first library that is installed."""
    for name in LIBRARIES:
        if find_spec(name) is not None:
            return import_module(name)
    msg = 'a client needs httpx2 or httpx: pip install "nen[httpx]"'
    raise ImportError(msg)


class Address:
    """The URL of a server, with a path if it is mounted under one."""

    def __init__(self, library: ModuleType, base_url: str) -> None:
        self._library = library
        base = self._url("base_url", base_url)
        if base.scheme not in ("http", "https") or not base.host:
            msg = "base_url must be a URL of http or https, with a host, such as https://example.com"
            raise ValueError(msg)
        if base.userinfo or base.query or base.fragment:
            msg = "base_url must have no credentials, query or fragment"
            raise ValueError(msg)
        self._base = str(base).rstrip("?#/")

    def resolve(self, path: str) -> Any:  # noqa: ANN401 - a URL of either library
        """Make a URL of a path, which may have a query. What is not percent-encoded, and must be, becomes so."""
        if not path.startswith("/") or path.startswith("//"):
            msg = "the path must begin with one slash, and comes after base_url: no other server can be named"
            raise ValueError(msg)
        return self._url("the path", self._base + path)

    def _url(self, name: str, text: str) -> Any:  # noqa: ANN401
        try:
            return self._library.URL(text)
        except self._library.InvalidURL:  # Its text may repeat a password.
            msg = f"{name} cannot be in a URL: it is too long, or has characters that none may have there"
            raise ValueError(msg) from None

    def __str__(self) -> str:
        return self._base
