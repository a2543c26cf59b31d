"""Incoming files, in a home's staging folder.

The process that creates a file holds a lock on it (flock(2)), which ends with the process. So a file without a lock
that no operation names was left by a killed process: the server removes it (`reconcile/leftovers.py`).
"""

import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

MOUNTS: Final = Path("/proc/self/mountinfo")
GONE_OR_LINK: Final = (errno.ENOENT, errno.ELOOP)

log = structlog.get_logger()


@contextmanager
def held(path: Path) -> Iterator[Path]:
    """Hold a file or a folder, which may be renamed or removed while it is held."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield path
    finally:
        os.close(descriptor)


@contextmanager
def folder(staging: Path, prefix: str = "") -> Iterator[Path]:
    """A folder that is held, and removed at the end."""
    path = Path(tempfile.mkdtemp(dir=staging, prefix=prefix))
    with held(path):
        try:
            yield path
        finally:
            remove(path)


@contextmanager
def handed_on(file: Path) -> Iterator[Path]:
    """Move a file out of the folder in which it was made, to a place beside the folder, and hold it there until an
    operation names it. It is removed after a failure, but not if a signal ends the process: the operation may already
    be recorded."""
    beside = file.parent.with_name(f"{file.parent.name}.{file.name}")
    with held(file):
        try:
            yield file.rename(beside)
        except Exception:
            beside.unlink(missing_ok=True)
            raise


def remove(path: Path) -> None:
    """Remove a file or a folder as far as it goes; all of it is left where something is mounted in it. A program for
    building systems that was killed may have mounted this machine's own /dev/shm there."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    elif mounted := mounts_below(path):
        log.warning("a folder is left as something is mounted in it", path=str(path), mounted=mounted[0])
    else:
        shutil.rmtree(path, ignore_errors=True)


def mounts_below(path: Path) -> list[str]:
    """The mounts on a folder or below it."""
    points = (_plain(line.split(b" ")[4]) for line in MOUNTS.read_bytes().split(b"\n") if line)
    whole = str(path.resolve())
    return [point for point in points if point == whole or point.startswith(f"{whole}/")]


def _plain(point: bytes) -> str:
    """A path as the kernel writes it: spaces and the like in octal, all else as it is (proc_pid_mountinfo(5))."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), point))


def is_held(path: Path) -> bool:
    """Whether a live process holds the file. False for a missing file. A file that cannot be checked counts as held."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return error.errno not in GONE_OR_LINK
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
