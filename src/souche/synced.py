"""Syncing files and directories to the medium."""

import os
from pathlib import Path


def sync_file(path: Path) -> None:
    """Sync a file's content."""
    _sync(path, os.O_RDONLY)


def sync_directory(path: Path) -> None:
    """Sync a directory's entries: new, replaced and removed names."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
