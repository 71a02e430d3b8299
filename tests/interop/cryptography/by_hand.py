"""Requests by hand: right until a part of them is changed, and what a server must make of them."""  # noqa: INP001 - beside the program that uses it
# ruff: noqa: S101 - it asserts, for the steps

import asyncio
import json
import re
import secrets
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
from protocol import (
    ENDPOINTS,
    NONCE,
    NONCE_HEADER,
    SENTINEL,
    SESSION_HEADER,
    SIGNATURE_HEADER,
    STREAM_NONCE_HEADER,
    TIMESTAMP_HEADER,
    Handshake,
    Session,
    chunk_nonce,
    from_base64,
    now_ms,
    read_json,
    sealed_body,
    to_base64,
)

ERRORS = Path(__file__).resolve().parents[3] / "docs" / "ERRORS.md"
ECHO = "/api/secure-data"
VALUE = {"secret": "ü", "n": [1, 2.5, None]}
PLAINTEXT = json.dumps(VALUE).encode()
ECHOED = {"message": "Securely processed", "received": VALUE}
JSON = "application/json"
HANDSHAKE_ANSWER = {"sid", "ct", "hmac"}


class Refusal(NamedTuple):
    """What a code travels with."""

    status: int
    message: str


REFUSALS = {
    code: Refusal(int(status), message)
    for code, status, message in re.findall(
        r"(?m)^\| (ISO-\d{4}) \| (\d{3}) \| `\w+` \| ([^|]+) \|", ERRORS.read_text()
    )
}


def spoilt_base64(data: bytes, white: str = "\n") -> list[str]:
    """Write bytes in each way that a lenient reader takes for base64."""
    text = to_base64(data)
    last = text.rstrip("=")[-1]
    stray = chr(ord(last) + 1)  # Where there is padding, unused bits of the last character are zero: here, one is not.
    spoilt = [text.rstrip("="), text + "=", text[:4] + white + text[4:], "-_" + text[2:]]
    return [each for each in [*spoilt, text.replace(f"{last}=", f"{stray}=")] if each != text]


@dataclass
class Request:
    """A request as it should be, until a step changes a part of it. A part that is None does not travel."""

    session: Session
    method: str = "POST"
    path: str = ECHO
    content: bytes | None = None
    sid: str | None = None
    timestamp: str | None = field(default_factory=lambda: str(now_ms()))
    nonce: str | None = field(default_factory=lambda: to_base64(secrets.token_bytes(NONCE)))
    signature: str | None = None

    def __post_init__(self) -> None:
        self.sid = self.sid or self.session.sid

    def but(self, **parts: Any) -> "Request":  # noqa: ANN401 - what it has
        """Change parts."""
        return replace(self, **parts)

    def sealed(self, plaintext: bytes = PLAINTEXT) -> "Request":
        """Give it a body under its nonce."""
        nonce = from_base64(self.nonce or "") or b""
        return self.but(content=sealed_body(self.session, nonce, plaintext))

    def signed(self, **parts: str) -> "Request":
        """Sign it, or it with other parts."""
        own = {"method": self.method, "path": self.path, "timestamp": self.timestamp or "", "nonce": self.nonce or ""}
        return self.but(signature=self.session.sign(**(own | parts)))

    @property
    def headers(self) -> list[tuple[str, str]]:
        """What it says in headers."""
        parts = {
            SESSION_HEADER: self.sid,
            TIMESTAMP_HEADER: self.timestamp,
            NONCE_HEADER: self.nonce,
            SIGNATURE_HEADER: self.signature,
        }
        return [(name, value) for name, value in parts.items() if value is not None]


