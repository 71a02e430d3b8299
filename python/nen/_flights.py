"""Changes of a session: one at a time, and once for all who want the same at the same time.

Whoever comes first makes the change, and its failure is that of all who wait. If it is cancelled or interrupted, that
is nobody else's concern: one of those who wait makes the change instead.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar


class _Event(Protocol):
    def set(self) -> None: ...


_E = TypeVar("_E", bound=_Event)


class _Flight(Generic[_E]):
    def __init__(self, key: str, landed: _E, pilot: object) -> None:
        self.key = key
        self.pilot = pilot
        self.landed = landed
        self.error: Exception | None = None
        self.abandoned = False

    def settles(self, key: str) -> bool:
        """Tell whether this flight was what was waited for. Raises what it failed with."""
        if self.key != key or self.abandoned:
            return False
        if self.error is not None:
            raise self.error
        return True


class _Flights(Generic[_E]):
    def __init__(self, event: Callable[[], _E]) -> None:
        self._event = event
        self._mutex = threading.Lock()
        self._current: _Flight[_E] | None = None

    def _board(self, key: str, passenger: object) -> tuple[_Flight[_E], bool]:
        """Find the flight that is under way, or start one: then the passenger, a thread or task, makes the change."""
        with self._mutex:
            if self._current is None:
                self._current = _Flight(key, self._event(), passenger)
                return self._current, True
            if self._current.pilot != passenger:
                return self._current, False
        msg = "a call made while the same client changes its session, by an event hook or auth, would wait for itself"
        raise RuntimeError(msg)

    @contextmanager
    def _flying(self, flight: _Flight[_E]) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            flight.error = error
            raise
        except BaseException:
            flight.abandoned = True
            raise
        finally:
            with self._mutex:
                self._current = None
            flight.landed.set()


class Flights(_Flights[threading.Event]):
    """For threads."""

    def __init__(self) -> None:
        super().__init__(threading.Event)

    def join(self, key: str, change: Callable[[], None]) -> None:
        """Make the change with this key, or wait for it if it is under way."""
        while True:
            flight, first = self._board(key, threading.get_ident())
            if first:
                with self._flying(flight):
                    return change()
            flight.landed.wait()
            if flight.settles(key):
                return None


class AsyncFlights(_Flights[asyncio.Event]):
    """For the tasks of one event loop."""

    def __init__(self) -> None:
        super().__init__(asyncio.Event)

    async def join(self, key: str, change: Callable[[], Awaitable[None]]) -> None:
        """Make the change with this key, or wait for it if it is under way."""
        while True:
            flight, first = self._board(key, asyncio.current_task())
            if first:
                with self._flying(flight):
                    return await change()
            await flight.landed.wait()
            if flight.settles(key):
                return None
