"""A file written front to back, with holes for zeros."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from souche.errors import OutOfSpace, StorageFailed
from souche.formats.extents import Bytes
from souche.room import ENDLESS, Room, full

BLOCK_BYTES: Final = 64 * 1024
ZEROS: Final = bytes(BLOCK_BYTES)
BYTES_BETWEEN_CHECKS: Final = 16 * 1024 * 1024


class SparseFile:
    """A new file that replaces an existing one. All methods raise StorageFailed, and OutOfSpace at the reserve of
    `room`. `data_bytes`: bytes written, without zeros."""

    def __init__(self, path: Path, room: Room = ENDLESS) -> None:
        self._path = path
        self._room = room
        self._next_check = 0
        self.size_bytes = 0
        self.data_bytes = 0

    def __enter__(self) -> Self:
        try:
            self._path.unlink(missing_ok=True)  # keep the old file if it has another name too
            self._file = self._path.open("xb", buffering=0)
        except OSError as error:
            raise self._failure(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, data: Bytes) -> None:
        """Append these bytes."""
        descriptor, position = self._file.fileno(), self.size_bytes
        try:
            for start, length in _written(memoryview(data)):
                self._count(length)
                _write(descriptor, memoryview(data)[start : start + length], position + start)
            self.size_bytes = position + len(data)
        except OSError as error:
            raise self._failure(error) from error

    def _count(self, length: int) -> None:
        if self.data_bytes >= self._next_check:
            self._room.check()
            self._next_check = self.data_bytes + BYTES_BETWEEN_CHECKS
        self.data_bytes += length

    def _failure(self, error: OSError) -> StorageFailed | OutOfSpace:
        return full(error) or StorageFailed(reason=f"{self._path.name}: {error.strerror}")

    def finish(self) -> None:
        """Give the file its full length, including zeros at its end."""
        os.ftruncate(self._file.fileno(), self.size_bytes)


def _written(data: memoryview) -> Iterator[tuple[int, int]]:
    """The runs of blocks that are not all zeros: start and length."""
    start = end = 0
    for block in range(0, len(data), BLOCK_BYTES):
        piece = data[block : block + BLOCK_BYTES]
        if not piece[0] and piece.tobytes() == ZEROS[: len(piece)]:  # comparing a memoryview is slow
            continue
        if block != end:
            if end > start:
                yield start, end - start
            start = block
        end = block + len(piece)
    if end > start:
        yield start, end - start


def _write(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written
