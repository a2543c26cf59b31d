"""Files in TOML, which may be written by others."""

import tomllib
from pathlib import Path
from typing import Any, Final

MOST_BYTES: Final = 64 * 1024
"""The memory that tomllib takes grows with the square of a dotted key's length."""


def read(path: Path) -> dict[str, Any]:
    """The table in a file.

    Raises:
        ValueError: it is no TOML, too large or too deeply nested. Its text is one line.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"the file has more than {MOST_BYTES // 1024} KiB")
    try:
        return tomllib.loads(content.decode())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
