"""Bounds the log file of another process."""

import os
import shutil
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 16 * 1024 * 1024
"""of a log, and of the previous log beside it"""


def rotate(log: Path, most_bytes: int = MOST_BYTES) -> None:
    """If a log has more than `most_bytes`, copy it to `<name>.1` and truncate it. Its writer appends, so it continues
    at the start. Lines written in between are lost."""
    if not log.exists() or log.stat().st_size <= most_bytes:
        return
    temporary = log.with_name(f"{log.name}.new")
    shutil.copyfile(log, temporary)
    temporary.replace(log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)


def last_words(log: Path, most_bytes: int) -> str:
    """The end of a log."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - most_bytes))
        return file.read().decode(errors="replace").strip()
