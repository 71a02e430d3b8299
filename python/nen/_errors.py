"""The exceptions of nen. Everything about a code is read from the core's one table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, NamedTuple, cast

from nen import _native

if TYPE_CHECKING:
    from typing_extensions import Self


class ErrorCode(NamedTuple):
    """One row of the table of codes."""

    code: str
    """As on the wire, for example ``ISO-3002``."""
    name: str
    """The symbolic name, for example ``AUTH_SIGNATURE_INVALID``."""
    category: str
    """``handshake``, ``session``, ``auth``, ``crypto``, ``replay``, ``wire``, ``stream`` or ``internal``."""
    http_status: int
    """What a server answers with, or what best describes a client-side failure."""
    message: str
    """One sentence that is safe on the wire."""
    hint: str
    """Cause and fix, for the log. Never sent."""


ERRORS: Mapping[str, ErrorCode] = MappingProxyType({row[0]: ErrorCode(*row) for row in _native.error_codes()})
"""Every code of the protocol, ascending."""


class NenError(Exception):
    """A failure of the protocol: a stable code, and one sentence on what was found.

    ``NenError("ISO-3002")`` gives an :class:`AuthError`: the class follows from the code. An unknown code, or one of
    another class, is a ``ValueError``. Neither attribute holds anything secret, or anything that a peer sent.
    """

    category: ClassVar[str] = ""
    """The family of codes that a subclass stands for."""

    code: str
    """The stable code, for example ``ISO-3002``."""
    detail: str
    """What exactly was found, for the log of this side. Never sent."""

    def __new__(cls, code: str, detail: str = "") -> Self:
        """Choose the class for the code."""
        if code not in ERRORS:
            msg = f"{code!r} is no error code of nen"
            raise ValueError(msg)
        category = ERRORS[code].category
        if cls.category not in ("", category):
            msg = f"{code} belongs to {_CLASSES[category].__name__}, not to {cls.__name__}"
            raise ValueError(msg)
        chosen = _CLASSES[category] if cls is NenError else cls
        return cast("Self", super().__new__(chosen, code, detail))

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    @property
    def name(self) -> str:
        """The symbolic name, for example ``AUTH_SIGNATURE_INVALID``."""
        return ERRORS[self.code].name

    @property
    def http_status(self) -> int:
        """The status that a server answers with, or that best describes a client-side failure."""
        return ERRORS[self.code].http_status

    @property
    def message(self) -> str:
        """One sentence that is safe on the wire."""
        return ERRORS[self.code].message

    @property
    def hint(self) -> str:
        """Cause and fix, for the log of the side that raised it. Never sent."""
        return ERRORS[self.code].hint

    def to_json(self) -> bytes:
        """Write the body that a server answers with: ``{"error":{"code","message"}}`` and nothing else."""
        return _native.error_body(self.code)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f" ({self.detail})" if self.detail else "")


class HandshakeError(NenError):
    """ISO-1xxx: the key exchange."""

    category = "handshake"


class SessionError(NenError):
    """ISO-2xxx: the session is missing, unknown or expired."""

    category = "session"


class AuthError(NenError):
    """ISO-3xxx: the request is not authentic."""

    category = "auth"


class CryptoError(NenError):
    """ISO-4xxx: sealing or opening."""

    category = "crypto"


class ReplayError(NenError):
    """ISO-5xxx: a nonce was seen before, or cannot be remembered."""

    category = "replay"


class WireError(NenError):
    """ISO-6xxx: the bytes on the wire are not what the protocol says."""

    category = "wire"


class StreamError(NenError):
    """ISO-7xxx: a sealed stream."""

    category = "stream"


class InternalError(NenError):
    """ISO-9xxx: anything else, and the session store."""

    category = "internal"


_CLASSES: Mapping[str, type[NenError]] = MappingProxyType(
    {error.category: error for error in NenError.__subclasses__()}
)
