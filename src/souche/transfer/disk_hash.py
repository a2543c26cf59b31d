"""The tree hash of a disk that comes in, from its stream where that can be read front to back, else from its file."""

import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from souche.formats import qcow2
from souche.formats.disk_inspection import DiskFormat
from souche.formats.extents import Bytes, Chunk
from souche.formats.qcow2_layout import ForeignLayout, read_qcow2
from souche.formats.tree_hash import TreeHash, hashed
from souche.storage import nbd
from souche.transfer import reader


def of_stream(stream: Iterator[Bytes]) -> str | None:
    """The hash, as hex; None of a qcow2 file with its tables elsewhere than an export has them. The stream has been
    read to its end only where there is a hash."""
    first = next(stream, b"")
    whole = chain([first], stream)
    if bytes(first[: len(qcow2.MAGIC)]) != qcow2.MAGIC:
        return _of_raw(whole)
    try:
        disk = read_qcow2(whole)
        return _of_chunks(disk.chunks(), disk.allocation.size_bytes)
    except ForeignLayout:
        return None


def of_file(path: Path, disk_format: DiskFormat) -> str:
    """The hash, as hex, of a file that was inspected and found whole. What it takes meanwhile is beside the file, and
    goes with it after a crash.

    Raises:
        StorageFailed: it cannot be read.
    """
    with (
        tempfile.TemporaryDirectory(prefix="nbd-", dir=path.parent) as place,
        nbd.serve(path, disk_format, Path(place)) as uri,
        reader.connect(uri) as disk,
    ):
        return _of_chunks(disk.chunks(disk.allocation()), disk.size_bytes)


def _of_raw(stream: Iterator[Bytes]) -> str:
    tree = TreeHash()
    for piece in stream:
        tree.add(piece)
    return tree.hexdigest()


def _of_chunks(chunks: Iterator[Chunk], size_bytes: int) -> str:
    tree = TreeHash()
    for _ in hashed(chunks, size_bytes, tree):
        """Nobody else wants them."""
    return tree.hexdigest()
