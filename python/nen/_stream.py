"""Sealed streams, as clients read them."""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from types import AsyncGeneratorType, ModuleType
from typing import Any, Generic, TypeVar, cast

from nen._errors import StreamError
from nen._native import StreamOpener

_T = TypeVar("_T")


class _BaseStream:
    status_code: int
    """The HTTP status, 2xx. The protocol does not seal it."""
    headers: Mapping[str, str]
    """The headers as they came, by names in any case. The protocol does not seal them."""

    def __init__(self, library: ModuleType, response: Any, opener: StreamOpener) -> None:  # noqa: ANN401
        self.status_code = response.status_code
        self.headers = response.headers
        self._library = library
        self._response = response
        self._opener = opener
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} [{self.status_code}]>"

    def _opened(self) -> Iterator[bytes]:
        """Give the chunks that are complete."""
        while (chunk := self._opener.next_chunk()) is not None:
            yield chunk

    @contextmanager
    def _receiving(self) -> Iterator[None]:
        try:
            yield
        except self._library.TimeoutException:
            raise
        except self._library.TransportError as error:
            broken = StreamError("ISO-7003", "the transport broke")
            raise broken from error


class NenStream(_BaseStream):
    """A sealed stream, opened as it arrives. One thread reads it.

    Reading raises ISO-7003 if the stream broke off: what was read is authentic, and not all of it has come; ISO-4001
    for a chunk that was changed, moved, dropped or repeated; ISO-6001 for one over the limit, ISO-6002; and what the
    HTTP client raises when it has waited too long.
    """

    def __init__(self, library: ModuleType, response: Any, opener: StreamOpener) -> None:  # noqa: ANN401
        super().__init__(library, response, opener)
        self._received = received(response)

    def iter_bytes(self) -> Iterator[bytes]:
        """Iterate over the chunks as the server has written them."""
        while True:
            yield from self._opened()
            if self._opener.is_finished:
                return
            with self._receiving():
                data = next(self._received, None)
            if data is None:
                self._opener.end()
            else:
                self._opener.push(data)

    def iter_text(self) -> Iterator[str]:
        """Iterate over the stream as UTF-8 text, where characters that are split between chunks are joined."""
        for chunk in self.iter_bytes():
            if text := self._decoder.decode(chunk):
                yield text
        if rest := self._decoder.decode(b"", final=True):
            yield rest

    def close(self) -> None:
        """End the stream, also before its end, and its request with it."""
        self._received.close()
        self._response.close()


class AsyncNenStream(_BaseStream):
    """A sealed stream, opened as it arrives. One task reads it, with the errors of :class:`NenStream`."""

    def __init__(self, library: ModuleType, response: Any, opener: StreamOpener) -> None:  # noqa: ANN401
        super().__init__(library, response, opener)
        self._received = areceived(response)

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Iterate over the chunks as the server has written them."""
        while True:
            for chunk in self._opened():
                yield chunk
            if self._opener.is_finished:
                return
            with self._receiving():
                data = await anext(self._received, None)
            if data is None:
                self._opener.end()
            else:
                self._opener.push(data)

    async def aiter_text(self) -> AsyncIterator[str]:
        """Iterate over the stream as UTF-8 text, where characters that are split between chunks are joined."""
        async for chunk in self.aiter_bytes():
            if text := self._decoder.decode(chunk):
                yield text
        if rest := self._decoder.decode(b"", final=True):
            yield rest

    async def aclose(self) -> None:
        """End the stream, also before its end, and its request with it. Any task may do so, also while one reads."""
        await self._response.aclose()
        if not self._received.ag_running:  # Else the task that reads ends it, with ISO-7003.
            await self._received.aclose()


class _Once(Generic[_T]):
    def __init__(self, send: Callable[[], _T]) -> None:
        self._send: Callable[[], _T] | None = send

    def __call__(self) -> _T:
        send, self._send = self._send, None
        if send is None:
            msg = "this request for a stream was sent already: call stream() again for another one"
            raise RuntimeError(msg)
        return send()


class NenStreamRequest:
    """A request for a stream, sent once: when it is entered, or iterated over as text."""

    def __init__(self, send: Callable[[], NenStream]) -> None:
        self._sent = _Once(send)

    def __enter__(self) -> NenStream:
        self._stream = self._sent()
        return self._stream

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[str]:
        with self as stream:
            yield from stream.iter_text()


class AsyncNenStreamRequest:
    """A request for a stream, sent once: when it is entered, or iterated over as text."""

    def __init__(self, send: Callable[[], Awaitable[AsyncNenStream]]) -> None:
        self._sent = _Once(send)

    async def __aenter__(self) -> AsyncNenStream:
        self._stream = await self._sent()
        return self._stream

    async def __aexit__(self, *_: object) -> None:
        await self._stream.aclose()

    async def __aiter__(self) -> AsyncIterator[str]:
        async with self as stream:
            async for text in stream.aiter_text():
                yield text


def received(response: Any) -> Generator[bytes, None, None]:  # noqa: ANN401
    """Give the body as it arrives, or as it was read already: by an event hook, `auth`, or a transport for tests."""
    data: Generator[bytes, None, None] = (
        (data for data in [response.content]) if response.is_stream_consumed else response.iter_raw()
    )
    return data


def areceived(response: Any) -> AsyncGeneratorType[bytes, None]:  # noqa: ANN401
    async def read_already() -> AsyncIterator[bytes]:
        yield response.content

    data = read_already() if response.is_stream_consumed else response.aiter_raw()
    return cast("AsyncGeneratorType[bytes, None]", data)
