"""Both clients over both HTTP libraries, driven alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any

import httpx
import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal
from typing_extensions import Self

import nen


@dataclass(frozen=True)
class Variant:
    """A library, and which client of it."""

    library: ModuleType
    is_async: bool

    def __str__(self) -> str:
        return f"{self.library.__name__}-{'async' if self.is_async else 'sync'}"

    def http(self, **options: Any) -> Any:
        """Make a client of the library."""
        return (self.library.AsyncClient if self.is_async else self.library.Client)(**options)


VARIANTS = [Variant(library, is_async) for library in (httpx, httpx2) for is_async in (False, True)]


@dataclass
class Recorded:
    """What a client has asked and was answered, as ``STATUS PATH``, and the last request."""

    log: list[str] = field(default_factory=list)
    request: Any = None

    def saw(self, response: Any) -> None:
        self.request = response.request
        self.log.append(f"{response.status_code} {response.request.url.raw_path.decode()}")


class Driven:
    """A client of either kind, with the methods of the one that is waited on, for any number of threads."""

    def __init__(self, variant: Variant, url: str, *, http: dict[str, Any] | None = None, **options: Any) -> None:
        self.variant = variant
        self.recorded = Recorded()
        self._portal_context = start_blocking_portal() if variant.is_async else None
        self._url, self._http_options, self._options = url, {"timeout": 10, **(http or {})}, options

    def __enter__(self) -> Self:
        self._portal = self._portal_context.__enter__() if self._portal_context else None
        hook = self._saw if self._portal else self.recorded.saw
        self.http = self.variant.http(event_hooks={"response": [hook]}, **self._http_options)
        kind = nen.AsyncNenClient if self._portal else nen.NenClient
        self.client: Any = kind(self._url, self.http, **self._options)
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self.client.aclose if self._portal else self.client.close)
        self.call(self.http.aclose if self._portal else self.http.close)
        if self._portal_context:
            self._portal_context.__exit__(None, None, None)

    async def _saw(self, response: Any) -> None:
        self.recorded.saw(response)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call what belongs to the client, and wait for it."""
        call = partial(function, *args, **kwargs)
        return self._portal.call(call) if self._portal else call()

    @property
    def session_id(self) -> str | None:
        found: str | None = self.client.session_id
        return found

    def handshake(self) -> None:
        self.call(self.client.handshake)

    def rotate(self) -> None:
        self.call(self.client.rotate)

    def terminate(self) -> None:
        self.call(self.client.terminate)

    def status(self) -> bool:
        return bool(self.call(self.client.status))

    def close(self) -> None:
        self.call(self.client.aclose if self._portal else self.client.close)

    def fetch(self, path: str, **options: Any) -> Any:
        return self.call(self.client.fetch, path, **options)

    def request(self, method: str, path: str, **options: Any) -> nen.NenResponse:
        response = self.call(self.client.request, method, path, **options)
        assert isinstance(response, nen.NenResponse)
        return response

    @contextmanager
    def stream(self, path: str, **options: Any) -> Iterator[Stream]:
        context = self.client.stream(path, **options)
        with self._portal.wrap_async_context_manager(context) if self._portal else context as stream:
            yield Stream(self._portal, stream)

    def texts(self, path: str, **options: Any) -> list[str]:
        """Iterate over what stream() gives, without entering it."""
        return self.texts_of(self.client.stream(path, **options))

    def texts_of(self, request: Any) -> list[str]:
        async def collect() -> list[str]:
            return [text async for text in request]

        return self._portal.call(collect) if self._portal else list(request)


class Stream:
    """A stream of either kind, with the methods of the one that is waited on."""

    def __init__(self, portal: BlockingPortal | None, stream: Any) -> None:
        self._portal, self._stream = portal, stream

    def iter_bytes(self) -> Iterator[bytes]:
        return self._iterate(self._stream.aiter_bytes() if self._portal else self._stream.iter_bytes())

    def iter_text(self) -> Iterator[str]:
        return self._iterate(self._stream.aiter_text() if self._portal else self._stream.iter_text())

    def close(self) -> None:
        if self._portal:
            self._portal.call(self._stream.aclose)
        else:
            self._stream.close()

    def _iterate(self, items: Any) -> Iterator[Any]:
        return self._awaited(self._portal, items) if self._portal else items

    @staticmethod
    def _awaited(portal: BlockingPortal, items: AsyncIterator[Any]) -> Iterator[Any]:
        missing = object()

        async def take() -> Any:
            return await anext(items, missing)

        while (item := portal.call(take)) is not missing:
            yield item
