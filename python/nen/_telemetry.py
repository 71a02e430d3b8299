"""What the middlewares tell an observer: the hooks of :mod:`nen.telemetry`, which do nothing here."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

_UNTIMED = nullcontext()


class SealedStream:
    """A stream, from its first byte to its end."""

    def chunk(self) -> None:
        """Count a sealed chunk."""

    def end(self, *, complete: bool) -> None:
        """Say that it is over, and whether it has its end mark. Only the first call counts."""


_UNCOUNTED = SealedStream()


class Telemetry:
    """The hooks. None of them raises, and none is told a secret, a session, or a path."""

    def request(self, method: str) -> None:
        """Count a request to a protected path or endpoint."""

    def refused(self, code: str) -> None:
        """Count a refusal: by the code of an error, or by the name of an event in the log."""

    def session(self, endpoint: str) -> None:
        """Count what a session endpoint did."""

    def answering(self, endpoint: str) -> AbstractContextManager[None]:  # noqa: ARG002 - for those who do
        """Time a session endpoint."""
        return _UNTIMED

    def opening(self, method: str) -> AbstractContextManager[None]:  # noqa: ARG002 - for those who do
        """Time the check of a request, the reading of its body, and the opening of that."""
        return _UNTIMED

    def sealing(self, form: str) -> AbstractContextManager[None]:  # noqa: ARG002 - for those who do
        """Time the sealing of a whole answer."""
        return _UNTIMED

    def streaming(self) -> SealedStream:
        """Time a stream."""
        return _UNCOUNTED


OFF = Telemetry()
