"""python -m tools.faults --seed N --number N"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import structlog

from souche.config import read_settings
from tools.faults import deaths, imports, life, own_libvirt
from tools.faults.real import RealRounds
from tools.faults.rounds import ACCOUNTS, Rounds
from tools.faults.wounds import RESERVE_BYTES, Medium

TOLD_SECONDS = 60.0


def main() -> int:
    """Run everything. Returns status 0 if there was no violation."""
    arguments = _arguments()
    if arguments.real:
        own_libvirt.enter()
    place = Path(tempfile.mkdtemp(prefix="souche-faults-", dir=arguments.place))
    place.chmod(0o711)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    os.environ["SOUCHE_OOS_LISTEN"] = ""
    served = imports.serve()
    if arguments.real:
        return _kill_real(place, RealRounds(place, served, arguments.seed), arguments)
    medium = Medium(place / "medium")
    home = place / "medium" / "home"
    wanted = {
        "home": str(home),
        "compute": "simulated",
        "allow_import": [f"127.0.0.1:{served.port}"],
        "reserve_gib": RESERVE_BYTES / 1024**3,
    }
    aside = place / "rehearsal"
    life.rehearse(read_settings({**wanted, "home": str(aside / "medium" / "home")}), ACCOUNTS, served)
    shutil.rmtree(aside)
    rounds = Rounds(place, read_settings(wanted), served, medium, arguments.seed)
    began = time.monotonic()
    told = began
    for _tally in rounds.run(arguments.number):
        if time.monotonic() - told > TOLD_SECONDS:
            told = time.monotonic()
            _show(rounds, arguments, told - began)
        if arguments.seconds and time.monotonic() - began > arguments.seconds:
            break
    _show(rounds, arguments, time.monotonic() - began)
    if not rounds.tally.violations:
        shutil.rmtree(place, ignore_errors=True)
    return 1 if rounds.tally.violations else 0


def _kill_real(place: Path, rounds: RealRounds, arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends the region too
    try:
        while rounds.kills.total() < arguments.number and not rounds.violations:
            rounds.round()
            if arguments.seconds and time.monotonic() - began > arguments.seconds:
                break
    finally:
        for name, value in {"seconds": round(time.monotonic() - began), **rounds.figures}.items():
            sys.stdout.write(f"{name:<28}{value}\n")
        if rounds.violations:
            sys.stdout.write(f"The home: {place}\n")
        else:
            rounds.close()
    if not rounds.violations:
        shutil.rmtree(place, ignore_errors=True)
    return 1 if rounds.violations else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make faults", description="Kill a region again and again, and see whether anything is lost."
    )
    parser.add_argument("--seed", type=int, default=1, help="Everything random comes of it. Default: 1.")
    parser.add_argument("--number", type=int, default=300, help="How many faults. Default: 300.")
    parser.add_argument(
        "--real",
        action="store_true",
        help="Kill QEMU, libvirtd, SeaweedFS and the server of a region with libvirt's guests; --number counts kills. "
        "Needs root.",
    )
    parser.add_argument(
        "--seconds", type=float, default=0, help="Stop after the round that is under way then."
    )
    parser.add_argument("--place", default="/dev/shm", help="Where the homes are made. Default: /dev/shm.")  # noqa: S108  no lasting file
    return parser.parse_args()


def _show(rounds: Rounds, arguments: argparse.Namespace, seconds: float) -> None:
    tally, figures = rounds.tally, rounds.model.figures
    possible = len(deaths.points())
    lines = {
        "seed": arguments.seed,
        "seconds": round(seconds),
        "faults": tally.faults,
        "kills": f"{tally.kills.total()} ({_counts(tally.kills)})",
        "step boundaries killed at": f"{len(tally.boundaries)} of {possible}",
        "wounds": f"{tally.wounds.total()} ({_counts(tally.wounds)})",
        "rounds": tally.rounds,
        "requests": tally.requests.total(),
        "answered requests checked": figures.answered,
        "states checked": figures.states,
        "disks compared": figures.compares,
        "disks of unknown origin": figures.unknown,
        "violations": len(tally.violations),
    }
    for name, value in lines.items():
        sys.stdout.write(f"{name:<28}{value}\n")
    sys.stdout.flush()


def _counts(of: "dict[str, int]") -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(of.items()))


if __name__ == "__main__":
    sys.exit(main())
