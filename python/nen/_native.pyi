from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, TypeAlias, final

from nen._errors import WireError

__all__ = [
    "DEFAULT_MAX_CHUNK",
    "ENDPOINT_PREFIX",
    "HIDDEN_ANSWER_HEADERS",
    "HIDDEN_REQUEST_HEADERS",
    "HMAC_KEY_SIZE",
    "IDENTITY_PKCS8_SIZE",
    "IDENTITY_PUBLIC_KEY_SIZE",
    "IDENTITY_SIGNATURE_SIZE",
    "JSON_CONTENT_TYPE",
    "KEM_CIPHERTEXT_SIZE",
    "KEM_PUBLIC_KEY_SIZE",
    "MAX_HANDSHAKE_BODY",
    "NONCE_HEADER",
    "NONCE_SIZE",
    "PROTOCOL",
    "REMOTE_CLOCK_SLACK_MS",
    "SESSION_HEADER",
    "SHARED_SECRET_SIZE",
    "SIGNATURE_HEADER",
    "SIGNATURE_SIZE",
    "STREAM_CONTENT_TYPE",
    "STREAM_HEADERS",
    "STREAM_NONCE_HEADER",
    "TAG_SIZE",
    "TIMESTAMP_HEADER",
    "VERSION",
    "AdmitCall",
    "Answer",
    "Call",
    "Client",
    "ClientHandshake",
    "EndpointCall",
    "Exchange",
    "Identity",
    "IdentityKey",
    "LifecycleCall",
    "LifecycleOutcome",
    "MemorySessionStore",
    "Outcome",
    "SealedRequest",
    "Server",
    "Session",
    "StreamOpener",
    "StreamSealer",
    "derandomized_accept",
    "derandomized_handshake",
    "error_body",
    "error_codes",
    "nonce_key",
    "read_record",
    "record_key",
    "verify_identity_signature",
    "write_record",
]

VERSION: Final[str]
PROTOCOL: Final[str]
SESSION_HEADER: Final[str]
TIMESTAMP_HEADER: Final[str]
NONCE_HEADER: Final[str]
SIGNATURE_HEADER: Final[str]
STREAM_NONCE_HEADER: Final[str]
JSON_CONTENT_TYPE: Final[str]
STREAM_CONTENT_TYPE: Final[str]
STREAM_HEADERS: Final[list[tuple[str, str]]]
HIDDEN_REQUEST_HEADERS: Final[list[str]]
HIDDEN_ANSWER_HEADERS: Final[list[str]]
ENDPOINT_PREFIX: Final[str]
REMOTE_CLOCK_SLACK_MS: Final[int]
DEFAULT_MAX_CHUNK: Final[int]
MAX_HANDSHAKE_BODY: Final[int]
KEM_PUBLIC_KEY_SIZE: Final[int]
KEM_CIPHERTEXT_SIZE: Final[int]
SHARED_SECRET_SIZE: Final[int]
HMAC_KEY_SIZE: Final[int]
SIGNATURE_SIZE: Final[int]
NONCE_SIZE: Final[int]
TAG_SIZE: Final[int]
IDENTITY_PUBLIC_KEY_SIZE: Final[int]
IDENTITY_PKCS8_SIZE: Final[int]
IDENTITY_SIGNATURE_SIZE: Final[int]

_Headers: TypeAlias = Iterable[tuple[bytes, bytes] | tuple[str, str] | list[bytes]]
_Route: TypeAlias = Literal["handshake", "rotate", "terminate", "status", "not-found"]
_Method: TypeAlias = Literal["get", "set", "delete", "claim_nonce"]

def error_codes() -> list[tuple[str, str, str, int, str, str]]: ...
def error_body(code: str, /) -> bytes: ...
def record_key(sid: str) -> str: ...
def nonce_key(sid: str, nonce: bytes) -> str: ...
def write_record(store_keys: Sequence[bytes | str], session: Session) -> bytes: ...
def read_record(store_keys: Sequence[bytes | str], sid: str, record: bytes, *, ttl_ms: int) -> Session: ...
def verify_identity_signature(key: IdentityKey, message: bytes, signature: bytes) -> None: ...
def derandomized_handshake(draws: bytes) -> ClientHandshake: ...
def derandomized_accept(server: Server, draws: bytes, body: bytes, now_ms: int) -> tuple[Session, bytes]: ...

