"""Exporting a disk: NBD -> hash -> qcow2 or raw -> gzip -> sink, as one stream.

    block status     which clusters hold data; nothing else is read
    read             1 MiB at a time, 8 requests in flight
    tree hash        of the virtual disk, holes as zeros
    qcow2 or raw     tables first, then the data as it comes
    gzip             one member for each MiB, on every core
    sink             multipart upload, parts in parallel

Reading, hashing, and the stage after gzip each have a thread. Each stage requests only as much from the previous one as
it can hold, so memory is limited for any size: 10 MiB of reads, 4 MiB for each gzip thread, 4 MiB of their output, 40
MiB of parts.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from souche.formats import gzip_members, qcow2_stream
from souche.formats.extents import Allocation, Bytes, Chunk
from souche.formats.raw_stream import raw_stream
from souche.formats.tree_hash import TreeHash, hashed
from souche.model.disks import DiskFormat
from souche.transfer import reader
from souche.transfer.ahead import ahead
from souche.transfer.multipart import Padding, StoredObject

CHUNKS_AHEAD: Final = 2
MEMBERS_AHEAD: Final = 4

Progress: TypeAlias = Callable[[int, int], None]
"""Called after each MiB with the bytes of data done and the total. If it raises, the export stops (cancellation)."""


class Sink(Protocol):
    """The target of a stream (`multipart.BucketSink`)."""

    def write(self, stream: Iterable[Bytes], *, most_bytes: int, padding: Padding) -> StoredObject:
        """Write a stream of at most `most_bytes` to its end, or leave nothing. `padding` may follow it."""
        ...


@dataclass(frozen=True)
class ExportedDisk:
    """`disk_bytes` is the size as seen by a guest, `data_bytes` the part of it that was read."""

    disk_bytes: int
    disk_tree_sha256: str
    data_bytes: int
    object_bytes: int
    object_sha256: str


def export_disk(
    nbd_uri: str, disk_format: DiskFormat, sink: Sink, *, progress: Progress, threads: int | None = None
) -> ExportedDisk:
    """Write a disk as `<format>.gz`. After a failure the sink has nothing, and a retry is harmless.

    Raises:
        StorageFailed: the disk cannot be read. Errors of `sink` and `progress`.
    """
    with reader.connect(nbd_uri) as disk:
        allocation, tree = disk.allocation(), TreeHash()
        with ahead(disk.chunks(allocation), CHUNKS_AHEAD) as read:
            chunks = _told(hashed(read, disk.size_bytes, tree), allocation.data_bytes, progress)
            members = gzip_members.compress(_stream(disk_format, allocation, chunks), threads=threads)
            with ahead(members, MEMBERS_AHEAD) as made:
                most_bytes = _most_bytes(disk_format, allocation)
                stored = sink.write(made, most_bytes=most_bytes, padding=gzip_members.padding)
    return ExportedDisk(
        disk_bytes=allocation.size_bytes,
        disk_tree_sha256=tree.hexdigest(),
        data_bytes=allocation.data_bytes,
        object_bytes=stored.object_bytes,
        object_sha256=stored.object_sha256,
    )


def _stream(disk_format: DiskFormat, allocation: Allocation, chunks: Iterable[Chunk]) -> Iterator[Bytes]:
    if disk_format == "qcow2":
        return qcow2_stream.qcow2_stream(allocation, chunks)
    return raw_stream(allocation.size_bytes, chunks)


def _most_bytes(disk_format: DiskFormat, allocation: Allocation) -> int:
    """The largest size of the object, if no data can be compressed. Zeros always can."""
    if disk_format == "qcow2":
        stream_bytes = qcow2_stream.layout(allocation).file_bytes
    else:
        stream_bytes = allocation.data_bytes + allocation.size_bytes // 64
    return int(stream_bytes * gzip_members.MOST_OVERHEAD) + gzip_members.MEMBER_BYTES


def _told(chunks: Iterable[Chunk], total_bytes: int, progress: Progress) -> Iterator[Chunk]:
    done = 0
    progress(done, total_bytes)
    for chunk in chunks:
        yield chunk
        done += len(chunk.data)
        progress(done, total_bytes)
