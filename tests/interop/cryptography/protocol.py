"""NEN-PROTOCOL-V2, a client in one page: docs/PROTOCOL.md section by section, on the `cryptography` package alone."""  # noqa: INP001 - beside the programs that use it
# ruff: noqa: EM101 - a code is no message

import asyncio
import hmac
import json
import re
import secrets
import time
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ENDPOINTS = "/api/nen"
SESSION_HEADER = "X-Nen-Session"
TIMESTAMP_HEADER = "X-Nen-Timestamp"
NONCE_HEADER = "X-Nen-Nonce"
SIGNATURE_HEADER = "X-Nen-Signature"
STREAM_NONCE_HEADER = "X-Nen-Stream-Nonce"

# Sizes in bytes.
KEM_CIPHERTEXT = 1088
HMAC_KEY = 32
NONCE = 12

SENTINEL = b"__FIN__"
MAX_CHUNKS = 2**32
CLOCK_TOLERANCE_MS = 1000


class ProtocolError(Exception):
    """A failure of the protocol, found here or told by the server: its code, and one sentence on what was found."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


# ── Encodings ────────────────────────────────────────────────────────────────────────────────────────────


def to_base64(data: bytes) -> str:
    """Write bytes in the standard alphabet, with padding."""
    return b64encode(data).decode()


def from_base64(text: str) -> bytes | None:
    """Read what `to_base64` would write, and nothing else. A decoder alone would let stray bits at the end pass."""
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        return None
    return data if to_base64(data) == text else None


def parse_json(text: bytes, hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:  # noqa: ANN401 - JSON is anything
    """Read UTF-8 JSON, without the NaN and Infinity that Python would take. Raises ValueError."""
    try:
        return json.loads(text.decode(), parse_constant=int, object_pairs_hook=hook)
    except RecursionError as error:
        raise ValueError from error


class _Members(list[tuple[str, Any]]):
    """A JSON object as it stands, members that stand twice included."""


def read_members(body: bytes | _Members, **expected: type) -> list[Any] | None:
    """Read these members of a JSON object: None if one is missing, stands twice or has another type."""
    try:
        members = body if isinstance(body, _Members) else parse_json(body, _Members)
    except ValueError:
        return None
    if not isinstance(members, _Members):
        return None
    found = [[value for name, value in members if name == wanted] for wanted in expected]
    values = [values[0] for values in found if len(values) == 1]
    return values if list(map(type, values)) == list(expected.values()) else None


def read_json(plaintext: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    """Read what was sealed. Raises ISO-4003."""
    try:
        return parse_json(plaintext)
    except ValueError:
        raise ProtocolError("ISO-4003", "the plaintext is not UTF-8 JSON") from None


def is_session_id(text: str) -> bool:
    """Tell whether a text is a UUIDv4 in its canonical form."""
    try:
        uuid = UUID(text)
    except ValueError:
        return False
    return uuid.version == 4 and str(uuid) == text  # noqa: PLR2004 - as in its name


# ── Keys, headers, canonical string ──────────────────────────────────────────────────────────────────────


def canonical_string(method: str, path: str, timestamp: str, nonce: str) -> bytes:
    """Join what a signature covers. The path is the one that travels: percent-encoded, without query."""
    return f"{method}\n{path}\n{timestamp}\n{nonce}".encode()


@dataclass(frozen=True)
class Session:
    """The two keys of a session. Both directions seal under one of them, so no nonce may ever repeat."""

    sid: str = field(repr=False)
    aead_key: bytes = field(repr=False)
    hmac_key: bytes = field(repr=False)

    def seal(self, nonce: bytes, plaintext: bytes) -> bytes:
        """Encrypt; the tag of 16 bytes is appended."""
        return ChaCha20Poly1305(self.aead_key).encrypt(nonce, plaintext, None)

    def open(self, nonce: bytes, ciphertext: bytes) -> bytes:
        """Decrypt. Raises ISO-4001, whatever is wrong."""
        try:
            return ChaCha20Poly1305(self.aead_key).decrypt(nonce, ciphertext, None)
        except InvalidTag:
            raise ProtocolError("ISO-4001", "the tag does not verify") from None

    def open_text(self, nonce: bytes, text: str) -> bytes:
        """Decrypt base64. Raises ISO-6002 and ISO-4001."""
        ciphertext = from_base64(text)
        if ciphertext is None:
            raise ProtocolError("ISO-6002", "the ciphertext is not base64")
        return self.open(nonce, ciphertext)

    def sign(self, method: str, path: str, timestamp: str, nonce: str) -> str:
        """Sign the canonical string."""
        return to_base64(hmac.digest(self.hmac_key, canonical_string(method, path, timestamp, nonce), "sha256"))

    def headers(self, method: str, path: str, timestamp_ms: int, nonce: bytes) -> dict[str, str]:
        """Make the headers of a request."""
        timestamp, nonce_text = str(timestamp_ms), to_base64(nonce)
        return {
            SESSION_HEADER: self.sid,
            TIMESTAMP_HEADER: timestamp,
            NONCE_HEADER: nonce_text,
            SIGNATURE_HEADER: self.sign(method, path, timestamp, nonce_text),
        }


# ── Handshake ────────────────────────────────────────────────────────────────────────────────────────────


class Handshake:
    """The client's half of a key exchange. Its secret key is Python's to wipe: it goes with the object."""

    def __init__(self, identity: MLDSA65PrivateKey | None = None) -> None:
        self._secret_key = MLKEM768PrivateKey.generate()
        self.pk = self._secret_key.public_key().public_bytes_raw()
        self.members = {"pk": to_base64(self.pk)}
        if identity:
            self.members["sigPk"] = to_base64(identity_key(identity))
            self.members["sigOfPk"] = to_base64(identity.sign(self.pk))

    @property
    def body(self) -> bytes:
        """What is to be sent."""
        return json.dumps(self.members).encode()

    def finish(self, response: httpx2.Response) -> Session:
        """Read the answer. Raises ISO-1004, or what the server says."""
        if not response.is_success:
            raise read_error(response) or ProtocolError("ISO-1004", "this answers no handshake")
        answer = read_members(response.content, sid=str, ct=str, hmac=str)
        if answer is None or not is_session_id(answer[0]):
            raise ProtocolError("ISO-1004", "the answer is not {sid, ct, hmac}")
        sid, ct, hmac_key = answer[0], from_base64(answer[1]), from_base64(answer[2])
        if ct is None or hmac_key is None or (len(ct), len(hmac_key)) != (KEM_CIPHERTEXT, HMAC_KEY):
            raise ProtocolError("ISO-1004", "ct or hmac is not base64 of the right size")
        return Session(sid, self._secret_key.decapsulate(ct), hmac_key)


def identity_key(identity: MLDSA65PrivateKey) -> bytes:
    """Write the public key of an identity, as DER SubjectPublicKeyInfo."""
    return identity.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


# ── Protected requests, their answers and failures ───────────────────────────────────────────────────────


def sealed_body(session: Session, nonce: bytes, plaintext: bytes) -> bytes:
    """Write the body of a request. Its nonce travels in the header."""
    return json.dumps({"ct": to_base64(session.seal(nonce, plaintext))}).encode()


def read_error(response: httpx2.Response) -> ProtocolError | None:
    """Read a failure of the protocol, if an answer is one."""
    error = None if response.is_success else read_members(response.content, error=_Members)
    members = error and read_members(error[0], code=str, message=str)
    if not members or not re.fullmatch(r"ISO-\d{4}", members[0], re.ASCII):
        return None
    return ProtocolError(members[0], "told by the server")


@dataclass(frozen=True)
class Answer:
    """An answer to a protected request: opened, or as it came if it was no answer of the protocol."""

    status: int
    is_sealed: bool
    value: Any = field(repr=False)


@dataclass(frozen=True)
class Exchange:
    """A request and what answered it, with the keys that it was sealed under and the nonces of all of its attempts."""

    session: Session
    nonces: set[bytes]
    response: httpx2.Response

    def answer(self) -> Answer:
        """Open an answer. Raises ISO-6001, ISO-6002, ISO-5001, ISO-4001, ISO-4003."""
        response = self.response
        if response.request.method == "HEAD":
            return Answer(response.status_code, is_sealed=False, value=None)
        sealed = read_members(response.content, ct=str, n=str)
        nonce = from_base64(sealed[1]) if sealed else b""
        if nonce is None:
            raise ProtocolError("ISO-6002", "n is not base64")
        if not sealed or len(nonce) != NONCE:
            if not response.is_success:
                return Answer(response.status_code, is_sealed=False, value=response.content)
            raise ProtocolError("ISO-6001", "the answer is not {ct, n}")
        self.refuse_reflection(nonce)
        return Answer(response.status_code, is_sealed=True, value=read_json(self.session.open_text(nonce, sealed[0])))

    async def chunks(self) -> AsyncIterator[bytes]:
        """Open a stream, chunk by chunk. Raises ISO-7002, ISO-7001, ISO-5001, ISO-6002, ISO-4001, ISO-7003."""
        if not self.response.is_success:
            raise ProtocolError("ISO-7002", "the request was not answered with a stream")
        base = from_base64(self.response.headers.get(STREAM_NONCE_HEADER, ""))
        if base is None or len(base) != NONCE:
            raise ProtocolError("ISO-7001", f"{STREAM_NONCE_HEADER} is missing or no nonce")
        self.refuse_reflection(base)
        index = 0
        try:
            async for event in httpx2.EventSource(self.response):
                if not event.data:  # Other fields than data are no chunk.
                    continue
                chunk = self.session.open_text(chunk_nonce(base, index), event.data)
                if chunk == SENTINEL:
                    return
                yield chunk
                index += 1
        except httpx2.TransportError:
            pass
        raise ProtocolError("ISO-7003", "the transport ended before the sentinel")

    def refuse_reflection(self, nonce: bytes) -> None:
        """Refuse our own ciphertext, which would open: both directions share a key. Raises ISO-5001."""
        if nonce in self.nonces:
            raise ProtocolError("ISO-5001", "the nonce of the answer is that of the request")


# ── Streams ──────────────────────────────────────────────────────────────────────────────────────────────


def chunk_nonce(base: bytes, index: int) -> bytes:
    """Derive the nonce of a chunk: bytes 8 to 12, a little-endian u32, XOR its index. Raises ISO-4001 past 2^32."""
    if index >= MAX_CHUNKS:
        raise ProtocolError("ISO-4001", "the stream goes on past 2^32 chunks")
    return base[:8] + (int.from_bytes(base[8:], "little") ^ index).to_bytes(4, "little")


# ── Endpoints, and what a client does on failure ─────────────────────────────────────────────────────────


# By code, what is done before another attempt; it tells whether that is worth it.
Remedies = dict[str, Callable[[Exchange], Awaitable[bool]]]


class Client:
    """A client of the server that its HTTP client has as base URL."""

    def __init__(self, http: httpx2.AsyncClient, identity: MLDSA65PrivateKey | None = None) -> None:
        self.http, self.identity = http, identity
        self.current: Session | None = None
        self._clock_offset_ms = 0
        self._replacing = asyncio.Lock()

    @property
    def session(self) -> Session:
        """The session that the next request is made in. Raises ISO-2001 without one."""
        if self.current is None:
            raise ProtocolError("ISO-2001", "there is no session yet")
        return self.current

    async def handshake(self) -> None:
        """Make a session. Raises ISO-1004, or what the server says."""
        async with self._replacing:
            await self._shake_hands()

    async def rotate(self) -> None:
        """Replace the session; the old one stays if that fails. Raises ISO-1004, or what the server says."""
        async with self._replacing:
            offer = Handshake(self.identity)
            try:
                self.current = offer.finish(await self._endpoint("POST", "rotate", offer.body))
            except ProtocolError as error:
                if error.code != "ISO-2002":
                    raise
                await self._shake_hands()

    async def terminate(self) -> None:
        """End the session, there and here. Raises ISO-6001, or what the server says."""
        response = await self._endpoint("POST", "terminate")
        if not response.is_success or read_members(response.content, success=bool) != [True]:
            raise ProtocolError("ISO-6001", "this answers no terminate")
        self.current = None

    async def status(self) -> bool:
        """Ask whether the session lives. Raises ISO-6001, or what the server says."""
        response = await self._endpoint("GET", "status")
        match response.status_code, read_members(response.content, valid=bool):
            case HTTPStatus.OK, [True]:
                return True
            case HTTPStatus.UNAUTHORIZED, [False]:
                return False
        raise ProtocolError("ISO-6001", "this answers no status")

    async def call(self, method: str, path: str, plaintext: bytes = b"") -> Answer:
        """Send a protected request, with JSON or without a body, and open its answer."""
        exchange = await self._protected(method, path, plaintext)
        await exchange.response.aread()
        return exchange.answer()

    async def stream(self, method: str, path: str, plaintext: bytes = b"") -> AsyncIterator[bytes]:
        """Send a protected request, with JSON or without a body, and open the stream that answers it."""
        exchange = await self._protected(method, path, plaintext)
        try:
            async for chunk in exchange.chunks():
                yield chunk
        finally:
            await exchange.response.aclose()

    async def _protected(self, method: str, path: str, plaintext: bytes) -> Exchange:
        remedies: Remedies = {"ISO-2002": self._reestablish, "ISO-3003": self._learn_time}
        return await self._exchange(method, path, remedies, plaintext=plaintext)

    async def _endpoint(self, method: str, action: str, body: bytes = b"") -> httpx2.Response:
        """Send a request about the session itself: signed, its body as it is."""
        remedies: Remedies = {"ISO-3003": self._learn_time}
        response = (await self._exchange(method, f"{ENDPOINTS}/{action}", remedies, body=body)).response
        await response.aread()
        return response

    async def _exchange(
        self, method: str, path: str, remedies: Remedies, *, plaintext: bytes = b"", body: bytes = b""
    ) -> Exchange:
        """Make attempts, each sealed and signed afresh: a failure that has a remedy is worth another one, once."""
        nonces: set[bytes] = set()
        while True:
            session, nonce = self.session, secrets.token_bytes(NONCE)
            nonces.add(nonce)
            content = sealed_body(session, nonce, plaintext) if plaintext else body
            exchange = Exchange(session, nonces, await self._send(session, nonce, method, path, content))
            error = read_error(exchange.response)
            if error is None:
                return exchange
            remedy = remedies.pop(error.code, None)
            if remedy is None or not await remedy(exchange):
                raise error

    async def _send(self, session: Session, nonce: bytes, method: str, path: str, body: bytes) -> httpx2.Response:
        """Sign and send. A body of success is left to be read."""
        request = self.http.build_request(method, path, content=body)
        travelling = request.url.raw_path.partition(b"?")[0].decode()
        request.headers.update(session.headers(method, travelling, now_ms() + self._clock_offset_ms, nonce))
        response = await self.http.send(request, stream=True)
        if not response.is_success:
            await response.aread()
        return response

    async def _shake_hands(self) -> None:
        offer = Handshake(self.identity)
        self.current = offer.finish(await self.http.post(f"{ENDPOINTS}/handshake", content=offer.body))

    async def _reestablish(self, refused: Exchange) -> bool:
        """Make the session anew, unless another call has done so since this one was sealed."""
        async with self._replacing:
            if self.current is refused.session:
                await self._shake_hands()
        return True

    async def _learn_time(self, refused: Exchange) -> bool:
        """Take over the server's clock, unless the answer does not tell it or agrees with ours."""
        try:
            theirs = parsedate_to_datetime(refused.response.headers.get("Date", ""))
        except ValueError:
            return False
        before, middle_of_second = self._clock_offset_ms, 500
        self._clock_offset_ms = int(theirs.timestamp()) * 1000 + middle_of_second - now_ms()
        return abs(self._clock_offset_ms - before) > CLOCK_TOLERANCE_MS


def now_ms() -> int:
    """Tell the time, in Unix milliseconds."""
    return time.time_ns() // 1_000_000
