"""What the middlewares of ASGI and WSGI share: their options, and what follows from them alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict, TypeVar

from nen import _events
from nen._errors import InternalError, NenError
from nen._native import DEFAULT_MAX_CHUNK, PROTOCOL, Exchange, IdentityKey, MemorySessionStore, Server
from nen._paths import PathRule, path_rule
from nen._telemetry import OFF, Telemetry
from nen.limits import HandshakeLimit
from nen.stores import SessionStore

if TYPE_CHECKING:
    from typing_extensions import Self

_Option = TypeVar("_Option")


class Peer(NamedTuple):
    """Who sent a protected request."""

    session_id: str
    """The id of the session, a UUIDv4."""
    identity: IdentityKey | None
    """The ML-DSA-65 key that signed the handshake, if one did. Only a request with a body shows who is there now."""
    protocol: str
    """The protocol and its version."""

    @classmethod
    def of(cls, exchange: Exchange) -> Self:
        """Tell who sent an admitted request."""
        session = exchange.session
        return cls(session.id, session.identity, PROTOCOL)


def refuse_twice(request: Mapping[str, Any]) -> None:
    """Say that another middleware has opened this request. ``request`` is its ASGI scope or WSGI environ."""
    if "nen" in request:
        msg = "two NenMiddleware protect this path: add it once, or have their `protect` name different paths"
        raise RuntimeError(msg)


class Options(TypedDict, total=False):
    """The options of a middleware. Each is checked when the middleware is made."""

    protect: Iterable[str] | PathRule | Literal["decorated"] | None
    """Which paths are protected: patterns such as ``["/api/*"]``, where ``*`` stands for anything, or a function of the
    path. It sees the path that the application routes by: decoded, below the mount point. With ``"decorated"`` it is
    no path, but the endpoints under :func:`nen.decorators.with_nen`. Default: every path outside ``prefix``."""
    store: SessionStore | None
    """Where sessions and used nonces are kept. Default: a :class:`nen.MemorySessionStore`, which serves one process and
    has limits for both."""
    store_keys: Sequence[bytes | str]
    """Under which keys a session's record is sealed before the store has it: the first seals, and all of them open.
    Each is 32 bytes, their base64 as text, or ``"plain"``, which stands for records in the clear; in a list or a tuple,
    since the order counts. Default ``["plain"]``. A :class:`nen.MemorySessionStore` keeps no records, so that they mean
    nothing to it."""
    store_timeout_ms: int
    """How long one question to the store may take, in milliseconds; then the request is answered with ISO-9001. Default
    2,000. It does not concern a :class:`nen.MemorySessionStore`."""
    prefix: str | None
    """The path of the session endpoints, below the mount point. Default ``/api/nen``."""
    external_prefix: str
    """A path, percent-encoded, that a proxy in front takes away and the server does not tell of. Clients sign the path
    that they see. Default: none."""
    session_ttl_ms: int | None
    """How long a session lives, in milliseconds. Default one hour."""
    window_ms: int | None
    """How far a request's timestamp may be from the clock, either way, in milliseconds. Default 30,000."""
    max_body: int | None
    """Most bytes of a request's sealed body; reading stops there (ISO-6001). Default 8 MiB."""
    max_answer: int
    """Most bytes of an answer that is sealed whole; stream a longer one, which is ISO-9000 here. Default 16 MiB."""
    max_chunk: int
    """Most bytes of one chunk of a stream; a longer one is sent as several. Default 1 MiB."""
    strict: bool | None
    """Whether requests without a signature are refused. Default True."""
    nonces_for_session: bool | None
    """Whether a nonce is remembered until its session ends, and not for the window alone: memory for each request of a
    session's life. True where a server that is not strict shares the store, and where whoever read a
    handshake shall not send a recorded body again. Default False."""
    require_signed_lifecycle: bool | None
    """Whether rotate, terminate and status must be signed. Default False."""
    identities: Literal["optional", "required"] | Iterable[IdentityKey] | None
    """``"optional"`` (default), ``"required"``, or the keys that may connect."""
    handshake_limit: HandshakeLimit | None
    """How many handshakes one caller may make. Default: any number. Behind a proxy, first see to it that the server
    tells callers apart."""
    telemetry: Telemetry | None
    """Where to report spans and counters: a :class:`nen.telemetry.OpenTelemetry`. Default: nowhere."""


_OF_THE_SERVER = (
    "prefix",
    "session_ttl_ms",
    "window_ms",
    "max_body",
    "strict",
    "nonces_for_session",
    "require_signed_lifecycle",
    "identities",
    "store_keys",
)


class Guard:
    """The options of a middleware, checked."""

    def __init__(self, options: Options) -> None:
        unknown = options.keys() - Options.__annotations__.keys()
        if unknown:
            msg = f"NenMiddleware has no option {', '.join(sorted(unknown))}"
            raise TypeError(msg)
        of_the_server: dict[str, Any] = {name: value for name, value in options.items() if name in _OF_THE_SERVER}
        self.server = Server(**of_the_server)
        store = options.get("store")
        self.store: SessionStore = MemorySessionStore() if store is None else store
        self.store_timeout_ms = _required(int, options, "store_timeout_ms", 2_000)
        self.protects = path_rule(options.get("protect"))
        external_prefix = _required(str, options, "external_prefix", "")
        if external_prefix and not (external_prefix.startswith("/") and external_prefix.isascii()):
            msg = "external_prefix must be a path that starts with a slash, percent-encoded"
            raise ValueError(msg)
        self.external_prefix = external_prefix.rstrip("/").encode()
        self.max_answer = _required(int, options, "max_answer", 16 * 1024 * 1024)
        if self.max_answer < 1:
            msg = "max_answer must be at least one byte"
            raise ValueError(msg)
        self.max_chunk = _required(int, options, "max_chunk", 1024 * 1024)
        if not 1 <= self.max_chunk <= DEFAULT_MAX_CHUNK:
            msg = f"max_chunk must be from 1 to {DEFAULT_MAX_CHUNK} bytes, which is what clients take"
            raise ValueError(msg)
        self.handshake_limit = _optional(HandshakeLimit, options, "handshake_limit")
        self.telemetry = _optional(Telemetry, options, "telemetry") or OFF

    @staticmethod
    def answer_too_long() -> NenError:
        """Tell of an answer that is over ``max_answer``."""
        return InternalError("ISO-9000", "the application's answer has more bytes than max_answer allows")

    def handshake_wait(self, endpoint: str, request: Mapping[str, Any]) -> int:
        """Count a request to a session endpoint: 0 if it may go on, else after how many seconds to try it again.

        ``request`` is its ASGI scope or WSGI environ.
        """
        if self.handshake_limit is None or endpoint not in ("handshake", "rotate"):
            return 0
        seconds = self.handshake_limit.retry_after(request)
        if seconds:
            _events.handshake_limited(seconds)
            self.telemetry.refused("handshake-limited")
        return seconds


def _required(kind: type[_Option], options: Mapping[str, object], name: str, default: _Option) -> _Option:
    return _of_kind(kind, options.get(name, default), name)


def _of_kind(kind: type[_Option], value: object, name: str) -> _Option:
    if isinstance(value, kind):
        return value
    msg = f"{name} must be of type {kind.__name__}, not {type(value).__name__}"
    raise TypeError(msg)


def _optional(kind: type[_Option], options: Mapping[str, object], name: str) -> _Option | None:
    value = options.get(name)
    return value if value is None else _of_kind(kind, value, name)
