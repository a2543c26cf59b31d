"""Whether all that a qcow2 file's tables name is in the file.

To read one that was cut short is no error to QEMU: what is missing reads as zeros.
"""

import json
import os
from pathlib import Path
from typing import Final

from souche import run

SECONDS: Final = 1800
MEMORY_BYTES: Final = 4 * 1024**3
WHOLE: Final = frozenset({0, 3})
"""qemu-img(1): 3 is a disk with clusters that nothing refers to, which harms nobody."""


def is_whole(path: Path) -> bool:
    """Look at a qcow2 file that has passed the inspection. Time and memory are bounded, and so is what the program
    may say: a broken file has an error in every cluster."""
    return run.start(check_argv(path), log_file=Path(os.devnull)).wait() in WHOLE


def data_bytes(path: Path) -> int:
    """How many bytes a copy of a qcow2 file that is whole takes, with its zeros as holes.

    Raises:
        ProgramFailed, ProgramTimedOut: qemu-img cannot tell.
    """
    told = json.loads(run.run(measure_argv(path), timeout_seconds=SECONDS))
    return int(told["required"])


def measure_argv(path: Path) -> list[str]:
    """The command line for that."""
    return [
        *("prlimit", f"--as={MEMORY_BYTES}", "qemu-img", "measure", "--output=json", "-O", "qcow2"),
        *("-f", "qcow2", str(path)),
    ]


def check_argv(path: Path) -> list[str]:
    """The command line."""
    return [
        *("timeout", "--signal=KILL", str(SECONDS), "prlimit", f"--as={MEMORY_BYTES}"),
        *("qemu-img", "check", "-q", "-f", "qcow2", str(path)),
    ]
