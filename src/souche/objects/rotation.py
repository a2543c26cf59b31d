"""A log file that another process writes to, kept within bounds."""

import os
import shutil
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 16 * 1024 * 1024
"""of a log; the one before it, beside it, has as many"""


def rotate(log: Path, most_bytes: int = MOST_BYTES) -> None:
    """Put the content of a log aside, as `<name>.1`, once it has more than so many bytes, and empty it. Its writer
    appends, so it goes on at the beginning; what it writes in between is lost."""
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
