"""What nen writes to the log, and what it never does."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as connect_websocket

import nen
from nen import _events
from tests.app import KABOOM, create_app
from tests.conftest import Connect, Serve
from tests.peer import Peer

PLAINTEXT = "the plaintext that nobody may log"


def ours(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record for record in caplog.records if record.name == "nen"]


def test_a_refusal_is_recorded_with_its_hint(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    _, request = peer.seal("POST", "/api/secure-data", b"{}")
    del request.headers[nen.SIGNATURE_HEADER]
    peer.send(request)
    (record,) = ours(caplog)
    assert record.levelno == logging.WARNING
    assert (record.nen_event, record.nen_code, record.nen_status) == ("refused", "ISO-3001", 401)
    assert (record.nen_method, record.nen_path) == ("POST", "/api/secure-data")
    assert record.nen_hint == nen.ERRORS["ISO-3001"].hint
    assert record.nen_hint in record.getMessage()


def test_a_failure_of_the_handler_is_recorded_without_its_cause(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    _, request = peer.seal("POST", "/api/boom")
    peer.send(request)
    (record,) = ours(caplog)
    assert (record.levelno, record.nen_code, record.exc_info) == (logging.ERROR, "ISO-9000", None)
    assert KABOOM not in record.getMessage()


def test_a_store_that_fails_is_recorded_with_the_type_of_the_cause_alone(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        async def get(self, *_: Any) -> Any:
            raise ConnectionError(KABOOM)

        set = delete = claim_nonce = get

    with pytest.raises(nen.InternalError):
        connect(serve(create_app(store=Broken())))
    (record,) = ours(caplog)
    assert (record.levelno, record.nen_code, record.nen_cause) == (logging.ERROR, "ISO-9001", "ConnectionError")
    assert KABOOM not in repr(vars(record)) + record.getMessage()


def test_lifecycle_events_are_recorded(base_url: str, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nen")
    peer = connect(base_url)
    peer.rotate()
    peer.terminate()
    assert [record.nen_event for record in ours(caplog)] == ["handshake", "rotate", "terminate"]


def test_what_a_client_does_by_itself_is_recorded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nen")
    _events.reestablished("http://127.0.0.1:8000")
    _events.clock_corrected("http://127.0.0.1:8000")
    records = ours(caplog)
    assert [record.nen_event for record in records] == ["reestablished", "clock-corrected"]
    assert {record.nen_server for record in records} == {"http://127.0.0.1:8000"}


def test_no_request_forges_a_line(base_url: str, caplog: pytest.LogCaptureFixture) -> None:
    httpx.get(f"{base_url}/api/x%0AWARNING%20forged")
    with pytest.raises(InvalidStatus):
        connect_websocket(f"{base_url.replace('http', 'ws')}/api/x%0Aforged%1B")
    records = ours(caplog)
    assert [record.nen_path for record in records] == ["/api/x%0AWARNING%20forged", "/api/x?forged?"]
    assert all(record.getMessage().isprintable() for record in records)


def test_no_secret_is_in_any_record(base_url: str, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    identity = nen.Identity.generate()
    peer = connect(base_url, identity=identity)
    forbidden = {PLAINTEXT, KABOOM, peer.session.id, base64.b64encode(identity.to_pkcs8()).decode()}
    record = json.loads(peer.session.to_record())
    forbidden |= {record["sharedSecret"], record["hmacKey"]}

    value = json.dumps({"text": PLAINTEXT}).encode()
    for method, path in [
        ("POST", "/api/secure-data"),
        ("POST", "/api/boom"),
        ("POST", "/api/items"),
        ("GET", "/api/chat"),
    ]:
        _, request = peer.seal(method, path, value)
        forbidden |= {request.headers[nen.SIGNATURE_HEADER], request.headers[nen.NONCE_HEADER]}
        for _ in range(2):
            peer.send(request)
        request.headers[nen.SIGNATURE_HEADER] = "x" + request.headers[nen.SIGNATURE_HEADER][1:]
        peer.send(request)
    peer.send(peer.sealed_by_hand("POST", "/api/secure-data", PLAINTEXT.encode()))
    peer.rotate()
    forbidden.add(peer.session.id)
    record = json.loads(peer.session.to_record())
    forbidden |= {record["sharedSecret"], record["hmacKey"]}
    peer.terminate()

    assert len(ours(caplog)) >= 9
    for entry in ours(caplog):
        text = repr(vars(entry)) + entry.getMessage()
        assert [word for word in forbidden if word in text] == []


def test_a_sealed_request_to_what_is_not_protected_is_recorded_once_for_each_path(
    peer: Peer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_events, "_unprotected", set())
    for _ in range(2):
        _, request = peer.seal("POST", "/plain/secure-data", b"{}")
        peer.send(request)
    httpx.get(peer.http.base_url.join("/plain/secure-data"))
    assert [(record.nen_event, record.nen_path) for record in ours(caplog)] == [("unprotected", "/plain/secure-data")]


def test_no_flood_of_paths_is_recorded(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_events, "_unprotected", set())
    for number in range(100):
        _events.unprotected(f"/{number}")
    assert len(ours(caplog)) == 16