@final
class Identity:
    @staticmethod
    def generate() -> Identity: ...
    @staticmethod
    def from_pkcs8(der: bytes) -> Identity: ...
    def to_pkcs8(self) -> bytes: ...
    @property
    def public_key(self) -> IdentityKey: ...

@final
class IdentityKey:
    @staticmethod
    def from_spki(der: bytes) -> IdentityKey: ...
    @property
    def spki(self) -> bytes: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Session:
    @staticmethod
    def from_record(sid: str, record: bytes, *, ttl_ms: int | None = None) -> Session: ...
    def to_record(self) -> bytes: ...
    @property
    def id(self) -> str: ...
    @property
    def created_ms(self) -> int: ...
    @property
    def expires_ms(self) -> int | None: ...
    @property
    def identity(self) -> IdentityKey | None: ...
    def seal(self, nonce: bytes, plaintext: bytes) -> bytes: ...
    def open(self, nonce: bytes, ciphertext: bytes) -> bytes: ...
    def sign(self, method: str, target: bytes | str, timestamp_ms: int, nonce: bytes) -> bytes: ...
    def verify(
        self,
        method: str,
        target: bytes | str,
        timestamp: bytes | str,
        nonce: bytes | str,
        signature: bytes,
    ) -> None: ...

@final
class Server:
    def __new__(
        cls,
        *,
        prefix: str | None = None,
        session_ttl_ms: int | None = None,
        window_ms: int | None = None,
        max_body: int | None = None,
        strict: bool | None = None,
        nonces_for_session: bool | None = None,
        require_signed_lifecycle: bool | None = None,
        identities: Literal["optional", "required"] | Iterable[IdentityKey] | None = None,
        store_keys: Sequence[bytes | str] = ...,
    ) -> Server: ...
    def route(self, method: str, target: bytes | str) -> _Route | None: ...
    def respond(
        self,
        store: MemorySessionStore,
        endpoint: str,
        method: str,
        target: bytes | str,
        headers: _Headers,
        body: bytes,
        *,
        now_ms: int | None = None,
    ) -> Answer: ...
    def begin_respond(
        self,
        endpoint: str,
        method: str,
        target: bytes | str,
        headers: _Headers,
        body: bytes,
        *,
        now_ms: int | None = None,
    ) -> EndpointCall: ...
    @staticmethod
    def handshake_too_long() -> WireError: ...
    def admit(
        self,
        store: MemorySessionStore,
        method: str,
        target: bytes | str,
        headers: _Headers,
        *,
        now_ms: int | None = None,
    ) -> Exchange: ...
    def begin_admit(
        self, method: str, target: bytes | str, headers: _Headers, *, now_ms: int | None = None
    ) -> AdmitCall: ...

@final
class AdmitCall:
    def step(self) -> tuple[_Method, tuple[Any, ...]] | None: ...
    def resume(self, reply: object) -> None: ...
    def result(self) -> Exchange: ...

@final
class EndpointCall:
    def step(self) -> tuple[_Method, tuple[Any, ...]] | None: ...
    def resume(self, reply: object) -> None: ...
    def result(self) -> Answer: ...

@final
class MemorySessionStore:
    def __new__(
        cls,
        *,
        max_sessions: int | None = None,
        max_nonces: int | None = None,
        max_nonces_per_session: int | None = None,
    ) -> MemorySessionStore: ...
    def get(self, sid: str, *, now_ms: int | None = None) -> bytes | None: ...
    def set(self, sid: str, record: bytes, expires_ms: int, *, now_ms: int | None = None) -> None: ...
    def delete(self, sid: str) -> None: ...
    def claim_nonce(self, sid: str, nonce: bytes, until_ms: int, *, now_ms: int | None = None) -> bool: ...
    @property
    def sessions(self) -> int: ...
    @property
    def nonces(self) -> int: ...
    def sweep(self, *, now_ms: int | None = None) -> None: ...

