"""The hashes of layers, computed and compared in the background, at a limited rate.

A layer that the medium cannot read is logged, and the others are still checked. A file is opened under the store's lock
and read without it. If a merge replaces the file in between, the open one still matches its record.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

import structlog

from souche.storage.qcow2.directory import Directory
from souche.storage.qcow2.records import OTHER_BYTES, Record, identity
from souche.storage.qcow2.setting_aside import set_aside

PIECE_BYTES: Final = 4 * 1024 * 1024
UNREADABLE: Final = "cannot be read to its end"

log = structlog.get_logger()

Pace = Callable[[int], None]
"""Called with the length of each piece in bytes. Returns when the next piece may be read."""


def unbounded(_: int) -> None:
    """As fast as the medium allows."""


def at_rate(bytes_per_second: float) -> Pace:
    """At most this many bytes a second, counted from now."""
    began, done = time.monotonic(), 0

    def wait(more: int) -> None:
        nonlocal done
        done += more
        early = began + done / bytes_per_second - time.monotonic()
        if early > 0:
            time.sleep(early)

    return wait


def record_hashes(directory: Directory, pace: Pace) -> int:
    """See `VolumeStore.record_hashes`."""
    with directory.locked():
        known = sorted(directory.records.names())
        missing = [layer for layer in known if _hash_of(directory.records.get(layer)) is None]
    return sum(_record_hash(directory, layer, pace) for layer in missing)


def _hash_of(record: Record | None) -> str | None:
    return record.sha256 if record is not None else None


def _record_hash(directory: Directory, layer: str, pace: Pace) -> bool:
    with _opened(directory, layer) as opened:
        if opened is None:
            return False
        try:
            found = _sha256(opened.file, pace)
        except OSError as error:
            set_aside(layer, f"has no hash, as it cannot be read: {error.strerror}")
            return False
        with directory.locked():
            if not opened.is_current(directory) or directory.records.get(layer) != opened.record:
                return False
            directory.records.put({layer: replace(opened.record, sha256=found)})
    return True


def compare_oldest(directory: Directory, pace: Pace) -> bool | None:
    """Compare the layer with the oldest last comparison. Returns whether it is unchanged (None: there is none to
    compare). A changed one is refused until its file is replaced."""
    with directory.locked():
        known = directory.records.names()
        layer = directory.records.oldest([name for name in known if _hash_of(directory.records.get(name))])
    if layer is None:
        return None
    try:
        same = compare_hash(directory, layer, pace)
    except OSError as error:
        set_aside(layer, f"{UNREADABLE}: {error.strerror}")
        same = None
    with directory.locked():
        directory.records.touch(layer)
    if same is False:
        log.error("a layer is damaged", layer=layer, problem=OTHER_BYTES)
        spoil(directory, layer)
    return same


def spoil(directory: Directory, layer: str) -> None:
    """Refuse a layer from now on: its bytes have changed."""
    with directory.locked():
        record, path = directory.records.get(layer), directory.path(layer)
        if record is not None and path.exists():
            directory.records.put({layer: replace(record, spoiled=identity(path.stat()))})


def compare_hash(directory: Directory, layer: str, pace: Pace) -> bool | None:
    """Whether a layer still has the recorded hash; None if that cannot be decided.

    Raises:
        OSError: the medium cannot read it.
    """
    with _opened(directory, layer) as opened:
        if opened is None or opened.record.sha256 is None:
            return None
        return _sha256(opened.file, pace) == opened.record.sha256


@dataclass(frozen=True)
class _Opened:
    """A layer's open file, with the record of exactly this file."""

    layer: str
    file: BinaryIO
    record: Record

    def is_current(self, directory: Directory) -> bool:
        """Whether the file still is the layer."""
        path = directory.path(self.layer)
        return path.exists() and path.stat().st_ino == os.fstat(self.file.fileno()).st_ino


@contextmanager
def _opened(directory: Directory, layer: str) -> Iterator[_Opened | None]:
    """None for a layer that has no record, is missing, or has another length: that was logged already."""
    with ExitStack() as stack:
        with directory.locked():
            record = directory.records.get(layer)
            try:
                file = stack.enter_context(directory.path(layer).open("rb"))
            except OSError:
                record = None
        if record is None:
            yield None
            return
        length_bytes = os.fstat(file.fileno()).st_size
        yield _Opened(layer, file, record.settled(length_bytes)) if record.fits(length_bytes) else None


def _sha256(file: BinaryIO, pace: Pace) -> str:
    """The hash of a file. Keeps the file out of the page cache."""
    digest = hashlib.sha256()
    offset = 0
    while piece := os.pread(file.fileno(), PIECE_BYTES, offset):
        digest.update(piece)
        os.posix_fadvise(file.fileno(), offset, len(piece), os.POSIX_FADV_DONTNEED)
        offset += len(piece)
        pace(len(piece))
    return digest.hexdigest()
