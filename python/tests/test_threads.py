"""Several threads, on any build of Python, and several interpreters."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import nen
from tests.test_native import NOW, RECORD, SID, World

THREADS = 8
ROUNDS = 200
NONCE = bytes(nen.NONCE_SIZE)


def at_once(work: Callable[[int], object]) -> None:
    """Do the work in every thread, all starting together; the first failure is raised."""
    barrier = threading.Barrier(THREADS)

    def one(number: int) -> None:
        barrier.wait(10)
        work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(one, number) for number in range(THREADS)]:
            done.result()


def test_a_client_a_server_and_a_store_serve_many_threads() -> None:
    world = World()

    def exchange(number: int) -> None:
        for turn in range(ROUNDS):
            # On both sides of the size from which on the work is done detached.
            body = b'"%d-%d-%s"' % (number, turn, b"x" * (4096 * (turn % 2)))
            call = nen.Call("POST", "/a")
            request = call.seal(world.client, body, now_ms=NOW)
            exchange = world.admit(request.headers)
            assert exchange.open(request.body or b"") == body
            answer = exchange.seal(200, body)
            assert call.open(world.client, answer.status, None, answer.body, now_ms=NOW).json == body

    at_once(exchange)
    assert world.store.nonces == THREADS * ROUNDS


def test_sessions_come_and_go_in_many_threads() -> None:
    world = World()

    def come_and_go(_: int) -> None:
        for _ in range(ROUNDS // 10):
            client = nen.Client()
            handshake = client.handshake()
            answer = world.respond("handshake", [], handshake.body)
            client.establish(handshake, answer.status, answer.body, now_ms=NOW)
            end = nen.LifecycleCall.terminate("/api/nen/terminate")
            answer = world.respond("terminate", end.seal(client, now_ms=NOW).headers)
            assert end.open(client, answer.status, None, answer.body, now_ms=NOW).value is True

    at_once(come_and_go)
    assert world.store.sessions == 1


def test_a_nonce_is_fresh_in_one_of_many_threads() -> None:
    world = World()
    headers = nen.Call("POST", "/a").seal(world.client, now_ms=NOW).headers
    outcomes: Counter[str] = Counter()

    def admit(_: int) -> None:
        try:
            world.admit(headers)
            outcome = "fresh"
        except nen.ReplayError as error:
            outcome = error.code
        with lock:
            outcomes[outcome] += 1

    lock = threading.Lock()
    at_once(admit)
    assert outcomes == {"fresh": 1, "ISO-5001": THREADS - 1}


def test_one_stream_takes_chunks_from_many_threads() -> None:
    session = nen.Session.from_record(SID, RECORD)
    sealer = nen.StreamSealer(session)
    opener = nen.StreamOpener(session, sealer.nonce_header)
    order = threading.Lock()

    def send(number: int) -> None:
        for turn in range(ROUNDS):
            # The lock keeps what is sent in the order in which it was sealed; who is next is left to chance.
            with order:
                opener.push(sealer.seal(b"%d %d" % (number, turn)))

    at_once(send)
    opener.push(sealer.finish())
    chunks = []
    while (chunk := opener.next_chunk()) is not None:
        chunks.append(tuple(map(int, chunk.split())))
    opener.end()
    assert sorted(chunks) == [(number, turn) for number in range(THREADS) for turn in range(ROUNDS)]


def test_chunks_sealed_in_many_threads_have_each_a_nonce_of_its_own() -> None:
    sealer = nen.StreamSealer(nen.Session.from_record(SID, RECORD))
    frames: list[bytes] = []
    at_once(lambda _: frames.extend([sealer.seal(b"x") for _ in range(ROUNDS)]))
    assert len(set(frames)) == THREADS * ROUNDS


def test_a_handshake_is_finished_by_one_of_many_threads() -> None:
    world = World()
    handshake = world.client.handshake()
    answer = world.respond("handshake", [], handshake.body)
    sessions: list[nen.Session] = []

    def finish(_: int) -> None:
        try:
            sessions.append(handshake.finish(answer.status, answer.body, now_ms=NOW))
        except RuntimeError as error:
            assert str(error) == "this handshake was already finished"  # noqa: PT017 - all but one thread come here

    at_once(finish)
    assert len(sessions) == 1


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="there is no lock to release")
def test_other_threads_run_from_2_kib_on() -> None:
    session = nen.Session.from_record(SID, RECORD)
    waiting, ran = threading.Lock(), threading.Event()

    def wait() -> None:
        with waiting:
            ran.set()

    waiting.acquire()
    thread = threading.Thread(target=wait)
    thread.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # from here on this thread keeps the interpreter until it gives it away
    try:
        waiting.release()
        for _ in range(10_000):
            session.seal(NONCE, bytes(2047))
        ran_before = ran.is_set()
        for _ in range(1_000_000):
            session.seal(NONCE, bytes(2048))
            if ran.is_set():
                break
        ran_after = ran.is_set()
    finally:
        sys.setswitchinterval(interval)
        thread.join()
    assert (ran_before, ran_after) == (False, True)


@pytest.mark.parametrize("order", ["main first", "other first"])
def test_a_second_interpreter_of_a_process_is_refused(order: str) -> None:
    script = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
# One that shares the lock: from the others, Python itself keeps modules out that do not name them.
shared = {(3, 10): {}, (3, 11): {}, (3, 12): {"isolated": False}}.get(sys.version_info[:2], {"config": "legacy"})
other = interpreters.create(**shared)
code = "try: import nen; print('loaded', flush=True)\\nexcept ImportError as error: print(error, flush=True)"
for load in LOADS:
    load()
"""
    loads = ["lambda: exec(code)", "lambda: interpreters.run_string(other, code)"]
    script = script.replace("LOADS", f"[{', '.join(loads if order == 'main first' else loads[::-1])}]")
    command = [sys.executable, "-W", "ignore", "-c", script]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    assert printed.splitlines() == [
        "loaded",
        "nen serves one interpreter of a process, and another one has loaded it; give each a process of its own",
    ]