@final
class Exchange:
    @property
    def session(self) -> Session: ...
    @property
    def max_body(self) -> int: ...
    def too_long(self) -> WireError: ...
    def open(self, body: bytes) -> bytes | None: ...
    def seal(self, status: int, json: bytes) -> Answer: ...
    @staticmethod
    def form(status: int, headers: _Headers) -> Literal["json", "text", "stream"]: ...
    def seal_as(self, form: Literal["json", "text"], status: int, body: bytes) -> Answer: ...
    @staticmethod
    def sealed_size_of_head(form: Literal["json", "text"], content_length: str | bytes) -> int | None: ...
    def stream(self) -> StreamSealer: ...

@final
class Answer:
    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...

@final
class StreamSealer:
    def __new__(cls, session: Session) -> StreamSealer: ...
    @property
    def nonce_header(self) -> str: ...
    def seal(self, chunk: bytes) -> bytes: ...
    def finish(self) -> bytes: ...

@final
class StreamOpener:
    def __new__(
        cls, session: Session, nonce_header: bytes | str | None, *, max_chunk: int | None = None
    ) -> StreamOpener: ...
    def push(self, data: bytes) -> None: ...
    def next_chunk(self) -> bytes | None: ...
    @property
    def is_finished(self) -> bool: ...
    def end(self) -> None: ...

@final
class Client:
    def __new__(
        cls,
        *,
        identity: Identity | None = None,
        correct_clock: bool | None = None,
        max_chunk: int | None = None,
    ) -> Client: ...
    @property
    def session(self) -> Session | None: ...
    def handshake(self) -> ClientHandshake: ...
    def establish(
        self, handshake: ClientHandshake, status: int, body: bytes, *, now_ms: int | None = None
    ) -> Session: ...

@final
class ClientHandshake:
    def __new__(cls, *, identity: Identity | None = None) -> ClientHandshake: ...
    @property
    def public_key(self) -> bytes: ...
    @property
    def body(self) -> bytes: ...
    def finish(self, status: int, body: bytes, *, now_ms: int | None = None) -> Session: ...

@final
class Call:
    def __new__(cls, method: str, target: bytes | str) -> Call: ...
    def seal(self, client: Client, body: bytes | None = None, *, now_ms: int | None = None) -> SealedRequest: ...
    def open(
        self, client: Client, status: int, date: str | None, body: bytes, *, now_ms: int | None = None
    ) -> Outcome: ...
    def open_stream(self, client: Client, nonce_header: bytes | str | None) -> StreamOpener: ...
    def refuse_stream(
        self, client: Client, status: int, date: str | None, body: bytes, *, now_ms: int | None = None
    ) -> Outcome: ...

@final
class LifecycleCall:
    @staticmethod
    def rotate(target: bytes | str) -> LifecycleCall: ...
    @staticmethod
    def terminate(target: bytes | str) -> LifecycleCall: ...
    @staticmethod
    def status(target: bytes | str) -> LifecycleCall: ...
    @property
    def method(self) -> Literal["GET", "POST"]: ...
    def seal(self, client: Client, *, now_ms: int | None = None) -> SealedRequest: ...
    def open(
        self, client: Client, status: int, date: str | None, body: bytes, *, now_ms: int | None = None
    ) -> LifecycleOutcome: ...

@final
class SealedRequest:
    @property
    def headers(self) -> list[tuple[str, str]]: ...
    @property
    def body(self) -> bytes | None: ...

@final
class Outcome:
    @property
    def kind(self) -> Literal["answer", "foreign", "repeat", "reestablish"]: ...
    @property
    def json(self) -> bytes | None: ...

@final
class LifecycleOutcome:
    @property
    def kind(self) -> Literal["done", "repeat", "reestablish"]: ...
    @property
    def value(self) -> bool | None: ...
