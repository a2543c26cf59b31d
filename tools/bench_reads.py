"""Measures ReadImages: how many signed requests one process answers per second, and how long filters take.

A real server (`souche serve`) on a free port of 127.0.0.1 reads a database of many images. One client process keeps
several connections busy, with the same request again and again, as waiters do ("asked again": it is answered from
memory while nothing is committed), or with varying ones ("varied": each reads the database; also "beside commits" of
another process, each of which changes an image). The baseline is the rate of a bare ASGI application on the same HTTP
server, which returns the same bytes. CPU per request is the server's, from /proc: other work on the machine hardly
affects it.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send
from tests.support import postgresql

from souche.db import images, schema
from souche.home import Home
from souche.http import server
from tools.bench_reads_data import opened, prepare
from tools.http_load import Caller, Load, Target, repeated, varied

ROWS: Final = 20
CONNECTIONS: Final = 8
START_SECONDS: Final = 60

# The reads are also measured during commits: COMMITS a second, to this many of the caller's oldest images in turn.
COMMITS: Final = 100
COMMITTED: Final = 1000


def main() -> None:
    """Parse the flags, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000, help="images in the database")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each run for the rate")
    parser.add_argument("--rounds", type=int, default=3, help="runs of either server; the best counts")
    parser.add_argument(
        "--home",
        type=Path,
        help="folder to keep the region in, to be used again",
    )
    parser.add_argument(
        "--on",
        choices=["sqlite", "postgresql", "both"],
        default="both",
        help="the database (both, in turn)",
    )
    parser.add_argument(
        "--database-file", default="", help="file with the URL of an empty PostgreSQL database"
    )
    given = parser.parse_args()
    if given.on != "postgresql" and not given.database_file:
        _measure(given, "SQLite")
    if given.database_file:
        _measure(given, "PostgreSQL", given.database_file)
    elif given.on != "sqlite":
        with _postgresql() as database_file:
            given.home = None
            _measure(given, "PostgreSQL", database_file)


@contextmanager
def _postgresql() -> Iterator[str]:
    """A new server of Debian's PostgreSQL, and a file with the URL of an empty database on it."""
    with postgresql.running(fsync="on", autovacuum="on") as server, tempfile.TemporaryDirectory() as folder:
        server.execute("CREATE DATABASE souche TEMPLATE template0")
        file = Path(folder) / "database-url"
        file.touch(0o600)
        file.write_text(server.url("souche"))
        yield str(file)


def _measure(given: argparse.Namespace, database: str, database_file: str = "") -> None:
    with tempfile.TemporaryDirectory(prefix="souche-bench-") as scratch:
        home = Home(given.home or Path(scratch) / "home")
        caller = prepare(home, given.images, database_file)
        load, processors = os.getloadavg()[0], os.cpu_count()
        print(f"{database}, {given.images} images; load average {load:.1f} on {processors} processors")
        with served(home, database_file) as target:
            _measure_rate(target, caller, home, given.seconds, given.rounds)
            _measure_filters(target, caller, home)


def _measure_rate(target: Target, caller: Caller, home: Home, seconds: float, rounds: int) -> None:
    question = {"ResultsPerPage": ROWS}
    answer = target.load(repeated(caller, target.port, question), connections=1, seconds=0.5).answer
    runs: dict[str, list[Load]] = {}

    def run(name: str, on: Target, requests: Iterator[bytes]) -> None:
        runs.setdefault(name, []).append(on.load(requests, connections=CONNECTIONS, seconds=seconds))

    with _bare(answer) as baseline:
        for _ in range(rounds):
            run("bare ASGI", baseline, repeated(caller, baseline.port, question))
            run("asked again", target, repeated(caller, target.port, question))
            run("varied", target, varied(caller, target.port, question))
            with _commits(home, caller):
                run("varied, beside commits", target, varied(caller, target.port, question))
    shown = len(json.loads(answer)["Images"])
    print(
        f"ReadImages of {shown} rows ({len(answer)} bytes), signed, {CONNECTIONS} connections, one process:"
    )
    for name, loads in runs.items():
        _print_rate(name, loads, bare=max(load.rate for load in runs["bare ASGI"]))


def _print_rate(name: str, runs: list[Load], *, bare: float) -> None:
    best = max(runs, key=lambda run: run.rate)
    every = " ".join(f"{run.rate:.0f}" for run in runs)
    print(
        f"  {name:20} {best.rate:6.0f} requests/s ({best.rate / bare:.2f} of bare)  "
        f"CPU {best.cpu_microseconds:4.0f} us  "
        f"p50 {best.milliseconds(50):.2f} ms  p99 {best.milliseconds(99):.2f} ms  (runs: {every})"
    )


def _measure_filters(target: Target, caller: Caller, home: Home) -> None:
    print(
        f"filters, pages of {ROWS}, varied:          rows    p50 ms    p99 ms   longest    CPU ms"
        "    p99 and longest beside commits"
    )
    for name, filters in _filters(home, caller).items():
        run = _ask(target, caller, filters)
        with _commits(home, caller):
            beside = _ask(target, caller, filters)
        rows = len(json.loads(run.answer)["Images"])
        times = (
            run.milliseconds(50),
            run.milliseconds(99),
            max(run.latencies) * 1000,
            run.cpu_microseconds / 1000,
            beside.milliseconds(99),
            max(beside.latencies) * 1000,
        )
        print(f"  {name:38} {rows:6}", *(f"{each:9.2f}" for each in times))


