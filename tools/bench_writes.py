"""Measures writers: how long 64 concurrent clients wait for the write of one record, and for CreateVolume.

A real server (`souche serve`) on a free port of 127.0.0.1; one client process keeps 64 connections of 8 accounts busy.
With fair turns, each client waits for the 63 others, so the 99th percentile relative to the mean shows the fairness,
also on a busy machine. The baseline is the rate of one bare SQLite connection that commits rows of the same size to the
same medium as fast as it can.
"""

import argparse
import itertools
import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from souche.app import accounts, security_groups
from souche.home import Home
from souche.main import administration
from souche.model.accounts import Principal
from tools.bench_reads import served
from tools.http_load import Caller, Load, signed

WRITERS: Final = 64
ACCOUNTS: Final = 8
SUBREGION: Final = "souche-1a"


def main() -> None:
    """Parse the flags, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="souche-bench-") as scratch:
        home = Home(Path(scratch) / "home")
        callers = _prepare(home)
        bare = _bare_commits(Path(scratch) / "bare.sqlite", given.seconds / 4)
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        print(f"bare SQLite, one connection: {bare:.0f} commits/s")
        print(f"{WRITERS} writers of {ACCOUNTS} accounts, signed, one process:")
        with served(home) as target:
            for name, requests in _requests(callers, target.port).items():
                load = target.load(requests, connections=WRITERS, seconds=given.seconds)
                _print(name, load, bare)


def _print(name: str, load: Load, bare: float) -> None:
    mean = statistics.mean(load.latencies) * 1000
    p99 = load.milliseconds(99)
    print(
        f"  {name:13} {load.rate:6.0f} requests/s ({load.rate / bare:.2f} of bare commits)  "
        f"CPU {load.cpu_microseconds:5.0f} us  p50 {load.milliseconds(50):.0f} ms  p99 {p99:.0f} ms "
        f"({p99 / mean:.1f} of the mean)  longest {max(load.latencies) * 1000:.0f} ms"
    )


def _prepare(home: Home) -> dict[Caller, str]:
    """The callers, with a security group of each to tag."""
    callers = {}
    with administration.administer(home.path, make=True) as administered:
        region = administered.region
        for number in range(ACCOUNTS):
            account, key, secret = accounts.create(region, f"bench-{number}")
            who = Principal(account.account_id, key.access_key_id)
            group = security_groups.create(region, who, "tagged", "what the benchmark tags")
            callers[Caller(account.account_id, key.access_key_id, secret)] = group.security_group_id
    return callers


def _requests(callers: dict[Caller, str], port: int) -> dict[str, Iterator[bytes]]:
    return {
        "CreateTags": _tags(callers, port),
        "CreateVolume": _volumes(callers, port),
    }


def _tags(callers: dict[Caller, str], port: int) -> Iterator[bytes]:
    """One row each, without a workflow."""
    for number, (caller, group_id) in enumerate(itertools.cycle(callers.items())):
        tag = {"Key": f"key-{number % 50}", "Value": str(number)}
        body = {"ResourceIds": [group_id], "Tags": [tag]}
        yield signed(caller, port, json.dumps(body).encode(), "CreateTags")


def _volumes(callers: dict[Caller, str], port: int) -> Iterator[bytes]:
    """One workflow each, whose steps are written to the journal and to the records."""
    body = json.dumps({"SubregionName": SUBREGION, "Size": 1}).encode()
    for caller in itertools.cycle(callers):
        yield signed(caller, port, body, "CreateVolume")


def _bare_commits(path: Path, seconds: float) -> float:
    """Rows per second that one connection commits, as durably as the region does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE tags (number INTEGER PRIMARY KEY, value TEXT)")
        begun = time.perf_counter()
        for number in itertools.count(1):
            connection.execute("INSERT INTO tags VALUES (?, ?)", (number, "v" * 100))
            spent = time.perf_counter() - begun
            if spent > seconds:
                return number / spent
    raise AssertionError


if __name__ == "__main__":
    main()
