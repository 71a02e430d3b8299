"""All servers at once on one database: a session or a nonce of one is one of all, also when the database fails."""
# ruff: noqa: S101, S311 - its steps assert, and chance says who asks whom

import asyncio
import json
import random
import time
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import permutations
from typing import NamedTuple

import httpx2

import nen
from harness.caller import HTTP_SECONDS, Caller, Known, Network, Request, bare, handshake_request
from harness.databases import Database
from harness.peers import LOGS, PeerError, running

SECRET = {"secret": "Only the endpoint that needs this can read it", "n": [1, 2.5, None, "ü"]}
WORDS = "one two three"
SESSION_MS = 3_600_000
WINDOW_MS = 30_000
RECORD = {"sharedSecret", "hmacKey", "createdAt"}
RECORD_MAY_HOLD = {"expiresAt", "identity"}
STEP_SECONDS = 60
# A question to the store may take 2 s, and one request may ask several before the store is away.
AWAY_SECONDS = 2 + 1
ADMIT_SECONDS = 5
PAUSE_SECONDS = 0.05

LIVE, DEAD, REPLAYED, AWAY = "200", "401 ISO-2002", "409 ISO-5001", "503 ISO-9001"


class Result(NamedTuple):
    """How a step went."""

    step: str
    note: str
    complaint: str = ""

    def __str__(self) -> str:
        return "✗" if self.complaint else self.note


@dataclass
class Traffic:
    """What calls under one session at one server gave while the database went away and came back."""

    admitted: list[Request] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)


