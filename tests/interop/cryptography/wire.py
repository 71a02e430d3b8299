"""What docs/PROTOCOL.md demands of a server, to the byte, and of requests that no client would send: wire BASE_URL."""  # noqa: INP001 - a program, not a package
# ruff: noqa: D401, PLR2004, S101 - its steps say what is so, and assert statuses and sizes

import asyncio
import json
import re
import secrets
import sys
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx2
import steps
from by_hand import ECHO, HANDSHAKE_ANSWER, JSON, Request, Server, json_of, spoilt_base64
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA65PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from protocol import (
    ENDPOINTS,
    HMAC_KEY,
    KEM_CIPHERTEXT,
    NONCE,
    NONCE_HEADER,
    SENTINEL,
    SESSION_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Handshake,
    from_base64,
    identity_key,
    is_session_id,
    now_ms,
    to_base64,
)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
MAX_HANDSHAKE_BODY = 16 * 1024
WINDOW_MS = 30_000
# What a request may take on its way without changing a result.
SLACK_MS = 2_000


class Wire(Server):
    """The steps against one server."""

    def steps(self) -> list[steps.Step]:
        """List the steps."""
        members = vars(type(self)).items()
        return [(name[5:].replace("_", "-"), getattr(self, name)) for name, _ in members if name.startswith("step_")]

    # ── the handshake ────────────────────────────────────────────────────────────────────────────────────

    async def step_handshake_answer(self) -> None:
        """Each is {sid, ct, hmac}, of the right sizes, and drawn anew."""
        answers = []
        for _ in range(2):
            answer = json_of(await self.post_handshake(Handshake().members))
            assert set(answer) == HANDSHAKE_ANSWER, answer.keys()
            assert is_session_id(answer["sid"]), answer["sid"]
            sizes = {name: len(from_base64(answer[name]) or b"") for name in ("ct", "hmac")}
            assert sizes == {"ct": KEM_CIPHERTEXT, "hmac": HMAC_KEY}, sizes
            answers.append(answer)
        assert all(answers[0][name] != answers[1][name] for name in answers[0]), "something was not drawn anew"

    async def step_handshake_body(self) -> None:
        """Unknown members are ignored, up to the size limit; a body that is no offer is refused."""
        offer = Handshake().members
        pk = offer["pk"]
        text = json.dumps(offer)
        await self.check_handshake(None, json.dumps({**offer, "more": [{"pk": None}], "": 1}))
        for size, code in ((MAX_HANDSHAKE_BODY, None), (MAX_HANDSHAKE_BODY + 1, "ISO-6001")):
            await self.check_handshake(code, text.ljust(size))
        for body in ("", "{", "null", "[]", '"pk"', "{}", '{"pk":1}', '{"pk":null}', text + text, "\ufeff" + text):
            await self.check_handshake("ISO-1001", body)
        for more in (f'"pk":"{pk}"', '"sigPk":null', '"sigOfPk":1', '"sigPk":"","sigPk":"","sigOfPk":""'):
            await self.check_handshake("ISO-1001", f'{{"pk":"{pk}",{more}}}')
        await self.check_handshake("ISO-1001", text.encode("utf-16"))

    async def step_handshake_key(self) -> None:
        """A public key is base64 of 1184 bytes, whose coefficients are below the modulus."""
        key = Handshake().pk
        for spoilt in spoilt_base64(key):
            await self.check_handshake("ISO-6002", json.dumps({"pk": spoilt}))
        end = len(key) - 32  # The coefficients of 12 bits, the lowest first, end here; a seed follows.
        first_3328 = bytes([0x00, key[1] & 0xF0 | 0xD]) + key[2:]
        first_3329 = bytes([0x01, key[1] & 0xF0 | 0xD]) + key[2:]
        last_3329 = key[: end - 2] + bytes([key[end - 2] & 0x0F | 0x10, 0xD0]) + key[end:]
        await self.check_handshake(None, json.dumps({"pk": to_base64(first_3328)}))
        for wrong in (first_3329, last_3329, b"\xff" * len(key), key[:-1], key + b"\0", b""):
            await self.check_handshake("ISO-1001", json.dumps({"pk": to_base64(wrong)}))

    async def step_handshake_identity(self) -> None:
        """An identity is a key and its signature over this public key, whole or not at all."""
        identity, other = MLDSA65PrivateKey.generate(), MLDSA65PrivateKey.generate()
        pk, spki = Handshake().pk, identity_key(identity)
        signature = identity.sign(pk)
        foreign = (
            MLDSA44PrivateKey.generate().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )
        offers: list[tuple[str | None, bytes | None, bytes | None]] = [
            (None, spki, signature),
            ("ISO-3004", spki, None),
            ("ISO-3004", None, signature),
            ("ISO-3004", spki, other.sign(pk)),
            ("ISO-3004", identity_key(other), signature),
            ("ISO-3004", spki, identity.sign(Handshake().pk)),
            ("ISO-3004", spki, identity.sign(pk, b"nen")),
            ("ISO-3004", spki, identity.sign(to_base64(pk).encode())),
            ("ISO-3004", spki, signature[:-1]),
            ("ISO-3004", spki, signature + b"\0"),
            ("ISO-3004", spki, b""),
            ("ISO-3004", spki + b"\0", signature),
            ("ISO-3004", identity.public_key().public_bytes_raw(), signature),
            ("ISO-3004", foreign, signature),
        ]
        for code, key, proof in offers:
            members = {"pk": pk, "sigPk": key, "sigOfPk": proof}
            offer = {name: to_base64(value) for name, value in members.items() if value is not None}
            await self.check_handshake(code, json.dumps(offer))
        whole = {"pk": to_base64(pk), "sigPk": to_base64(spki), "sigOfPk": to_base64(signature)}
        for name, value in (("sigPk", spki), ("sigOfPk", signature)):
            for spoilt in spoilt_base64(value):
                await self.check_handshake("ISO-6002", json.dumps({**whole, name: spoilt}))

    async def step_handshake_order(self) -> None:
        """What is wrong with an offer in every way has the code of the first check."""
        key = Handshake().pk
        offers: list[tuple[str, dict[str, Any]]] = [
            ("ISO-6001", {"pk": 1, "pad": " " * MAX_HANDSHAKE_BODY}),
            ("ISO-1001", {"pk": "?", "sigPk": 1}),
            ("ISO-6002", {"pk": "?", "sigPk": "?"}),
            ("ISO-1001", {"pk": "", "sigPk": "?"}),
            ("ISO-3004", {"pk": to_base64(key), "sigPk": "?"}),
            ("ISO-6002", {"pk": to_base64(key), "sigPk": "", "sigOfPk": "?"}),
            ("ISO-3004", {"pk": to_base64(b"\xff" * len(key)), "sigPk": "", "sigOfPk": ""}),
        ]
        for code, offer in offers:
            await self.check_handshake(code, json.dumps(offer))

    # ── the check of a request ───────────────────────────────────────────────────────────────────────────

    async def step_order(self) -> None:
        """What is wrong in every way has the code of the first check, and so on until it is right."""
        session = await self.session()
        used = Request(session).sealed().signed()
        await self.check(None, used)
        wrong = Request(session, content=b"[]", timestamp=str(now_ms() - WINDOW_MS - SLACK_MS), nonce=used.nonce)
        await self.check("ISO-2003", wrong.but(nonce=None), without=SESSION_HEADER)
        await self.check("ISO-2002", wrong.but(nonce=None, sid=str(uuid4())))
        await self.check("ISO-3005", wrong.but(nonce=None))
        await self.check("ISO-3001", wrong)
        await self.check("ISO-3002", wrong.signed(path="/"))
        await self.check("ISO-3003", wrong.signed())
        await self.check("ISO-5001", wrong.but(timestamp=str(now_ms())).signed())
        for content, code in ((b"[]", "ISO-6001"), (b'{"ct":"?"}', "ISO-6002"), (b'{"ct":"AAAA"}', "ISO-4001")):
            await self.check(code, Request(session, content=content).signed())
        await self.check("ISO-4003", Request(session).sealed(b"plain").signed())
        await self.check(None, Request(session).sealed().signed())

    async def step_session_header(self) -> None:
        """A session is named by its canonical text, once."""
        good = Request(await self.session()).sealed().signed()
        sid = good.session.sid
        await self.check("ISO-2003", good, without=SESSION_HEADER)
        for other in (str(uuid4()), "x", sid.upper(), sid.replace("-", ""), f"{{{sid}}}", sid + "0", f"{sid}:n", "*"):
            await self.check("ISO-2002", good.but(sid=other))
        await self.check("ISO-2002", good, (SESSION_HEADER, sid))
        await self.check(None, good)

    async def step_nonce_header(self) -> None:
        """A nonce is base64 of 12 bytes, and stands once."""
        session = await self.session()
        await self.check("ISO-3005", Request(session, nonce=None).signed())
        texts = [to_base64(bytes(size)) for size in (0, 11, 13)]
        for nonce in texts + spoilt_base64(secrets.token_bytes(NONCE), " "):
            await self.check("ISO-3005", Request(session, nonce=nonce).signed())
        good = Request(session).sealed().signed()
        await self.check("ISO-3005", good, (NONCE_HEADER, str(good.nonce)))
        await self.check(None, good)

    async def step_signature(self) -> None:
        """A signature is base64 of 32 bytes, stands once, and covers method, path, timestamp and nonce."""
        session, other = await self.session(), await self.session()
        good = Request(session).sealed().signed()
        signature = str(good.signature)
        await self.check("ISO-3001", good.but(signature=None))
        mac = from_base64(signature) or b""
        flipped = bytes([*mac[:-1], mac[-1] ^ 1])
        for wrong in (b"", bytes(HMAC_KEY), mac[:-1], mac + b"\0", flipped):
            await self.check("ISO-3002", good.but(signature=to_base64(wrong)))
        for spoilt in [*spoilt_base64(mac, " "), mac.hex()]:
            await self.check("ISO-3002", good.but(signature=spoilt))
        await self.check("ISO-3002", good, (SIGNATURE_HEADER, signature))
        for name, value in {"method": "PUT", "path": f"{ECHO}/", "timestamp": "0", "nonce": "AAAAAAAAAAAAAAAA"}.items():
            await self.check("ISO-3002", good.signed(**{name: value}))
        await self.check("ISO-3002", good.signed(method="post"))
        await self.check("ISO-3002", good.but(sid=other.sid))
        await self.check("ISO-3002", good.but(method="PUT"))
        await self.check("ISO-3002", good.but(path="/api/created"))
        await self.check(None, good)

    async def step_path(self) -> None:
        """A signature covers the path as it travels, without the query."""
        session = await self.session()
        travels = "/api/notes/caf%C3%A9%20%7e"
        for path in ("/api/notes/café ~", "/api/notes/caf%c3%a9%20%7E", "/api/notes/caf%C3%A9%20~", f"{travels}?a=b"):
            await self.check("ISO-3002", Request(session, "GET", travels).signed(path=path), query="?a=b")
        await self.check(None, Request(session, "GET", travels).signed(), query="?a=%2f&b", expect={"id": "café ~"})
        with_fragment = Request(session, "GET", "/api/notes/a").signed()
        head, _ = await self.raw("GET", "/api/notes/a#b", with_fragment.headers)
        assert re.match(rb"HTTP/1.1 4\d\d ", head), head

    async def step_timestamp(self) -> None:
        """A timestamp is digits alone, and at most 30 seconds off."""
        session, now = await self.session(), now_ms()
        missing = Request(session, timestamp=None)
        await self.check("ISO-3002", missing.but(signature="?"))
        await self.check("ISO-3003", missing.signed(path="/"))
        for wrong in (
            "",
            "now",
            f"+{now}",
            f"-{now}",
            f"{now}.0",
            f"{now:_}",
            f"{now:x}",
            str(now // 1000),
            str(2**64 + now),
            "9" * 40,
        ):
            await self.check("ISO-3003", Request(session, timestamp=wrong).signed())
        await self.check(None, Request(session, timestamp=f"00{now}").sealed().signed())
        good = Request(session).sealed().signed()
        await self.check("ISO-3002", good, (TIMESTAMP_HEADER, str(good.timestamp)))
        await self.check(None, good)
        for sign in (-1, 1):
            for off, code in ((WINDOW_MS + SLACK_MS, "ISO-3003"), (WINDOW_MS - SLACK_MS, None)):
                await self.check(code, Request(session, timestamp=str(now_ms() + sign * off)).sealed().signed())

    async def step_replay(self) -> None:
        """A nonce is taken by the first authentic request of its session, whatever its body, and by nobody else."""
        session, other = await self.session(), await self.session()
        good = Request(session).sealed().signed()
        stale = str(now_ms() - WINDOW_MS - SLACK_MS)
        await self.check("ISO-3002", good.signed(path="/"))
        await self.check("ISO-3003", good.but(timestamp=stale).signed())
        await self.check("ISO-2002", good.but(sid=str(uuid4())))
        await self.check(None, good)
        await self.check("ISO-5001", good)
        await self.check("ISO-5001", Request(session, "GET", nonce=good.nonce).signed())
        await self.check(None, Request(other, nonce=good.nonce).sealed().signed())
        tampered = Request(session, content=b"{}").signed()
        await self.check("ISO-6001", tampered)
        await self.check("ISO-5001", tampered.sealed())

    async def step_replay_race(self) -> None:
        """Of copies that come at once, one is taken."""
        copies = [Request(await self.session()).sealed().signed()] * 8
        answers = await asyncio.gather(*map(self.send, copies))
        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 7}, answers

    async def step_body(self) -> None:
        """A body is an object with a string `ct`, sealed under the nonce of the header."""
        session, other = await self.session(), await self.session()
        base = Request(session)
        for content in (
            b"{",
            b"null",
            b'"ct"',
            b"[]",
            b"{}",
            b'{"ct":1}',
            b'{"ct":null}',
            b'{"ct":"","ct":""}',
            b"\xff",
        ):
            await self.check("ISO-6001", Request(session, content=content).signed())
        for spoilt in spoilt_base64(session.seal(from_base64(str(base.nonce)) or b"", b'"even"')):
            await self.check("ISO-6002", Request(session, content=json.dumps({"ct": spoilt}).encode()).signed())
        for size in (0, 15, 16, 64):
            content = json.dumps({"ct": to_base64(secrets.token_bytes(size))}).encode()
            await self.check("ISO-4001", Request(session, content=content).signed())
        for foreign in (Request(session).sealed(), Request(other, nonce=base.nonce).sealed()):
            await self.check("ISO-4001", base.but(content=foreign.content).signed())
            base = Request(session)
        plaintexts = (b"", b"plain", b"{", b"NaN", b"1 2", b"'a'", b'"\xff"', b"\xef\xbb\xbf1", '"a"'.encode("utf-16"))
        for plaintext in plaintexts:
            await self.check("ISO-4003", Request(session).sealed(plaintext).signed())
        more = Request(session).sealed()
        members = {"n": [1], **json.loads(more.content or b"")}
        await self.check(None, more.but(content=json.dumps(members).encode()).signed())

    # ── answers ──────────────────────────────────────────────────────────────────────────────────────────

    async def step_answer(self) -> None:
        """An answer is {ct, n} and nothing else, with the handler's status, under a nonce of its own."""
        session = await self.session()
        nonces = set()
        for path, status in ((ECHO, 200), ("/api/created", 201)) * 8:
            request = Request(session, path=path).sealed().signed()
            answer = await self.send(request)
            assert answer.status_code == status, answer.status_code
            sealed = json_of(answer)
            assert set(sealed) == {"ct", "n"}, sealed
            nonce = from_base64(sealed["n"])
            assert nonce is not None, sealed
            assert len(nonce) == NONCE, sealed
            json.loads(session.open_text(nonce, sealed["ct"]))
            nonces |= {sealed["n"], request.nonce}
        assert len(nonces) == 32, "a nonce was used twice"

    async def step_head(self) -> None:
        """HEAD has the status and the headers of GET, and no body."""
        session = await self.session()
        got = await self.send(Request(session, "GET").signed())
        head, body = await self.raw("HEAD", ECHO, Request(session, "HEAD").signed().headers)
        lines = [line.lower() for line in head.decode().split("\r\n")]
        assert lines[0].startswith("http/1.1 200"), lines
        assert f"content-type: {JSON}" in lines, lines
        assert f"content-length: {len(got.content)}" in lines, lines
        assert body == b"", "there is a body"

    async def step_failed_handler(self) -> None:
        """Nothing of what went wrong in a handler travels."""
        request = Request(await self.session(), path="/api/boom").sealed(b"{}").signed()
        answer = await self.check("ISO-9000", request)
        assert b"kaboom" not in answer.content + repr(answer.headers).encode()

    async def step_stream(self) -> None:
        """A stream is frames of one line, each under the nonce of its index, the sentinel last."""
        session = await self.session()
        words = [f"{number}" for number in range(300)]  # More than fit into the lowest byte of an index.
        assert await self.chunks(session, words) == [word.encode() for word in words]
        split = await self.chunks(session, ["a", SENTINEL.decode(), "b"])
        assert len(split) == 4, split
        assert b"".join(split[1:3]) == SENTINEL, split
        assert all(split), split

    # ── the session endpoints ────────────────────────────────────────────────────────────────────────────

    async def step_endpoints(self) -> None:
        """Status, terminate and rotate, from a client that does not sign."""
        session = await self.session()
        assert json_of(await self.bare("GET", "status", session.sid)) == {"valid": True}
        for dead in (str(uuid4()), "x"):
            status = await self.bare("GET", "status", dead)
            assert (status.status_code, json_of(status)) == (401, {"valid": False}), status.text
            assert json_of(await self.bare("POST", "terminate", dead)) == {"success": True}
            self.refused("ISO-2002", await self.bare("POST", "rotate", dead, Handshake().body))
        for _ in range(2):
            assert json_of(await self.bare("POST", "terminate", session.sid)) == {"success": True}
            assert json_of(await self.bare("GET", "status", session.sid)) == {"valid": False}
        await self.check("ISO-2002", Request(session).sealed().signed())
        for method, action in (("GET", "status"), ("POST", "terminate"), ("POST", "rotate")):
            self.refused("ISO-2003", await self.bare(method, action, None))

    async def step_rotate(self) -> None:
        """A rotation makes a new session and ends the old one; one that fails leaves it."""
        session = await self.session()
        for body, code in ((b"", "ISO-1001"), (b'{"pk":"?"}', "ISO-6002"), (b" " * 16385, "ISO-6001")):
            self.refused(code, await self.bare("POST", "rotate", session.sid, body))
        offer = Handshake()
        half = json.dumps({**offer.members, "sigPk": "AAAA"}).encode()
        self.refused("ISO-3004", await self.bare("POST", "rotate", session.sid, half))
        await self.check(None, Request(session).sealed().signed())
        rotated = await self.bare("POST", "rotate", session.sid, offer.body)
        assert set(json_of(rotated)) == HANDSHAKE_ANSWER, "a rotation answers as a handshake does"
        successor = offer.finish(rotated)
        assert successor.sid != session.sid
        await self.check("ISO-2002", Request(session).sealed().signed())
        await self.check(None, Request(successor).sealed().signed())

    async def step_signed_endpoints(self) -> None:
        """Where a signature is there, all of it is checked."""
        session = await self.session()
        for method, action in (("GET", "status"), ("POST", "terminate"), ("POST", "rotate")):
            content = Handshake().body if action == "rotate" else None
            path = f"{ENDPOINTS}/{action}"
            good = Request(session, method, path, content).signed()
            await self.check("ISO-3002", good.signed(path=ECHO))
            await self.check("ISO-3005", good.but(nonce=None))
            await self.check("ISO-3003", good.but(timestamp=str(now_ms() - WINDOW_MS - SLACK_MS)).signed())
            used = Request(session).sealed().signed()
            await self.check(None, used)
            await self.check("ISO-5001", good.but(nonce=used.nonce).signed())
            assert json_of(await self.bare("GET", "status", session.sid)) == {"valid": True}
        good = Request(session, "GET", f"{ENDPOINTS}/status").signed()
        assert json_of(await self.send(good)) == {"valid": True}
        await self.check("ISO-5001", good)

    async def step_not_found(self) -> None:
        """There is nothing else under the prefix."""
        actions = {"handshake": "POST", "rotate": "POST", "terminate": "POST", "status": "GET"}
        wrong = [(method, action) for action in actions for method in METHODS if method != actions[action]]
        for method, action in [*wrong, *(("POST", f"{action}/") for action in actions), ("GET", ""), ("POST", "other")]:
            answer = await self.http.request(method, f"{ENDPOINTS}/{action}")
            assert answer.status_code == httpx2.codes.NOT_FOUND, f"{method} {action}: {answer.status_code}"


async def run(base: str) -> bool:
    """Run the steps."""
    async with httpx2.AsyncClient(base_url=base) as http:
        return await steps.run(Wire(http).steps())


if __name__ == "__main__":
    sys.exit(steps.main(run))