class Server:
    """A server, asked past any client."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def session(self) -> Session:
        """Make a session."""
        offer = Handshake()
        return offer.finish(await self.post_handshake(offer.members))

    async def post_handshake(self, members: dict[str, Any]) -> httpx2.Response:
        """Send an offer."""
        return await self.http.post(f"{ENDPOINTS}/handshake", json=members)

    async def check_handshake(self, code: str | None, body: str | bytes) -> None:
        """Send what may be no offer: it must be refused with a code, or taken."""
        answer = await self.http.post(f"{ENDPOINTS}/handshake", content=body)
        if code:
            self.refused(code, answer)
        else:
            assert set(json_of(answer)) == HANDSHAKE_ANSWER, f"not taken, but answered with {answer.status_code}"

    async def bare(self, method: str, action: str, sid: str | None, body: bytes = b"") -> httpx2.Response:
        """Send a request to a session endpoint that only names a session."""
        headers = {} if sid is None else {SESSION_HEADER: sid}
        return await self.http.request(method, f"{ENDPOINTS}/{action}", headers=headers, content=body)

    async def send(
        self, request: Request, *more: tuple[str, str], without: str = "", query: str = ""
    ) -> httpx2.Response:
        """Send a request, with headers that stand twice or without one."""
        headers = [header for header in [*request.headers, *more] if header[0] != without]
        return await self.http.request(
            request.method, request.path + query, headers=headers, content=request.content or b""
        )

    async def check(
        self,
        code: str | None,
        request: Request,
        *more: tuple[str, str],
        without: str = "",
        query: str = "",
        expect: object = ECHOED,
    ) -> httpx2.Response:
        """Send a request: it must be refused with a code, or answered."""
        answer = await self.send(request, *more, without=without, query=query)
        if code:
            return self.refused(code, answer)
        sealed = json_of(answer)
        opened = request.session.open_text(from_base64(sealed["n"]) or b"", sealed["ct"])
        assert read_json(opened) == expect, "the answer is another one"
        return answer

    def refused(self, code: str, answer: httpx2.Response) -> httpx2.Response:
        """Check that an answer is a failure with this code, and holds nothing else."""
        status, message = REFUSALS[code]
        expected = {"error": {"code": code, "message": message}}
        assert (answer.status_code, json_of(answer)) == (status, expected), f"{code} expected: {answer.text}"
        return answer

    async def raw(self, method: str, target: str, headers: list[tuple[str, str]]) -> tuple[bytes, bytes]:
        """Send a request without a body as it stands, and read all that comes: the head of the answer and the rest."""
        url = self.http.base_url
        reader, writer = await asyncio.open_connection(url.host, url.port)
        lines = [f"{method} {target} HTTP/1.1", f"Host: {url.netloc.decode()}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head, _, rest = (await reader.read(-1)).partition(b"\r\n\r\n")
        writer.close()
        return head, rest

    async def chunks(self, session: Session, words: list[str]) -> list[bytes]:
        """Have words streamed, and open the stream by hand."""
        wish = json.dumps({"prompt": " ".join(words), "exact": True}).encode()
        answer = await self.send(Request(session, path="/api/chat").sealed(wish).signed())
        expected = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        headers = {name: answer.headers.get(name) for name in expected}
        assert (answer.status_code, headers) == (HTTPStatus.OK, expected), headers
        base = from_base64(answer.headers[STREAM_NONCE_HEADER]) or b""
        assert len(base) == NONCE, answer.headers
        assert re.fullmatch(r"(data: [^\s]+\n\n)+", answer.text, re.ASCII), "something else than frames"
        frames = re.findall("data: (.+)", answer.text)
        *chunks, last = [session.open_text(chunk_nonce(base, index), frame) for index, frame in enumerate(frames)]
        assert last == SENTINEL, "the sentinel is not the last chunk"
        return chunks


def json_of(answer: httpx2.Response) -> Any:  # noqa: ANN401 - JSON is anything
    """Read an answer that must be JSON."""
    assert answer.headers.get("Cache-Control") == "no-store", f"{answer.status_code} may be cached"
    assert answer.headers.get("Content-Type") == JSON, f"{answer.status_code} {answer.headers.get('Content-Type')}"
    return answer.json()
