"""The warning that sessions in memory do not serve several workers."""

from __future__ import annotations

import os
import re
import sys

from nen._events import logger
from nen._native import MemorySessionStore
from nen.stores import SessionStore

_OPTION = re.compile(r"(?<= )(?:--workers[ =]|-w ?)([0-9]{1,6})(?= )")


class _Process:
    """What this process knows of itself."""

    has_warned = False
    forked = 0
    """How often it has been forked since this module was loaded."""
    has_siblings = False
    """Whether it was forked after another such process."""

    @classmethod
    def after_in_parent(cls) -> None:
        cls.forked += 1

    @classmethod
    def after_in_child(cls) -> None:
        cls.has_siblings = cls.forked > 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_Process.after_in_parent, after_in_child=_Process.after_in_child)


def are_asked_for() -> bool:
    """Tell whether the command line or the environment asks the server for several workers."""
    words = [*sys.argv[1:], *os.environ.get("GUNICORN_CMD_ARGS", "").split()]
    counts = _OPTION.findall(f" {' '.join(words)} ")
    asked: str = counts[-1] if counts else os.environ.get("WEB_CONCURRENCY", "")
    return bool(re.fullmatch("[0-9]{1,6}", asked)) and int(asked) > 1


def warn_if_several(store: SessionStore, *, multiprocess: bool = False) -> None:
    """Warn once if sessions are kept in memory and this is one of several workers.

    ``multiprocess`` says that it is: :func:`are_asked_for`, or ``wsgi.multiprocess`` of a WSGI environ. Forks after the
    application was loaded are seen here.
    """
    if not isinstance(store, MemorySessionStore) or _Process.has_warned:
        return
    if multiprocess or _Process.has_siblings:
        _Process.has_warned = True
        logger.warning(
            "sessions are kept in this process's memory, but it is one of several workers, and the others refuse what"
            " they do not know with ISO-2002. Give nen a store that they share, such as nen.RedisSessionStore(client)",
            extra={"nen_event": "several-workers"},
        )
