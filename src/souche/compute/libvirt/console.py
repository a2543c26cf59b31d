"""The log of a guest's serial console. virtlogd writes it, and rotates it to console.log.0 at 2 MiB. A new QEMU process
begins a new one.
"""

import os
import re
from pathlib import Path
from typing import Final

TAIL_BYTES = 64 * 1024
PANIC_BYTES: Final = 2048
PANIC: Final = re.compile(rb"---\[ end Kernel panic - not syncing[^\n]*\]---\s*\Z")
"""The last line of a Linux kernel that hangs after a panic (kernel/panic.c). One that restarts does not print it."""


def tail(log_file: Path, size: int = TAIL_BYTES) -> bytes:
    """The last `size` bytes, including the end of the rotated log if needed."""
    newest = _end_of(log_file, size)
    return _end_of(_turned_over(log_file), size - len(newest)) + newest


def ends_in_panic(log_file: Path) -> bool:
    """Whether the log ends with a panicked kernel's last line. A kernel that panics before it loads its pvpanic driver
    reports the panic only here."""
    return PANIC.search(tail(log_file, PANIC_BYTES)) is not None


def forget_turned_over(log_file: Path) -> None:
    """Remove the rotated logs, so that `tail` shows no former start."""
    for older in log_file.parent.glob(f"{log_file.name}.*"):
        older.unlink(missing_ok=True)


def _turned_over(log_file: Path) -> Path:
    return log_file.with_name(f"{log_file.name}.0")


def _end_of(path: Path, size: int) -> bytes:
    if size <= 0:
        return b""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - size))
            return stream.read(size)
    except FileNotFoundError:
        return b""
