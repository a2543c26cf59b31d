"""The only entry for disks from outside: by URL, by a manifest, from an operator's file, or from a build.

    unpacking        gzip, and the archive of an OVA; limited, so that bombs are harmless
    the beginning    the first 512 KiB are inspected before anything is written
    the file         is complete and self-contained, references no data twice, and does not expand beyond the input
    conversion       formats that only QEMU reads become qcow2, in a sandbox; the result is inspected again

A volume store accepts only an `AdmittedDisk`, and only this module creates them.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final

from souche import run
from souche.formats import gzip_members, vhd, xz_stream
from souche.formats.disk_inspection import (
    HEAD_BYTES,
    check_archive,
    check_data,
    check_extended_data,
    inspect_file,
    inspect_head,
)
from souche.formats.disk_refusals import BadDisk, DiskCutShort, DiskExpands, WrongDiskSize
from souche.formats.foreign_disks import InspectedDisk
from souche.formats.ova import OvaDisk
from souche.model.disk_imports import SaidOfDisk
from souche.model.disks import DiskFormat
from souche.room import ENDLESS, MIB, Room
from souche.transfer import convert_disk, disk_check
from souche.transfer.ahead import ahead
from souche.transfer.sparse_file import SparseFile

TABLES_BYTES: Final = 64 * MIB
"""allowed for the tables of a file that is not raw, in addition to a sixteenth of the disk: qcow2 with clusters of 512
bytes needs 3 %"""
MOST_EXPANSION: Final = 100
LEAST_EXPANDED_BYTES: Final = 256 * MIB
"""A disk's data, without zeros, is limited to MOST_EXPANSION times the bytes read. Every disk may have this much."""
DEPTH: Final = 4
COPY_SECONDS: Final = 24 * 3600
BLOCK_BYTES: Final = 512
"""of `st_blocks` (inode(7))"""
PRIVATE_FILE: Final = 0o600
QCOW2: Final = SaidOfDisk("qcow2", gzip=False)
RAW: Final = SaidOfDisk("raw", gzip=False)


@dataclass(frozen=True)
class AdmittedDisk:
    """A disk file that may be opened with this format. `size_bytes` is its size as seen by a guest."""

    path: Path
    format: DiskFormat
    size_bytes: int