def _ask(target: Target, caller: Caller, filters: dict[str, object]) -> Load:
    requests = varied(caller, target.port, {"ResultsPerPage": ROWS, "Filters": filters})
    return target.load(requests, connections=1, seconds=1.5)


def _filters(home: Home, caller: Caller) -> dict[str, dict[str, object]]:
    """Typical filters of clients, and the worst ones: values of few rows or none, which a scan finds late or never."""
    with opened(home) as store, store.read() as connection:
        own = schema.images.select().where(schema.images.c.account_id == caller.account_id)
        middle = connection.execute(own.order_by(schema.images.c.name).limit(1).offset(50)).one()
        ids = list(connection.scalars(own.with_only_columns(schema.images.c.image_id).limit(500)))
        mappings = schema.image_mappings.select()
        snapshot_id = connection.execute(
            mappings.where(schema.image_mappings.c.image_id == middle.image_id)
        ).first()
    return {
        "no filter": {},
        "ImageIds, 1": {"ImageIds": [middle.image_id]},
        "ImageIds, 500": {"ImageIds": ids},
        "ImageNames, one": {"ImageNames": [middle.name]},
        "ImageNames, prefix*": {"ImageNames": ["Ubuntu-24.04-12*"]},
        "ImageNames, *infix*": {"ImageNames": ["*9999*"]},
        "ImageNames, prefix* and AccountAliases": {
            "ImageNames": ["Ubuntu*"],
            "AccountAliases": ["Outscale"],
        },
        "AccountIds, own": {"AccountIds": [caller.account_id]},
        "AccountIds, absent": {"AccountIds": ["999999999999"]},
        "AccountAliases": {"AccountAliases": ["Outscale"]},
        "BlockDeviceMappingSnapshotIds": {"BlockDeviceMappingSnapshotIds": [snapshot_id.snapshot_id]}
        if snapshot_id
        else {},
        "BlockDeviceMappingDeviceNames": {"BlockDeviceMappingDeviceNames": ["/dev/xvdb"]},
        "BlockDeviceMappingDeviceNames, absent": {"BlockDeviceMappingDeviceNames": ["/dev/xvdz"]},
        "BlockDeviceMappingVolumeTypes, absent": {"BlockDeviceMappingVolumeTypes": ["io1"]},
        "BootModes": {"BootModes": ["uefi"]},
        "Descriptions, absent": {"Descriptions": ["nothing"]},
        "PermissionsToLaunchAccountIds, own": {"PermissionsToLaunchAccountIds": [caller.account_id]},
        "PermissionsToLaunchGlobalPermission": {"PermissionsToLaunchGlobalPermission": True},
        "ProductCodes, common": {"ProductCodes": ["0001"]},
        "ProductCodes, rare": {"ProductCodes": ["0002"]},
        "ProductCodes, absent": {"ProductCodes": ["0009"]},
        "States, available": {"States": ["available"]},
        "States, absent": {"States": ["failed"]},
        "TagKeys": {"TagKeys": ["env"]},
        "TagKeys, absent": {"TagKeys": ["nobody"]},
        "Tags, common": {"Tags": ["env=prod"]},
        "Tags, one": {"Tags": ["Name=12345"]},
        "TagValues, absent": {"TagValues": ["nothing"]},
    }


@contextmanager
def _commits(home: Home, caller: Caller) -> Iterator[None]:
    """Another process that changes images during the measurement."""
    process = multiprocessing.get_context("fork").Process(target=_commit, args=(home, caller.account_id))
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _commit(home: Home, account_id: str) -> None:
    with opened(home) as store:
        with store.read() as connection:
            own = schema.images.select().where(schema.images.c.account_id == account_id)
            oldest = own.with_only_columns(schema.images.c.image_id).order_by(schema.images.c.creation_date)
            ids = list(connection.scalars(oldest.limit(COMMITTED)))
        for number, image_id in enumerate(itertools.cycle(ids)):
            with store.begin() as connection:
                images.set_description(connection, image_id, f"changed {number} times")
            time.sleep(1 / COMMITS)


@contextmanager
def served(home: Home, database_file: str = "") -> Iterator[Target]:
    """The region's own server; its log goes to a file, like a service's."""
    command: list[str | Path] = [Path(sys.executable).with_name("souche"), "serve", "--home", home.path]
    if database_file:
        command += ["--database-file", database_file]
    home.serving.unlink(missing_ok=True)
    with (home.path / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0", "--oos-listen", "", "--compute", "simulated"],
            stdin=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            yield Target(process.pid, _port(home, process))
        finally:
            process.terminate()
            process.wait()


def _port(home: Home, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + START_SECONDS
    while not home.serving.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the server does not start: see {home.path}/server.log")
        time.sleep(0.05)
    endpoint = str(home.read()["Api"]).removesuffix("/api/v1")
    return int(endpoint.rpartition(":")[2])


@contextmanager
def _bare(answer: bytes) -> Iterator[Target]:
    """A server that returns the same bytes to every request."""
    listening = server.listen("127.0.0.1", 0)
    process = multiprocessing.get_context("fork").Process(target=_serve_bare, args=(answer, listening))
    process.start()
    try:
        yield Target(process.pid or 0, listening.getsockname()[1])
    finally:
        process.terminate()
        process.join()


def _serve_bare(answer: bytes, listening: socket.socket) -> None:
    server.run([server.Application(_answering(answer), listening)])


def _answering(answer: bytes) -> ASGIApp:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return application


if __name__ == "__main__":
    main()
