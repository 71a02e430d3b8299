"""How many handshakes one caller may make."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import blake2b
from threading import Lock
from typing import Any

__all__ = ["HandshakeLimit", "caller_address"]

_MINUTE_NS = 60_000_000_000
_SECOND_NS = 1_000_000_000
_IPV6_NETWORK = 64


def caller_address(request: Mapping[str, Any]) -> str:
    """Return the address that a request came from, as the server tells it; of IPv6, the network that one caller has.

    ``request`` is an ASGI scope or a WSGI environ. Callers whose address the server does not tell, as on a Unix socket,
    are one to this function.
    """
    client = request.get("client")
    address = str(client[0] if client else request.get("REMOTE_ADDR", ""))
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return address
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((int(ip), _IPV6_NETWORK), strict=False).network_address)


class HandshakeLimit:
    """How many handshakes and rotations one caller may make: ``per_minute`` at once, then one by one at that rate.

    One beyond it is answered with 429, ``Retry-After`` and a plain text. The count is of one process.

    - ``key`` tells callers apart: a function of the ASGI scope, or of the WSGI environ, that returns a str, or None
      for a caller without a limit. Take no header that a caller can write as it likes. Default:
      :func:`caller_address`.
    - ``max_keys``: how many callers are remembered, each for a minute at most. Beyond it, the one that was let in least
      recently is forgotten, and starts anew. Callers without number are what ``max_sessions`` of the store is for.
      About 200 bytes each; default 100,000.
    - ``clock``: monotonic nanoseconds.

    :raises ValueError: if a number is below 1; ``TypeError`` if an argument is of another kind.
    """

    def __init__(
        self,
        per_minute: int = 60,
        *,
        key: Callable[[Mapping[str, Any]], str | None] = caller_address,
        max_keys: int = 100_000,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        numbers: dict[str, object] = {"per_minute": per_minute, "max_keys": max_keys}
        for name, value in numbers.items():
            if not isinstance(value, int):
                msg = f"{name} must be an int, not {type(value).__name__}"
                raise TypeError(msg)
            if value < 1:
                msg = f"{name} must be at least 1, not {value}"
                raise ValueError(msg)
        functions: dict[str, Any] = {"key": key, "clock": clock}
        for name, value in functions.items():
            if not callable(value):
                msg = f"{name} must be a function, not {type(value).__name__}"
                raise TypeError(msg)
        self._per_minute = per_minute
        self._key = key
        self._max_keys = max_keys
        self._clock = clock
        self._lock = Lock()
        # The generic cell rate algorithm (ITU-T I.371): for each key the time at which all of its handshakes would be
        # paid for, at one each 60 s / per_minute. Times are in ns * per_minute, so that no division rounds.
        self._paid: OrderedDict[bytes, int] = OrderedDict()

    def retry_after(self, request: Mapping[str, Any]) -> int:
        """Count a handshake. Returns 0 if it may be made, else after how many whole seconds to try again."""
        key = self._key(request)
        if key is None:
            return 0
        # A digest, so that a long key costs no more memory than a short one, and an address is not kept.
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        with self._lock:
            now = self._clock() * self._per_minute
            paid = max(self._paid.get(digest, now), now) + _MINUTE_NS
            early = paid - now - _MINUTE_NS * self._per_minute
            if early > 0:
                return -(-early // (_SECOND_NS * self._per_minute))
            self._paid[digest] = paid
            self._paid.move_to_end(digest)
            self._forget(now)
            return 0

    def _forget(self, now: int) -> None:
        # Two for each that is added: memory shrinks after a flood, and no call does the work of many.
        for _ in range(2):
            if len(self._paid) > self._max_keys or next(iter(self._paid.values())) <= now:
                self._paid.popitem(last=False)
