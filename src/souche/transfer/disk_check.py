"""Whether all that a qcow2 file's tables name is in the file.

To read one that was cut short is no error to QEMU: what is missing reads as zeros.
"""

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


def check_argv(path: Path) -> list[str]:
    """The command line."""
    return [
        *("timeout", "--signal=KILL", str(SECONDS), "prlimit", f"--as={MEMORY_BYTES}"),
        *("qemu-img", "check", "-q", "-f", "qcow2", str(path)),
    ]
