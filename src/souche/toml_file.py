"""Files in TOML, which may be written by others."""

import tomllib
from pathlib import Path
from typing import Any

from souche import small_file
from souche.small_file import MOST_BYTES, TooLarge


def read(path: Path) -> dict[str, Any]:
    """The table in a file.

    Raises:
        ValueError: it is no TOML, too large or too deeply nested. Its text is one line.
        OSError: it cannot be read.
    """
    try:  # the memory that tomllib takes grows with the square of a dotted key's length
        content = small_file.read(path)
    except TooLarge:
        raise ValueError(f"the file has more than {MOST_BYTES // 1024} KiB") from None
    try:
        return tomllib.loads(content.decode())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
