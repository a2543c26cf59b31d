"""Small files that the operator names: tokens, keys, URLs, settings."""

from pathlib import Path
from typing import Final

from souche.errors import Invalid

MOST_BYTES: Final = 64 * 1024


class TooLarge(Invalid):
    """The file {file} has more than {kib} KiB."""


def read(path: Path) -> bytes:
    """The content of a file, which may also be a pipe.

    Raises:
        TooLarge: it has more than MOST_BYTES, or no end. OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise TooLarge(file=path, kib=MOST_BYTES // 1024)
    return content
