"""Run the peers of tests/interop against each other, and print what passed.

Each directory here is a peer with programs, `server` and `client` of all and `wire` of some. The matrix: every server
against every client, its sessions in memory, then in a Redis. One Redis: all servers at once on one database, which is
also taken away, with records in the clear and with sealed ones. Exit status 0 only if each program could be run, each
client showed each step against each server, and each server stopped as it should.
"""  # noqa: INP001 - a program, not a package
# ruff: noqa: T201 - its output is what it is for

import argparse
import os
import secrets
import signal
import sys
from base64 import b64encode
from collections.abc import Mapping
from itertools import product

from harness import one_redis
from harness.databases import Database, redis_server, valkey_server
from harness.matrix import Client, Server, run_server
from harness.peers import IN_MEMORY, LOGS, names, with_role

RACES = 100
RACES_IN_SHORT = 25


def matrix(pairs: Mapping[Server, list[Client]], columns: list[Client]) -> bool:
    """Run servers against clients, print what is wrong with each server's as it comes, and the matrix at the end."""
    table = [["server \\ client", *map(str, columns)]]
    sound = True
    for server, clients in pairs.items():
        cells, complaints = run_server(server, clients)
        for complaint in complaints:
            print(f"server {server}: {complaint}", flush=True)
        sound = sound and not complaints
        shown = [str(cells.get(client, "✗")) if client in clients else "" for client in columns]
        table.append([f"{server} ✗" if complaints else str(server), *shown])
    print_table(table)
    return sound


def mixed(program: str, servers: list[str], *, sealed_records: bool, races: int) -> bool:
    """Run all of these servers on one database, and print the steps."""
    environments = with_store_keys(servers) if sealed_records else {name: {} for name in servers}
    kind = "sealed records" if sealed_records else "records in the clear"
    try:
        with Database(program, LOGS / "mixed-database.log") as database:
            print(f"\none {database.name()} behind {', '.join(servers)}: {kind}", flush=True)
            results = one_redis.run(database, environments, sealed_records=sealed_records, races=races)
    except OSError as error:
        print(error)
        return False
    print_table([["", result.step, str(result)] for result in results])
    for result in results:
        if result.complaint:
            print(f"{result.step}: {result.complaint}")
    return not any(result.complaint for result in results)


def print_table(rows: list[list[str]]) -> None:
    """Print cells in columns that are as wide as they need to be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), flush=True)


def some_pairs(servers: list[Server], clients: list[Client]) -> dict[Server, list[Client]]:
    """Put every server against a client and every client against a server, of another name where that can be."""

    def shifted(by: int) -> list[tuple[Server, Client]]:
        count = max(len(servers), len(clients))
        return [(servers[n % len(servers)], clients[(n + by) % len(clients)]) for n in range(count)]

    def of_one_name(chosen: list[tuple[Server, Client]]) -> int:
        return sum(server.name == client.name for server, client in chosen)

    pairs: dict[Server, list[Client]] = {server: [] for server in servers}
    for server, client in min(map(shifted, range(len(clients))), key=of_one_name):
        pairs[server].append(client)
    return pairs


def with_store_keys(servers: list[str]) -> dict[str, dict[str, str]]:
    """Give every server two keys, in an order that changes from one to the next, as while keys are replaced."""
    keys = [b64encode(secrets.token_bytes(32)).decode() for _ in range(2)]
    return {name: {"NEN_STORE_KEYS": ",".join(keys[:: (-1) ** number])} for number, name in enumerate(servers)}


def main() -> int:
    """Run what was asked for."""
    arguments = argparse.ArgumentParser(description="Run the interop peers against each other: by default, all.")
    arguments.add_argument("--server", action="append", choices=names(), help="run only this server; may be repeated")
    arguments.add_argument("--client", action="append", choices=names(), help="run only this client; may be repeated")
    arguments.add_argument("--matrix", action="store_true", help="only the matrix")
    arguments.add_argument(
        "--one-redis", action="store_true", help="only one Redis, and one Valkey, behind all servers"
    )
    arguments.add_argument(
        "--short", action="store_true", help="every server and client once, in memory; one Redis, and no Valkey"
    )
    chosen = arguments.parse_args()

    servers = chosen.server or with_role("server")
    callers = chosen.client or with_role("client")
    clients = [*map(Client, callers), *(Client(name, "wire") for name in with_role("wire") if name in callers)]
    shared = [name for name in servers if name not in IN_MEMORY]

    # Whoever ends this program ends servers and databases with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    LOGS.mkdir(parents=True, exist_ok=True)
    sound = True
    if not chosen.one_redis:
        with Database(redis_server(), LOGS / "redis.log") as redis:
            in_memory = [Server(name) for name in servers]
            if chosen.short:
                pairs = some_pairs(in_memory, clients)
            else:
                pairs = dict.fromkeys([*in_memory, *(Server(name, redis) for name in shared)], clients)
            sound = matrix(pairs, clients)
    if not chosen.matrix:
        programs = [redis_server()] if chosen.short else [redis_server(), valkey_server()]
        races = RACES_IN_SHORT if chosen.short else RACES
        for program, sealed_records in product(programs, (False, True)):
            sound = mixed(program, shared, sealed_records=sealed_records, races=races) and sound
    if not sound:
        print(f"the logs are in {os.path.relpath(LOGS)}")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
