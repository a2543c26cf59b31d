"""Measures ReadImages: how many signed requests a second one process answers, and how long filters take.

A real server (`souche serve`) on a free port of 127.0.0.1 reads a database of many images. One client process
keeps several connections busy. Beside the rate stands that of a bare ASGI application on the same HTTP server,
which answers the same bytes; the ratio says how much is Souche's own. CPU per request is the server's, from
/proc: other work on the machine hardly moves it.
"""

import argparse
import asyncio
import datetime
import hashlib
import hmac
import json
import multiprocessing
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from souche import main as composition
from souche.app import accounts
from souche.db import schema
from souche.db.store import Store
from souche.home import Home
from souche.http import server

ROWS: Final = 20
CONNECTIONS: Final = 8
START_SECONDS: Final = 60
STALL_SECONDS: Final = 30
NEIGHBOURS: Final = 1000  # accounts beside the caller's
OWN_SHARE: Final = 0.2  # of all images, how many are the caller's
BEGINNING: Final = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Caller:
    """Who asks."""

    account_id: str
    access_key_id: str
    secret: str


@dataclass(frozen=True)
class Load:
    """What a run of requests showed. `latencies` in seconds; `cpu_seconds` is the server's."""

    latencies: list[float]
    wall_seconds: float
    cpu_seconds: float
    answer: bytes

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.wall_seconds

    @property
    def cpu_microseconds(self) -> float:
        return self.cpu_seconds / len(self.latencies) * 1e6

    def milliseconds(self, percentile: int) -> float:
        return statistics.quantiles(self.latencies, n=100, method="inclusive")[percentile - 1] * 1000


@dataclass(frozen=True)
class Target:
    """A server to send requests to."""

    pid: int
    port: int

    def load(self, request: bytes, *, connections: int, seconds: float) -> Load:
        """Send a request over and over."""
        before, start = _cpu_seconds(self.pid), time.perf_counter()
        latencies, answer = uvloop.run(_drive(self.port, request, connections, start + seconds))
        wall = time.perf_counter() - start
        return Load(latencies, wall, _cpu_seconds(self.pid) - before, answer)


