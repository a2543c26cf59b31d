"""Private directories for unfinished files.

The process that creates a directory holds a lock on it. The kernel releases the lock when the process ends, so an
unlocked directory is a leftover.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from souche.storage.qcow2.locks import try_lock


class Scratch:
    """Temporary directories inside one directory, on the file system of their content's final place."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def place(self) -> Iterator[Path]:
        """A new empty directory, removed on leaving."""
        with self._admission(fcntl.LOCK_SH):
            path = Path(tempfile.mkdtemp(dir=self._root, prefix=""))
            descriptor = os.open(path, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            os.close(descriptor)

    def sweep(self) -> None:
        """Remove the directories of ended processes."""
        with self._admission(fcntl.LOCK_EX):
            for path in self._root.iterdir():
                _remove_if_unlocked(path)

    @contextmanager
    def _admission(self, operation: int) -> Iterator[None]:
        """Keeps sweeps away while a directory is created and locked."""
        descriptor = os.open(self._root, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, operation)
            yield
        finally:
            os.close(descriptor)


def _remove_if_unlocked(path: Path) -> None:
    descriptor = try_lock(path)
    if descriptor is not None:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)
