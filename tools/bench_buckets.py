"""Measures the cost of the door in front of the buckets: requests through it and directly to the store, alternately, in
one run.

`python -m tools.bench_buckets [MIB]`. Clients are separate processes (curl for objects of MIB each, 64 by default;
Python for many small ones on one connection).
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.door.served import Served, served

ROUNDS: Final = 5
OBJECTS: Final = 4
SMALL: Final = 400
MIB: Final = 1024 * 1024


@dataclass(frozen=True)
class Way:
    """A path to the store, with its name."""

    name: str
    client: Any

    def url(self, method: str, key: str) -> str:
        signed: str = self.client.generate_presigned_url(method, Params={"Bucket": "bench", "Key": key})
        return signed


def main(mib: int = 64) -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as region:
        file = Path(folder) / "object"
        file.write_bytes(bytes(range(256)) * (mib * MIB // 256))
        region.client("alice").create_bucket(Bucket="bench")
        direct = f"http://{region.oos.address[0]}:{region.oos.address[1]}"
        ways = [Way("direct", region.client("alice", direct)), Way("door", region.client("alice"))]
        for what, run, unit in (
            ("PUT", lambda way: _put(way, file), f"s for {OBJECTS} x {mib} MiB"),
            ("GET", _get, f"s for {OBJECTS} x {mib} MiB"),
            ("small GET", _small, f"s for {SMALL} of 4 KiB on one connection"),
        ):
            _compare(region, what, run, ways, unit)


def _compare(region: Served, what: str, run: Callable[[Way], None], ways: list[Way], unit: str) -> None:
    times: dict[str, list[float]] = {way.name: [] for way in ways}
    cpu = 0.0
    for _ in range(ROUNDS):
        for way in ways:
            began, busy = time.monotonic(), time.process_time()
            run(way)
            times[way.name].append(time.monotonic() - began)
            cpu += time.process_time() - busy if way.name == "door" else 0
    direct, door = (median(times[way.name]) for way in ways)
    said = f"{what}: direct {direct:.2f}, by the door {door:.2f} {unit}; ratio {door / direct:.2f}"
    sys.stdout.write(f"{said}; CPU of the door {cpu / ROUNDS:.3f} s\n")


def _put(way: Way, file: Path) -> None:
    _curl([["-T", str(file), way.url("put_object", f"k{number}")] for number in range(OBJECTS)])


def _get(way: Way) -> None:
    _curl([["-o", "/dev/null", way.url("get_object", f"k{number}")] for number in range(OBJECTS)])


def _curl(requests: list[list[str]]) -> None:
    children = [subprocess.Popen(["curl", "-sSf", *each]) for each in requests]
    assert not any([child.wait() for child in children])  # noqa: C419 (each is waited for)


def _small(way: Way) -> None:
    way.client.put_object(Bucket="bench", Key="small", Body=bytes(4096))
    subprocess.run([sys.executable, "-c", SMALL_CLIENT, way.url("get_object", "small")], check=True)


SMALL_CLIENT: Final = f"""
import http.client, sys, urllib.parse
url = urllib.parse.urlsplit(sys.argv[1])
connection = http.client.HTTPConnection(url.netloc)
for _ in range({SMALL}):
    connection.request("GET", url.path + "?" + url.query)
    response = connection.getresponse()
    assert (response.status, len(response.read())) == (200, 4096)
"""


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:]))
