"""What has to reach the medium before anything relies on it."""

import os
from pathlib import Path


def sync_file(path: Path) -> None:
    """Write a file's content through."""
    _sync(path, os.O_RDONLY)


def sync_directory(path: Path) -> None:
    """Write a directory's entries through: names made, replaced and removed."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
