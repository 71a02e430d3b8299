"""What holds for whatever comes in: bytes, JSON, chunks, options."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import nen
from nen.asgi import Options
from tests.inprocess import InProcess, code_of, echo

NAMES = [nen.SESSION_HEADER, nen.TIMESTAMP_HEADER, nen.NONCE_HEADER, nen.SIGNATURE_HEADER, "Content-Length"]
BODIES = st.lists(st.binary() | st.sampled_from([b'{"ct":"', b"AAAA", b'"}', b"null", b'{"pk":"']), max_size=4)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from([name.lower().encode() for name in NAMES] + [name.encode() for name in NAMES]) | st.binary(),
        st.binary() | st.integers().map(lambda number: str(number).encode()),
    )
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
)


@pytest.fixture(scope="module")
def local() -> InProcess:
    client = InProcess(echo)
    client.handshake()
    return client


async def unreachable(*_: Any) -> None:
    msg = "the application was reached"
    raise AssertionError(msg)


@given(st.text(min_size=1), st.text(), HEADERS, BODIES)
def test_what_a_stranger_sends_is_refused_by_a_code(method: str, path: str, headers: Any, chunks: list[bytes]) -> None:
    assume(not path.startswith("api/nen/"))
    answer = InProcess(unreachable).request(method, "/" + path, headers, *chunks)
    assert code_of(answer).startswith(("ISO-2", "ISO-3"))


@given(st.sampled_from(["handshake", "rotate"]), HEADERS, BODIES)
def test_what_is_no_handshake_is_refused_by_a_code(endpoint: str, headers: Any, chunks: list[bytes]) -> None:
    answer = InProcess(unreachable).request("POST", f"/api/nen/{endpoint}", headers, *chunks)
    assert code_of(answer).startswith(("ISO-1001", "ISO-2", "ISO-3", "ISO-6"))


@given(chunks=BODIES)
def test_a_body_that_was_not_sealed_is_refused_by_a_code(local: InProcess, chunks: list[bytes]) -> None:
    assume(any(chunks))
    _, headers, _ = local.seal("POST", "/x", None)
    assert code_of(local.request("POST", "/x", headers, *chunks)) in {"ISO-4001", "ISO-6001", "ISO-6002"}


@given(st.data())
def test_a_request_that_was_changed_anywhere_is_refused_by_a_code(local: InProcess, data: st.DataObject) -> None:
    _, headers, body = local.seal("POST", "/x", b'{"a":1}')
    parts = [value for _, value in headers] + [body]
    part = data.draw(st.integers(0, len(parts) - 1))
    at = data.draw(st.integers(0, len(parts[part]) - 1))
    changed = bytearray(parts[part])
    changed[at] ^= data.draw(st.integers(1, 255))
    parts[part] = bytes(changed)
    sent = [(name, value) for (name, _), value in zip(headers, parts, strict=False)]
    assert code_of(local.request("POST", "/x", sent, parts[-1])) != "ISO-9000"


@given(value=JSON)
def test_any_json_goes_there_and_back(local: InProcess, value: Any) -> None:
    text = json.dumps(value).encode()
    assert local.fetch("POST", "/x", text) == text
    text = json.dumps(value, ensure_ascii=False).encode()
    assert local.fetch("POST", "/x", text) == text


@given(st.lists(st.binary() | st.text().map(str.encode) | st.just(b"__FIN__")), st.integers(1, 12), st.data())
def test_any_chunking_of_a_stream_is_the_same_stream(chunks: list[bytes], max_chunk: int, data: st.DataObject) -> None:
    async def stream(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})

    local = InProcess(stream, max_chunk=max_chunk)
    local.handshake()
    call, headers, _ = local.seal("GET", "/x", None)
    answer = local.request("GET", "/x", headers)
    opener = call.open_stream(local.client, answer.headers[nen.STREAM_NONCE_HEADER.lower().encode()])
    received, rest = [], answer.body
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        opener.push(rest[:size])
        rest = rest[size:]
        while (chunk := opener.next_chunk()) is not None:
            received.append(chunk)
    opener.end()
    assert b"".join(received) == b"".join(chunks)
    assert all(1 <= len(chunk) <= max_chunk for chunk in received)


TEXTS = st.text() | st.text().map(lambda text: "/" + text)
ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.binary() | st.builds(object)
OPTIONS = st.dictionaries(st.sampled_from(sorted(Options.__annotations__)), ANYTHING | st.lists(ANYTHING), max_size=3)


@settings(max_examples=500)
@given(OPTIONS)
def test_options_are_refused_at_construction_or_never(options: dict[str, Any]) -> None:
    try:
        local = InProcess(echo, **options)
    except (TypeError, ValueError):
        return
    answer = local.request("POST", f"{options.get('prefix') or '/api/nen'}/handshake", [], b"{}")
    assert code_of(answer) == "ISO-1001"
