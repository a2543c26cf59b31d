"""The tree hash of an imported disk: from its stream if that can be read front to back, else from its file."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from souche.formats.extents import Bytes, Chunk
from souche.formats.foreign_disks import InspectedDisk
from souche.formats.qcow2_layout import ForeignLayout, read_qcow2
from souche.formats.tree_hash import TreeHash, hashed
from souche.model.disks import DiskFormat
from souche.storage import nbd
from souche.transfer import reader


def of_stream(stream: Iterator[Bytes], disk: InspectedDisk) -> str | None:
    """The hash, as hex. None for a disk that needs a conversion, and for a qcow2 file whose tables are not where an
    export has them. The stream is read to its end only if there is a hash."""
    if disk.format == "raw":
        return _of_raw(stream)
    if disk.format != "qcow2" or disk.foreign:
        return None
    try:
        found = read_qcow2(stream)
        return _of_chunks(found.chunks(), found.allocation.size_bytes)
    except ForeignLayout:
        return None


def of_file(path: Path, disk_format: DiskFormat) -> str:
    """The hash, as hex, of a file that was inspected and is complete. Its temporary files are beside the file, and are
    removed with it after a crash.

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
