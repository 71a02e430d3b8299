"""How the clients are made, and what they refuse to be made of."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest

import nen

Make = Callable[..., Any]
both = pytest.mark.parametrize("make", [nen.NenClient, nen.AsyncNenClient])


@both
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.org", "http or https"),
        ("example.org", "http or https"),
        ("http://", "http or https"),
        ("", "http or https"),
        ("http://user:password@example.org", "no credentials"),
        ("https://example.org/?a=b", "no credentials, query"),
        ("https://example.org/#a", "fragment"),
        ("http://user:password", "cannot be in a URL"),
        ("http://example.org\n", "cannot be in a URL"),
    ],
)
def test_a_base_url_is_checked_and_not_repeated(make: Make, url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        make(url)
    assert "password" not in str(caught.value)


@both
@pytest.mark.parametrize(
    "options",
    [{"prefix": prefix} for prefix in ("", "/", "api/nen", "/api/nen/", "//api", "/api?a", "/api#a")]
    + [{limit: size} for limit in ("max_answer", "max_chunk") for size in (0, -1)],
)
def test_an_option_that_cannot_be_is_refused(make: Make, options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(ValueError, match=name):
        make("http://example.org", **options)


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_client_of_the_wrong_kind_is_refused(library: ModuleType) -> None:
    asynchronous = library.AsyncClient()
    with library.Client() as http:
        with pytest.raises(TypeError, match=r"httpx2\.AsyncClient or httpx\.AsyncClient"):
            nen.AsyncNenClient("http://example.org", http)
        with pytest.raises(TypeError, match=r"httpx2\.Client or httpx\.Client"):
            nen.NenClient("http://example.org", asynchronous)
    asyncio.run(asynchronous.aclose())


@both
def test_an_option_of_the_wrong_type_is_refused(make: Make) -> None:
    with pytest.raises(TypeError):
        make("http://example.org", "http")
    with pytest.raises(TypeError):
        make("http://example.org", identity=b"key")
    with pytest.raises(TypeError):
        make("http://example.org", max_answer=None)


def test_a_client_of_our_own_making_is_of_httpx2_and_closed_with_ours(base_url: str) -> None:
    with nen.NenClient(base_url) as client:
        assert client.fetch("/api/secure-data", json=1)["received"] == 1
        http = client._http  # noqa: SLF001 - it is nobody else's
    assert isinstance(http, httpx2.Client)
    assert http.is_closed

    async def story() -> object:
        async with nen.AsyncNenClient(base_url) as client:
            assert (await client.fetch("/api/secure-data", json=1))["received"] == 1
            return client._http  # noqa: SLF001

    asynchronous = asyncio.run(story())
    assert isinstance(asynchronous, httpx2.AsyncClient)
    assert asynchronous.is_closed


@pytest.mark.parametrize(
    ("missing", "outcome"),
    [
        ({"httpx2"}, "httpx"),
        ({"httpx"}, "httpx2"),
        ({"httpx", "httpx2"}, 'a client needs httpx2 or httpx: pip install "nen[httpx]"'),
    ],
)
def test_either_library_will_do(missing: set[str], outcome: str) -> None:
    script = f"""
import importlib.machinery, sys
found = importlib.machinery.PathFinder.find_spec
def find_spec(name, *rest):
    return None if name in {missing} else found(name, *rest)
importlib.machinery.PathFinder.find_spec = find_spec
import nen
try:
    with nen.NenClient("http://example.org") as client:
        print(type(client._http).__module__.partition(".")[0])
except ImportError as error:
    print(error)
"""
    run = [sys.executable, "-c", script]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip() == outcome  # noqa: S603


@both
def test_a_repr_shows_where_to_and_nothing_else(make: Make) -> None:
    client = make("https://example.org/mounted/", identity=nen.Identity.generate())
    assert repr(client) == f"<{make.__name__} https://example.org/mounted>"
    client.close() if make is nen.NenClient else asyncio.run(client.aclose())