class Admission:
    """A disk being admitted. `said` is the format that its name or sender declares; `most_bytes` is its largest allowed
    virtual size."""

    def __init__(self, said: SaidOfDisk, most_bytes: int, room: Room = ENDLESS) -> None:
        self._said = said
        self._most_bytes = most_bytes
        self._room = room
        self.disk = InspectedDisk("raw", None)
        """the incoming disk; set when `unpacked` first yields"""

    def unpacked(self, stream: Iterable[bytes]) -> Iterator[bytes]:
        """The disk in a stream, once its beginning was accepted. Ends at the largest allowed length.

        Raises:
            BadGzip, BadOva, BadDisk: it is refused; the class names the reason.
        """
        plain = self._unxzipped(stream) if self._said.xz else self._gunzipped(iter(stream))
        if self._said.format == "ova":
            plain = self._out_of_archive(plain)
        yield from self._begun(plain)

    def _gunzipped(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        first = next(stream, b"")
        whole = chain([first], stream)
        if not is_packed(first, self._said):
            return whole
        return gzip_members.decompress(whole, most_bytes=most_file_bytes(self._most_bytes))

    def _unxzipped(self, stream: Iterable[bytes]) -> Iterator[bytes]:
        return xz_stream.decompress(stream, most_bytes=most_file_bytes(self._most_bytes))

    def _out_of_archive(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        head = _head(stream)
        check_archive(head)
        archive = OvaDisk(chain([head], stream))
        pieces = archive.pieces()
        first = next(pieces, b"")
        self._said = archive.said
        return chain([first], pieces)

    def _begun(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        head = _head(stream)
        self.disk = inspect_head(head, self._said, most_bytes=self._most_bytes)
        most = self._most_bytes if self.disk.format == "raw" else most_file_bytes(self._most_bytes)
        length = 0
        for piece in chain([head], stream):
            length += len(piece)
            if length > most:
                raise WrongDiskSize(size_bytes=f"more than {most}", reason=f"at most {most} are accepted.")
            yield piece

    def admit(self, path: Path, read_bytes: int, watch: Callable[[], object] = lambda: None) -> AdmittedDisk:
        """Check a file that contains the complete disk, made from `read_bytes`, and convert it if only QEMU reads its
        format. `watch` is called repeatedly during a conversion; if it raises, the conversion ends.

        Raises:
            BadDisk: it is refused; the class names the reason. OutOfSpace.
        """
        disk = inspect_file(path, self._said, most_bytes=self._most_bytes)
        if disk.foreign:
            self._check_foreign(path, disk)
            convert_disk.convert(
                path, disk, self._room, most_data_bytes=most_data_bytes(read_bytes), watch=watch
            )
            disk = self._converted(path, disk)
        elif disk.format == "vhd":
            disk = self._without_footer(path)
        if disk.format == "qcow2":
            _check_qcow2(path, read_bytes)
        return AdmittedDisk(path, "qcow2" if disk.format == "qcow2" else "raw", disk.size_bytes or 0)

    def _check_foreign(self, path: Path, disk: InspectedDisk) -> None:
        """qemu-img reads missing parts of a qcow2 file as zeros."""
        if disk.format == "qcow2":
            if not disk_check.is_whole(path):
                raise _cut_short()
            check_extended_data(path)

    def _converted(self, path: Path, disk: InspectedDisk) -> InspectedDisk:
        made = inspect_file(path, QCOW2, most_bytes=self._most_bytes)
        if made.size_bytes != disk.size_bytes:
            raise BadDisk(
                reason=f"its header has the size {disk.size_bytes}, and the converted disk {made.size_bytes}."
            )
        return made

    def _without_footer(self, path: Path) -> InspectedDisk:
        """A fixed VHD without its footer is a raw disk."""
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - vhd.FOOTER_BYTES)
        return inspect_file(path, RAW, most_bytes=self._most_bytes)


def take_file(
    source: Path, path: Path, said: SaidOfDisk, most_bytes: int, room: Room = ENDLESS, *, given: bool = False
) -> AdmittedDisk:
    """Admit a file by a copy at `path`; the file is unchanged. A `given` file is moved instead, unless it must be
    unpacked.

    Raises:
        BadGzip, BadOva, BadDisk: it is refused. StorageFailed, OutOfSpace: the copy cannot be made.
    """
    entrance = Admission(said, most_bytes, room)
    with source.open("rb") as file:
        head = file.read(HEAD_BYTES)
        read_bytes = os.fstat(file.fileno()).st_size
        if said.format == "ova" or said.xz or is_packed(head, said):
            _unpack(entrance, file, path, room)
        else:
            inspect_head(head, said, most_bytes=most_bytes)
            _copy(source, path, room, given=given)
    return entrance.admit(path, read_bytes)


def _unpack(entrance: Admission, file: BinaryIO, path: Path, room: Room) -> None:
    file.seek(0)
    read_bytes = os.fstat(file.fileno()).st_size
    pieces = iter(lambda: file.read(MIB), b"")
    with ahead(entrance.unpacked(pieces), DEPTH) as stream, SparseFile(path, room) as copy:
        for piece in stream:
            copy.write(piece)
            check_expansion(copy.data_bytes, read_bytes)
        copy.finish()
    path.chmod(PRIVATE_FILE)


def _copy(source: Path, path: Path, room: Room, *, given: bool) -> None:
    """Shares blocks if the file system can, and keeps holes."""
    if given:
        source.replace(path)
        path.chmod(PRIVATE_FILE)
        return
    room.ask(source.stat().st_blocks * BLOCK_BYTES)
    path.touch(PRIVATE_FILE)
    command = ["cp", "--reflink=auto", "--sparse=always", "--", str(source.absolute()), str(path)]
    run.run(command, timeout_seconds=COPY_SECONDS, watch=room.check)


def _head(stream: Iterator[bytes]) -> bytes:
    """The beginning of a stream: at least `HEAD_BYTES`, or all of a shorter one."""
    head = b""
    while len(head) < HEAD_BYTES and (piece := next(stream, b"")):
        head += piece
    return head


def is_packed(first: bytes, said: SaidOfDisk) -> bool:
    """Whether a disk with these first bytes is inside gzip. If its name declares raw, the name decides this too: a
    guest must not be able to make its own disk look compressed."""
    if said.gzip is not None and said.format in ("raw", "vhd"):
        return said.gzip
    return first.startswith(gzip_members.MAGIC)


def most_file_bytes(most_disk_bytes: int) -> int:
    """The largest length of a disk's file."""
    return most_disk_bytes + most_disk_bytes // 16 + TABLES_BYTES


def most_data_bytes(read_bytes: int) -> int:
    """The most data that a disk may have after `read_bytes` were read."""
    return max(LEAST_EXPANDED_BYTES, MOST_EXPANSION * read_bytes)


def check_expansion(data_bytes: int, read_bytes: int) -> None:
    """Refuse a disk that is far larger than its input.

    Raises:
        DiskExpands.
    """
    if data_bytes > most_data_bytes(read_bytes):
        raise DiskExpands(data_bytes=data_bytes, read_bytes=read_bytes)


def _check_qcow2(path: Path, read_bytes: int) -> None:
    if not disk_check.is_whole(path):
        raise _cut_short()
    check_data(path)
    check_expansion(disk_check.data_bytes(path), read_bytes)


def _cut_short() -> DiskCutShort:
    return DiskCutShort(reason="its tables refer to missing data or contradict each other.")
