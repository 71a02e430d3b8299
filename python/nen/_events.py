"""What nen tells the log: the logger ``nen``, and structured fields in ``extra``, all with the prefix ``nen_``.

A record never holds a key, a signature, a nonce, a body, a session id (whoever knows one can end the session by an
unsigned request), or the text of an exception that is not nen's.
"""

from __future__ import annotations

import logging

from nen._errors import NenError

logger = logging.getLogger("nen")

_SERVER_ERROR = 500
_LONGEST = 256
_MOST_PATHS = 16
_unprotected: set[str] = set()


def refused(error: NenError, method: str, target: bytes) -> None:
    """Record that a request was answered with an error of nen, and why. Only its code and message were sent."""
    logger.log(
        logging.ERROR if error.http_status >= _SERVER_ERROR else logging.WARNING,
        "%s %s: %s %s (%s). %s",
        _printable(method),
        _printable(target.decode("latin-1")),
        error.code,
        error.name,
        error.detail,
        error.hint,
        extra={
            "nen_event": "refused",
            "nen_code": error.code,
            "nen_name": error.name,
            "nen_status": error.http_status,
            "nen_detail": error.detail,
            "nen_hint": error.hint,
            "nen_cause": getattr(error, "cause", None),
            "nen_method": _printable(method),
            "nen_path": _printable(target.decode("latin-1")),
        },
    )


def websocket_refused(path: str) -> None:
    """Record that a WebSocket on a protected path was refused."""
    path = _printable(path)
    extra = {"nen_event": "websocket-refused", "nen_path": path}
    logger.warning("%s: nen does not protect WebSockets, so none is let in here", path, extra=extra)


def unprotected(path: str) -> None:
    """Record, for each path once, that a client speaks nen to one that is not protected, and perhaps should be."""
    if path in _unprotected or len(_unprotected) == _MOST_PATHS:
        return
    _unprotected.add(path)
    path = _printable(path)
    extra = {"nen_event": "unprotected", "nen_path": path}
    logger.warning("%s is not protected (`protect`), but a client has sent a sealed request there", path, extra=extra)


def handshake_limited(seconds: int) -> None:
    """Record that a caller made too many handshakes, and after how many seconds it may try again."""
    extra = {"nen_event": "handshake-limited", "nen_retry_after": seconds}
    logger.warning("too many handshakes of one caller: refused for %d s", seconds, extra=extra)


def lifecycle(endpoint: str) -> None:
    """Record that a session endpoint did what it was asked for."""
    logger.info("session %s", endpoint, extra={"nen_event": endpoint})


def reestablished(origin: str) -> None:
    """Record that a client made its session anew, because the server at this origin has lost it."""
    extra = {"nen_event": "reestablished", "nen_server": origin}
    logger.info("%s has lost the session: a new one was made", origin, extra=extra)


def clock_corrected(origin: str) -> None:
    """Record that a client goes by the clock of the server at this origin from now on."""
    extra = {"nen_event": "clock-corrected", "nen_server": origin}
    logger.warning("the clock here differs from that of %s, and is corrected by it", origin, extra=extra)


def telemetry_failed(error: Exception) -> None:
    """Record that OpenTelemetry raised. The request goes on."""
    kind = type(error).__name__
    logger.warning("OpenTelemetry failed with %s", kind, extra={"nen_event": "telemetry-failed", "nen_cause": kind})


def _printable(text: str) -> str:
    """No request may forge a line of the log, or fill it."""
    short = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
    return "".join(char if char.isprintable() else "?" for char in short)