class Suite:
    """The steps, and what they share."""

    def __init__(self, database: Database, network: Network, *, sealed_records: bool, races: int) -> None:
        self.database = database
        self.network = network
        self.servers = list(network.urls)
        self.sealed_records = sealed_records
        self.races = races
        self.dead: set[str] = set()
        self.began = time.time()

    async def all(self) -> list[Result]:
        """Run all steps. Those that take the database away come last: what is stored after them, no step knows."""
        return [
            await self._step("session of each on all", self.sessions),
            await self._step("rotate at one", self.rotate),
            await self._step("terminate at one", self.terminate),
            await self._step("replay at another", self.replay),
            await self._step("race to all", self.race),
            await self._step("what is stored", self.stored),
            await self._step("database stopped", lambda: self.outage(self.database.stop, self.database.start)),
            await self._step("database hung", lambda: self.outage(self.database.hang, self.database.go_on)),
            await self._step("database killed", lambda: self.outage(self.database.kill, self.database.start)),
        ]

    async def _step(self, name: str, run: Callable[[], Awaitable[str]]) -> Result:
        try:
            return Result(name, await asyncio.wait_for(run(), STEP_SECONDS))
        except Exception as error:  # noqa: BLE001 - whatever fails fails the step
            return Result(name, "", " ".join(f"{type(error).__name__}: {error}".split()))

    # ── what the servers share ───────────────────────────────────────────────────────────────────────────────────

    async def sessions(self) -> str:
        """Use a session of each server on all, with and without an identity."""

        async def use(maker: str, identity: nen.Identity | None) -> None:
            await self.honoured(await self.caller(maker, identity=identity))

        identities = (None, nen.Identity.generate())
        await asyncio.gather(*(use(maker, identity) for maker in self.servers for identity in identities))
        return self.in_pairs

    async def rotate(self) -> str:
        """Replace a session of each server at each other."""

        async def rotate(maker: str, rotator: str) -> None:
            caller = await self.caller(maker, identity=nen.Identity.generate())
            old, (_, late) = caller.session, caller.seal("POST", "/api/secure-data", SECRET)
            assert await caller.change(rotator, "rotate") is True
            self.dead.add(old.id)
            assert caller.session.id != old.id, f"{rotator} has kept the session"
            await asyncio.gather(self.honoured(caller), self.refused(late, DEAD), self.valid(old, is_valid=False))

        await asyncio.gather(*(rotate(*pair) for pair in permutations(self.servers, 2)))
        return self.in_pairs

    async def terminate(self) -> str:
        """End a session of each server at each other."""

        async def terminate(maker: str, ender: str) -> None:
            caller = await self.caller(maker)
            old, (_, late) = caller.session, caller.seal("POST", "/api/secure-data", SECRET)
            assert await caller.change(ender, "terminate") is True
            self.dead.add(old.id)
            await asyncio.gather(self.refused(late, DEAD), self.valid(old, is_valid=False))

        await asyncio.gather(*(terminate(*pair) for pair in permutations(self.servers, 2)))
        return self.in_pairs

    async def replay(self) -> str:
        """Use a nonce at each server, then at the others: with and without a body, and on an endpoint."""

        async def replay(first: str) -> None:
            caller = await self.caller(random.choice(self.servers))
            for request in (
                caller.seal("POST", "/api/secure-data", SECRET)[1],
                caller.seal("GET", "/api/secure-data")[1],
                caller.lifecycle("status")[1],
            ):
                reply = await self.network.send(first, request)
                assert reply.verdict == LIVE, f"{request.path} at {first}: {reply.verdict}"
                await self.refused(request, REPLAYED)

        await asyncio.gather(*(replay(server) for server in self.servers))
        return self.in_pairs

    async def race(self) -> str:
        """Send the very same request to all at once, again and again: one admits it."""
        callers = [await self.caller(server) for server in self.servers]
        wins: Counter[str] = Counter()
        for number in range(self.races):
            _, request = callers[number % len(callers)].seal("POST", "/api/secure-data", number)
            verdicts = {name: reply.verdict for name, reply in (await self.network.send_to_all(request)).items()}
            expected = Counter({LIVE: 1, REPLAYED: len(self.servers) - 1})
            assert Counter(verdicts.values()) == expected, f"race {number}: {verdicts}"
            wins.update(server for server, verdict in verdicts.items() if verdict == LIVE)
        return f"{self.races} races, won by {', '.join(f'{name} {wins[name]}' for name in self.servers)}"

    # ── what the database holds ──────────────────────────────────────────────────────────────────────────────────

    async def stored(self) -> str:
        """Dump the database: it holds the live sessions and used nonces, for as long as it must."""
        sessions = {nen.record_key(known.session.id): known for known in self.network.sessions}
        live = {key for key, known in sessions.items() if known.session.id not in self.dead}
        with self.database.client() as client:
            held = {key.decode(): (client.get(key), client.pttl(key)) for key in client.scan_iter()}
        age_ms = (time.time() - self.began) * 1000
        records = {key: value for key, (value, _) in held.items() if key in sessions}
        assert set(records) == live, f"records of {len(records)} sessions, where {len(live)} live"
        strangers = set(held) - set(records) - self.network.nonce_keys
        assert not strangers, f"keys that no session and no nonce explains: {strangers}"
        nonces = len(held) - len(records)
        assert nonces, "no nonce is stored"
        for key, (value, ttl_ms) in held.items():
            least, most = (
                (SESSION_MS - age_ms, SESSION_MS) if key in records else (0, WINDOW_MS + nen.REMOTE_CLOCK_SLACK_MS)
            )
            assert isinstance(ttl_ms, int), ttl_ms
            assert least < ttl_ms <= most, f"{key} lives for {ttl_ms} ms"
            assert isinstance(value, bytes), f"{key} is no string"
            found = self.secrets_in(value)
            if key in records and not self.sealed_records:
                self.check_record(sessions[key], value)
            else:
                assert not found, f"{key} holds {found}"
        return f"{len(records)} records{' sealed' if self.sealed_records else ''}, {nonces} nonces"

    def check_record(self, known: Known, value: bytes) -> None:
        """Check that a record holds what the protocol names, and the keys that the client has."""
        record, own = json.loads(value), json.loads(known.session.to_record())
        members = set(record)
        assert RECORD <= members <= RECORD | RECORD_MAY_HOLD, f"a record holds {members}"
        identity = known.identity and b64encode(known.identity.public_key.spki).decode()
        assert record.get("identity") == identity, "a record holds another identity"
        assert {record[name] == own[name] for name in ("sharedSecret", "hmacKey")} == {True}, (
            "a record holds other keys"
        )
        assert abs(record["createdAt"] / 1000 - self.began) < SESSION_MS / 1000, "a record tells another time"

    def secrets_in(self, value: bytes) -> str:
        """Name what a value gives away: a member of a plain record, or the key of any session in any writing."""
        if b"sharedSecret" in value or b"hmacKey" in value:
            return "a record in the clear"
        for known in self.network.sessions:
            record = json.loads(known.session.to_record())
            for name in ("sharedSecret", "hmacKey"):
                text = record[name].encode()
                raw = b64decode(text)
                if any(form in value for form in (raw, text, raw.hex().encode(), raw.hex().upper().encode())):
                    return f"the {name} of a session"
        return ""

    # ── when the database fails ──────────────────────────────────────────────────────────────────────────────────

    async def outage(self, take_away: Callable[[], None], bring_back: Callable[[], None]) -> str:
        """Take the database away under traffic, and bring it back: the servers say so, and nothing is lost."""
        callers = {server: await self.caller(server, identity=nen.Identity.generate()) for server in self.servers}
        traffic = {server: Traffic() for server in self.servers}
        tasks = [asyncio.create_task(self.call(server, callers[server], traffic[server])) for server in self.servers]
        try:
            await asyncio.gather(*(self.admitting(server, traffic[server]) for server in self.servers))
            victims = [await self.caller(server) for server in self.servers]
            take_away()
            try:
                away = await self.away(callers, traffic, victims)
            finally:
                bring_back()
            back = await asyncio.gather(*(self.admitting(server, traffic[server]) for server in self.servers))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        async def as_before(server: str) -> None:
            seen = traffic[server]
            assert set(seen.verdicts) == {LIVE, AWAY}, f"{server} answered {dict(seen.verdicts)}"
            await asyncio.gather(*(self.refused(request, REPLAYED) for request in seen.admitted))
            await self.honoured(callers[server])
            await self.honoured(await self.caller(server))
            assert await callers[server].change(server, "rotate") is True
            assert await callers[server].change(server, "terminate") is True

        await asyncio.gather(*(as_before(server) for server in self.servers))
        return f"503 within {self.seconds(away)}; back in {self.seconds(back)}"

    async def call(self, server: str, caller: Caller, seen: Traffic) -> None:
        """Call a server again and again."""
        while True:
            _, request = caller.seal("POST", "/api/secure-data", SECRET)
            try:
                verdict = (await self.network.send(server, request)).verdict
            except httpx2.HTTPError as error:
                verdict = type(error).__name__
            seen.verdicts[verdict] += 1
            if verdict == LIVE:
                seen.admitted.append(request)
            await asyncio.sleep(PAUSE_SECONDS)

    async def away(
        self, callers: Mapping[str, Caller], traffic: Mapping[str, Traffic], victims: list[Caller]
    ) -> list[float]:
        """Ask each server everything at once, twice: at first its connections seem to be there."""

        async def ask(server: str, victim: Caller) -> float:
            caller = callers[random.choice(self.servers)]
            requests = [
                caller.seal("POST", "/api/secure-data", SECRET)[1],
                caller.seal("GET", "/api/chat")[1],
                traffic[server].admitted[0],
                handshake_request(nen.ClientHandshake()),
                *(caller.lifecycle(action)[1] for action in ("rotate", "terminate", "status")),
                bare("GET", "status", caller.session),
                # It may be terminated all the same, later: Redis, and some of its clients, keep what they were sent.
                bare("POST", "terminate", victim.session),
            ]
            replies = await asyncio.gather(*(self.network.send(server, request) for request in requests))
            for request, reply in zip(requests, replies, strict=True):
                assert reply.verdict == AWAY, f"{request.method} {request.path} at {server}: {reply.verdict}"
            slowest = max(reply.seconds for reply in replies)
            assert slowest < AWAY_SECONDS, f"{server} took {slowest:.1f} s to answer"
            return slowest

        rounds = [
            await asyncio.gather(*(ask(server, victim) for server, victim in zip(self.servers, victims, strict=True)))
            for _ in range(2)
        ]
        return [max(times) for times in zip(*rounds, strict=True)]

    async def admitting(self, server: str, seen: Traffic) -> float:
        """Wait until a server admits one more call."""
        start, before = time.monotonic(), len(seen.admitted)
        while len(seen.admitted) == before:
            seen_so_far = f"{server} admits nothing for {ADMIT_SECONDS} s: it answered {dict(seen.verdicts)}"
            assert time.monotonic() - start < ADMIT_SECONDS, seen_so_far
            await asyncio.sleep(PAUSE_SECONDS)
        return time.monotonic() - start

    # ── what the steps are made of ───────────────────────────────────────────────────────────────────────────────

    async def caller(self, server: str, *, identity: nen.Identity | None = None) -> Caller:
        """Make a session at a server."""
        caller = Caller(self.network, identity=identity)
        await caller.handshake(server)
        return caller

    async def honoured(self, caller: Caller) -> None:
        """Check that every server knows a session, its keys and its identity."""

        async def at(server: str) -> None:
            echo = {"message": "Securely processed", "received": SECRET}
            assert await caller.fetch(server, "POST", "/api/secure-data", SECRET) == echo, f"{server} echoes otherwise"
            chunks = await caller.stream(server, {"prompt": WORDS, "exact": True})
            assert chunks == WORDS.encode().split(), f"{server} streams {chunks}"
            identity = caller.identity and b64encode(caller.identity.public_key.spki).decode()
            assert await caller.fetch(server, "POST", "/api/whoami", {}) == {"identity": identity}, f"{server} errs"
            assert await caller.change(server, "status") is True, f"{server} says that the session does not live"

        await asyncio.gather(*(at(server) for server in self.servers), self.valid(caller.session, is_valid=True))

    async def valid(self, session: nen.Session, *, is_valid: bool) -> None:
        """Check what every server tells of a session to whom only names it."""
        for server, reply in (await self.network.send_to_all(bare("GET", "status", session))).items():
            found = (reply.response.status_code, reply.response.json())
            assert found == (200 if is_valid else 401, {"valid": is_valid}), f"status at {server}: {found}"

    async def refused(self, request: Request, verdict: str) -> None:
        """Check that every server refuses a request."""
        for server, reply in (await self.network.send_to_all(request)).items():
            assert reply.verdict == verdict, f"{request.method} {request.path} at {server}: {reply.verdict}"

    @property
    def in_pairs(self) -> str:
        """Write how many ordered pairs there are."""
        return f"{len(list(permutations(self.servers, 2)))} pairs"

    def seconds(self, times: list[float]) -> str:
        """Write how long each server took."""
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in zip(self.servers, times, strict=True))


def run(
    database: Database, environments: Mapping[str, Mapping[str, str]], *, sealed_records: bool, races: int
) -> list[Result]:
    """Run all steps against these servers on a database, each with its environment."""

    async def steps(urls: dict[str, str]) -> list[Result]:
        # Servers close connections that have been idle for some seconds: let go of them before. That many clients at
        # once are few enough for the pools of connections that servers have to the database.
        limits = httpx2.Limits(max_connections=64, keepalive_expiry=2)
        async with httpx2.AsyncClient(limits=limits, timeout=HTTP_SECONDS) as http:
            return await Suite(database, Network(urls, http), sealed_records=sealed_records, races=races).all()

    results: list[Result] = []
    try:
        with ExitStack() as stack:
            urls = {
                name: stack.enter_context(
                    running(name, LOGS / f"{name}-mixed-server.log", {**environment, "NEN_REDIS_URL": database.url})
                )
                for name, environment in environments.items()
            }
            results += asyncio.run(steps(urls))
    except (OSError, PeerError) as error:
        results.append(Result("servers", "", str(error)))
    return results