def main() -> None:
    """Parse the flags, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000, help="images in the database")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each run for the rate")
    parser.add_argument("--rounds", type=int, default=3, help="runs of either server; the best counts")
    parser.add_argument("--home", type=Path, help="folder to keep the region in, to be used again")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="souche-bench-") as scratch:
        home = Home(given.home or Path(scratch) / "home")
        caller = _prepare(home, given.images)
        print(f"{given.images} images; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        with _souche(home) as target:
            _measure_rate(target, caller, given.seconds, given.rounds)
            _measure_filters(target, caller, home)


def _measure_rate(target: Target, caller: Caller, seconds: float, rounds: int) -> None:
    request = _signed(caller, target.port, {"ResultsPerPage": ROWS})
    answer = target.load(request, connections=1, seconds=0.5).answer
    shown = len(json.loads(answer)["Images"])
    ours, bare = [], []
    with _bare(answer) as baseline:
        for _ in range(rounds):
            bare.append(baseline.load(request, connections=CONNECTIONS, seconds=seconds))
            ours.append(target.load(request, connections=CONNECTIONS, seconds=seconds))
    print(
        f"ReadImages of {shown} rows ({len(answer)} bytes), signed, {CONNECTIONS} connections, one process:"
    )
    _print_rate("souche", ours)
    _print_rate("bare ASGI", bare)
    print(f"  ratio {max(run.rate for run in ours) / max(run.rate for run in bare):.2f}")


def _print_rate(name: str, runs: list[Load]) -> None:
    best = max(runs, key=lambda run: run.rate)
    every = " ".join(f"{run.rate:.0f}" for run in runs)
    print(
        f"  {name:10} {best.rate:6.0f} requests/s  CPU {best.cpu_microseconds:4.0f} us  "
        f"p50 {best.milliseconds(50):.2f} ms  p99 {best.milliseconds(99):.2f} ms  (runs: {every})"
    )


def _measure_filters(target: Target, caller: Caller, home: Home) -> None:
    print(f"filters, pages of {ROWS}, one connection:  rows    p50 ms    p99 ms    CPU ms")
    for name, filters in _filters(home, caller).items():
        request = _signed(caller, target.port, {"ResultsPerPage": ROWS, "Filters": filters})
        run = target.load(request, connections=1, seconds=1.5)
        rows = len(json.loads(run.answer)["Images"])
        times = (run.milliseconds(50), run.milliseconds(99), run.cpu_microseconds / 1000)
        print(f"  {name:38} {rows:6}", *(f"{each:9.2f}" for each in times))


def _filters(home: Home, caller: Caller) -> dict[str, dict[str, object]]:
    """What clients filter by, and the worst that they could: values of no row or of few, walked for in vain."""
    with _opened(home) as store, store.read() as connection:
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


# The database -------------------------------------------------------------------------------------------------


def _prepare(home: Home, count: int) -> Caller:
    """A region with images, or the one that is there already, and who may read it."""
    kept = home.path / "caller.json"
    if not kept.exists():
        caller = _fill(home, count)
        kept.write_text(json.dumps(vars(caller)))
    return Caller(**json.loads(kept.read_text()))


def _fill(home: Home, count: int) -> Caller:
    with composition.administer(home.path) as administered:
        account, key, secret = accounts.create(administered.region, "bench")
        with administered.region.store.begin() as connection:
            for table, rows in _rows(account.account_id, count).items():
                connection.execute(table.insert(), rows)
    return Caller(account.account_id, key.access_key_id, secret)


def _rows(own: str, count: int) -> Mapping[Any, list[dict[str, Any]]]:
    """Images of the caller, of the provider, and of neighbours: some public, granted or tagged."""
    random_source = random.Random(3)  # noqa: S311 (the same images in every run)
    others = [f"9{number:011}" for number in range(NEIGHBOURS)]
    provider = others[0]
    tables: dict[Any, list[dict[str, Any]]] = {
        schema.accounts: [
            {
                "account_id": account_id,
                "name": account_id,
                "alias": "Outscale" if account_id == provider else None,
                "creation_date": BEGINNING,
            }
            for account_id in others
        ]
    }
    for number in range(count):
        draw = random_source.random()
        owner = (
            own if draw < OWN_SHARE else provider if draw < OWN_SHARE + 0.01 else random_source.choice(others)
        )
        for table, rows in _image_rows(random_source, number, owner, own, public=owner == provider).items():
            tables.setdefault(table, []).extend(rows)
    return tables


def _image_rows(
    random_source: random.Random, number: int, owner: str, reader: str, *, public: bool
) -> Mapping[Any, list[dict[str, Any]]]:
    image_id = f"ami-{number * 2654435761 % 2**32:08x}"
    name = f"{random_source.choice(['Ubuntu-24.04', 'Debian-12', 'Rocky-9', 'build'])}-{number}"
    image = {
        "image_id": image_id,
        "account_id": owner,
        "name": name,
        "description": "d" * random_source.randrange(60),
        "architecture": "x86_64",
        "legacy_boot": True,
        "uefi_boot": number % 3 == 0,
        "root_device_name": "/dev/sda1",
        "file_location": f"{owner}/{name}",
        "state": "available",
        "public": public or random_source.random() < 0.005,
        "tpm_mandatory": False,
        "secure_boot": False,
        "creation_date": BEGINNING + datetime.timedelta(seconds=number),
    }
    mappings = [
        {
            "image_id": image_id,
            "position": position,
            "device_name": device_name,
            "snapshot_id": f"snap-{random_source.getrandbits(32):08x}",
            "volume_size_gib": 10,
            "volume_type": random_source.choice(["standard", "gp2"]),
            "delete_on_vm_deletion": True,
        }
        for position, device_name in enumerate(("/dev/sda1", "/dev/xvdb"))
    ]
    tag = {
        "resource_id": image_id,
        "key": random_source.choice(["Name", "env"]),
        "value": random_source.choice(["x", "prod", str(number)]),
        "account_id": owner,
        "resource_type": "image",
        "creation_date": BEGINNING,
    }
    code = {"image_id": image_id, "product_code": "0002" if number % 1000 == 7 else "0001"}
    grant = {"image_id": image_id, "account_id": reader}
    return {
        schema.images: [image],
        schema.image_mappings: mappings,
        schema.image_product_codes: [code],
        schema.image_grants: [grant] if owner != reader and random_source.random() < 0.001 else [],
        schema.tags: [tag] if random_source.random() < 0.3 else [],
    }


@contextmanager
def _opened(home: Home) -> Iterator[Store]:
    with composition.administer(home.path) as administered:
        yield administered.region.store


# The servers --------------------------------------------------------------------------------------------------


@contextmanager
def _souche(home: Home) -> Iterator[Target]:
    """The region's own server; its log goes to a file, as a service's would."""
    command = (Path(sys.executable).with_name("souche"), "serve", "--home", home.path)
    home.serving.unlink(missing_ok=True)
    with (home.path / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0", "--compute", "simulated"],
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
    """A server that says the same bytes to every request."""
    listening = server.listen("127.0.0.1", 0)
    process = multiprocessing.get_context("fork").Process(target=_serve_bare, args=(answer, listening))
    process.start()
    try:
        yield Target(process.pid or 0, listening.getsockname()[1])
    finally:
        process.terminate()
        process.join()


def _serve_bare(answer: bytes, listening: socket.socket) -> None:
    server.run([(_answering(answer), listening)])


def _answering(answer: bytes) -> ASGIApp:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return application


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# The client ---------------------------------------------------------------------------------------------------


def _signed(caller: Caller, port: int, parameters: Mapping[str, object]) -> bytes:
    """A request as it goes over the wire. It is good for five minutes."""
    body = json.dumps(parameters).encode()
    timestamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": f"127.0.0.1:{port}", "x-osc-date": timestamp}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"POST\n/api/v1/ReadImages\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{timestamp[:8]}/souche-1/api/osc4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"OSC4{caller.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"OSC4-HMAC-SHA256\n{timestamp}\n{scope}\n{digest}"
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    authorization = (
        f"OSC4-HMAC-SHA256 Credential={caller.access_key_id}/{scope}, SignedHeaders={names}, "
        f"Signature={signature}"
    )
    head = {**headers, "authorization": authorization, "content-length": len(body)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return f"POST /api/v1/ReadImages HTTP/1.1\r\n{lines}\r\n".encode() + body


class _Connection(asyncio.Protocol):
    """Sends the request again as soon as its answer is complete."""

    def __init__(self, request: bytes, deadline: float) -> None:
        self.latencies: list[float] = []
        self.answer = b""
        self.ended = asyncio.get_running_loop().create_future()
        self._request = request
        self._deadline = deadline
        self._received = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return
        now = time.perf_counter()
        self.latencies.append(now - self._sent)
        self.answer = body
        if not head.startswith(b"HTTP/1.1 200"):
            self.ended.set_exception(RuntimeError(body.decode()))
        elif now < self._deadline:
            self._send()
        elif not self.ended.done():
            self.ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def close(self) -> None:
        self._transport.close()

    def _send(self) -> None:
        self._received = b""
        self._sent = time.perf_counter()
        self._transport.write(self._request)


def _content_length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])


async def _drive(port: int, request: bytes, connections: int, deadline: float) -> tuple[list[float], bytes]:
    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda: _Connection(request, deadline), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    try:
        async with asyncio.timeout(STALL_SECONDS + deadline - time.perf_counter()):
            await asyncio.gather(*(connection.ended for connection in opened))
    finally:
        for connection in opened:
            connection.close()
    return [latency for connection in opened for latency in connection.latencies], opened[0].answer


if __name__ == "__main__":
    main()
