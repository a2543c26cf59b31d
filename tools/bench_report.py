"""Measures the report of a disk: seconds, CPU seconds, and memory of the process that reads it (docs/trust.md)."""

import argparse
import json
import resource
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from souche import logs
from souche.recipes import debian
from souche.recipes.shelf import Shelf
from souche.run import run
from souche.storage import nbd
from souche.trust.children import socket_of
from souche.trust.engine import Facts
from souche.trust.sandboxed import SandboxedEngine

MIB: Final = 1024**2
REPEATS: Final = 5


@dataclass(frozen=True)
class Cost:
    """The cost of one report. `memory_bytes` is the peak. CPU and memory are measured in a second run without the
    sandbox, because a sandboxed process cannot be measured from outside."""

    wall_seconds: float
    cpu_seconds: float
    memory_bytes: int


def measure(uri: str) -> Cost:
    """The cost of the report of a disk served by NBD. A separate process makes the report, so that other children of
    this one do not count."""
    said = run([sys.executable, "-m", "tools.bench_report", "--uri", uri], timeout_seconds=120)
    return Cost(**json.loads(said.splitlines()[-1]))


def _measure_here(uri: str) -> Cost:
    facts = Facts(("legacy", "uefi"), datetime.now(UTC).date())
    began = time.monotonic()
    made = SandboxedEngine().examine([uri], facts)
    wall_seconds = time.monotonic() - began
    if not made.os:
        raise SystemExit(f"no system was found: {made}")
    asked = {"sockets": [str(socket_of(uri))], "boot_modes": facts.boot_modes, "today": f"{facts.today}"}
    run([sys.executable, "-m", "souche.trust.inside", json.dumps(asked)], timeout_seconds=120)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall_seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def main() -> int:
    """Measure, and print the best and the worst of each."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench_report", description=__doc__)
    parser.add_argument("disk", nargs="?", type=Path, help="a qcow2 file (a Debian 12, which is built)")
    parser.add_argument("--uri", help=argparse.SUPPRESS)  # for the child that measures one report
    given = parser.parse_args()
    logs.configure("error")
    if given.uri:
        print(json.dumps(asdict(_measure_here(given.uri))))
        return 0
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="souche-bench-") as folder:
        disk = given.disk or _built(Path(folder))
        place = Path(folder) / "nbd"
        place.mkdir()
        with nbd.serve(disk, "qcow2", place) as uri:
            costs = [measure(uri) for _ in range(REPEATS)]
    for name, unit, values in (
        ("seconds", 1.0, [each.wall_seconds for each in costs]),
        ("seconds of CPU", 1.0, [each.cpu_seconds for each in costs]),
        ("MiB of memory", MIB, [each.memory_bytes for each in costs]),
    ):
        print(f"report of one disk, {name:<16}{min(values) / unit:8.2f} to {max(values) / unit:.2f}")
    return 0


def _built(folder: Path) -> Path:
    disk = folder / "debian-12.qcow2"
    debian.build(Shelf().get("debian-12"), disk, work_dir=folder / "work", progress=lambda _what, _done: None)
    return disk


if __name__ == "__main__":
    sys.exit(main())
