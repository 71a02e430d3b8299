"""What nen tells the log: the logger ``nen``, and structured fields in ``extra``, all with the prefix ``nen_``.

A record never holds a key, a signature, a nonce, a body, or the text of an application's exception.
"""

from __future__ import annotations

import logging

from nen._errors import NenError

logger = logging.getLogger("nen")

_SERVER_ERROR = 500
_LONGEST = 256


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
            "nen_method": _printable(method),
            "nen_path": _printable(target.decode("latin-1")),
        },
    )


def websocket_refused(path: str) -> None:
    """Record that a WebSocket on a protected path was refused."""
    path = _printable(path)
    extra = {"nen_event": "websocket-refused", "nen_path": path}
    logger.warning("%s: nen does not protect WebSockets, so none is let in here", path, extra=extra)


def lifecycle(endpoint: str) -> None:
    """Record that a session endpoint did what it was asked for."""
    logger.info("session %s", endpoint, extra={"nen_event": endpoint})


def _printable(text: str) -> str:
    """No request may forge a line of the log, or fill it."""
    short = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
    return "".join(char if char.isprintable() else "?" for char in short)
