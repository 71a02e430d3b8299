"""A client written by hand from docs/PROTOCOL.md, on the primitives of PyPI `cryptography`, against our server."""

from __future__ import annotations

import base64
import json
import os
import time
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

import nen


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class ByHand:
    """The client's side of NEN-PROTOCOL-V2 in its plainest form."""

    def __init__(self, url: str, identity: MLDSA65PrivateKey | None = None) -> None:
        self.url = url
        secret_key = MLKEM768PrivateKey.generate()
        public_key = secret_key.public_key().public_bytes_raw()
        assert len(public_key) == 1184
        body = {"pk": b64(public_key)}
        if identity is not None:
            body["sigPk"] = b64(identity.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
            body["sigOfPk"] = b64(identity.sign(public_key))
        answer = httpx.post(f"{url}/api/nen/handshake", json=body)
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) == {"sid", "ct", "hmac"}
        self.sid = answer.json()["sid"]
        self.aead = ChaCha20Poly1305(secret_key.decapsulate(base64.b64decode(answer.json()["ct"])))
        self.hmac_key = base64.b64decode(answer.json()["hmac"])
        assert len(self.hmac_key) == 32

    def request(self, method: str, path: str, value: Any = ...) -> httpx.Response:
        nonce = os.urandom(12)
        timestamp = str(time.time_ns() // 1_000_000)
        mac = HMAC(self.hmac_key, SHA256())
        mac.update(f"{method}\n{path}\n{timestamp}\n{b64(nonce)}".encode())
        headers = {
            "X-Nen-Session": self.sid,
            "X-Nen-Timestamp": timestamp,
            "X-Nen-Nonce": b64(nonce),
            "X-Nen-Signature": b64(mac.finalize()),
        }
        body = None if value is ... else {"ct": b64(self.aead.encrypt(nonce, json.dumps(value).encode(), None))}
        return httpx.request(method, self.url + path, json=body, headers=headers)

    def open(self, answer: httpx.Response) -> Any:
        sealed = answer.json()
        assert set(sealed) == {"ct", "n"}
        return json.loads(self.aead.decrypt(base64.b64decode(sealed["n"]), base64.b64decode(sealed["ct"]), None))


def test_requests_and_answers(base_url: str) -> None:
    client = ByHand(base_url)
    answer = client.request("POST", "/api/secure-data", {"amount": 1840})
    assert client.open(answer) == {"message": "Securely processed", "received": {"amount": 1840}}
    assert client.open(client.request("GET", "/api/notes/caf%C3%A9%20au%20lait")) == {"id": "café au lait"}
    created = client.request("POST", "/api/created", None)
    assert (created.status_code, client.open(created)) == (201, {"created": None})
    with pytest.raises(InvalidTag):
        ByHand(base_url).open(created)


def test_an_identity(base_url: str) -> None:
    identity = MLDSA65PrivateKey.generate()
    client = ByHand(base_url, identity)
    who = client.open(client.request("POST", "/api/whoami"))
    spki = identity.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert bytes.fromhex(who["identity"]) == spki
    assert len(spki) == nen.IDENTITY_PUBLIC_KEY_SIZE


def test_a_stream(base_url: str) -> None:
    client = ByHand(base_url)
    answer = client.request("POST", "/api/chat", {"prompt": "secure streaming works"})
    base = base64.b64decode(answer.headers["X-Nen-Stream-Nonce"])
    frames = answer.text.split("\n\n")
    assert frames.pop() == ""
    chunks = []
    for index, frame in enumerate(frames):
        counter = int.from_bytes(base[8:], "little") ^ index
        nonce = base[:8] + counter.to_bytes(4, "little")
        chunks.append(client.aead.decrypt(nonce, base64.b64decode(frame.removeprefix("data: ")), None))
    assert chunks == [b"secure ", b"streaming ", b"works ", b"__FIN__"]


def test_lifecycle(base_url: str) -> None:
    client = ByHand(base_url)
    assert client.request("GET", "/api/nen/status").json() == {"valid": True}
    assert client.request("POST", "/api/nen/terminate").json() == {"success": True}
    assert client.request("GET", "/api/secure-data").json()["error"]["code"] == "ISO-2002"


def test_identities_are_exchanged_with_other_software() -> None:
    theirs = MLDSA65PrivateKey.generate()
    der = theirs.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert len(der) == nen.IDENTITY_PKCS8_SIZE
    ours = nen.Identity.from_pkcs8(der)
    assert ours.to_pkcs8() == der
    spki = theirs.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert ours.public_key.spki == spki

    body = json.loads(nen.ClientHandshake(identity=ours).body)
    theirs.public_key().verify(base64.b64decode(body["sigOfPk"]), base64.b64decode(body["pk"]))
