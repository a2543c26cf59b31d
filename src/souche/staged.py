"""Files on their way in, in a home's staging folder.

The process that makes one holds a lock on it (flock(2)), which ends with the process. So what nobody holds, and no
operation names, was left by one that was killed: the server removes it (`reconcile/leftovers.py`).
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(path: Path) -> Iterator[Path]:
    """Hold a file or a folder, which may be renamed or removed meanwhile."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield path
    finally:
        os.close(descriptor)


@contextmanager
def folder(staging: Path, prefix: str = "") -> Iterator[Path]:
    """A folder that is held, and removed at the end."""
    with tempfile.TemporaryDirectory(dir=staging, prefix=prefix) as made, held(Path(made)) as path:
        yield path


def is_held(path: Path) -> bool:
    """Whether a process that lives holds it; not what is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
