"""Checks that a qcow2 file contains all data that its tables name. QEMU reads a truncated file without an error:
missing data reads as zeros.
"""

import json
import os
from pathlib import Path
from typing import Final

from souche import run
from souche.room import GIB

SECONDS: Final = 1800
MEMORY_BYTES: Final = 4 * GIB
WHOLE: Final = frozenset({0, 3})
"""qemu-img(1): status 3 means leaked clusters, which are harmless."""


def is_whole(path: Path) -> bool:
    """Whether a qcow2 file is complete. The file has passed the inspection. Time, memory and output are bounded: a
    broken file has an error in every cluster."""
    return run.start(check_argv(path), log_file=Path(os.devnull)).wait() in WHOLE


def data_bytes(path: Path) -> int:
    """The number of bytes in a copy of a complete qcow2 file, with its zeros as holes.

    Raises:
        ProgramFailed, ProgramTimedOut: qemu-img cannot measure it.
    """
    told = json.loads(run.run(measure_argv(path), timeout_seconds=SECONDS))
    return int(told["required"])


def measure_argv(path: Path) -> list[str]:
    """The command line of `data_bytes`."""
    return [
        *("prlimit", f"--as={MEMORY_BYTES}", "qemu-img", "measure", "--output=json", "-O", "qcow2"),
        *("-f", "qcow2", str(path)),
    ]


def check_argv(path: Path) -> list[str]:
    """The command line of `is_whole`."""
    return [
        *("timeout", "--signal=KILL", str(SECONDS), "prlimit", f"--as={MEMORY_BYTES}"),
        *("qemu-img", "check", "-q", "-f", "qcow2", str(path)),
    ]
