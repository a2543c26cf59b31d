"""Importing a disk: URL -> download -> gunzip -> inspection -> file, as one stream.

    download         bounded in size, time and slowness; SHA-256 of what lies at the URL
    gunzip           where it is gzip; bounded, so that a bomb goes off harmlessly
    inspection       the first 512 KiB decide before anything is written
    file             zeros take no room
    tree hash        of the virtual disk, where the companion says what it is to be
    checks           the file is whole, names no data twice, does not expand beyond what was read, and what the
                     companion says

Download, gunzip and file are threads of their own, a few MiB ahead. Nothing else opens the disk before all is checked.

The medium is not filled: room is asked for before, the file stops growing at the reserve, and is removed whenever the
import fails.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final, TypeAlias

from souche.errors import Invalid, Unavailable
from souche.formats import gzip_members
from souche.formats.disk_inspection import (
    HEAD_BYTES,
    DiskCutShort,
    DiskExpands,
    DiskFormat,
    InspectedDisk,
    WrongDiskSize,
    check_shares,
    inspect_file,
    inspect_head,
)
from souche.model.disk_imports import Checksums, DiskImport
from souche.objects.fetch import DownloadFailed, Fetcher, Limits
from souche.refusals import UrlUnreachable
from souche.room import ENDLESS, Room
from souche.transfer import disk_check, disk_hash
from souche.transfer.ahead import ahead
from souche.transfer.sparse_file import SparseFile

Progress: TypeAlias = Callable[[int, int | None], None]
"""Told the bytes received and in all (None: the server does not say), after each MiB."""

MIB: Final = 1024 * 1024
MOST_SECONDS: Final = 3 * 24 * 3600.0
"""of a download: the largest volume there is needs 60 MiB a second. Not by the size that the caller says: that may be
made up"""
LEAST_BYTES_PER_SECOND: Final = 64 * 1024
"""over `PACE_SECONDS`: what only drips would keep a turn from others"""
PACE_SECONDS: Final = 60.0
TABLES_BYTES: Final = 64 * MIB
"""of a qcow2 file, beside a sixteenth of the disk: with clusters of 512 bytes they take 3 %"""
MOST_EXPANSION: Final = 100
LEAST_EXPANDED_BYTES: Final = 256 * MIB
"""How much data a disk may have, zeros not counted, for each byte that was read; and what any disk may have."""
DEPTH: Final = 4
PASSING: Final = (UrlUnreachable, DownloadFailed)
"""Worth another try; their subclasses that say what the server said are not."""


class ObjectChanged(Invalid):
    """What lies at its URL is not what was exported: {reason}"""


class DownloadBroken(Unavailable):
    """{what} cannot be downloaded at the moment: {reason}"""


def import_disk(
    fetcher: Fetcher,
    url: str,
    wanted: DiskImport,
    path: Path,
    progress: Progress,
    ask: Callable[[], object] = lambda: None,
    room: Room = ENDLESS,
) -> DiskFormat:
    """Download a disk into a file, in the place of whatever is there; returns its format. `ask` is called every second
    of the download: whatever it raises ends the import (cancellation). There is no file when it fails.

    Raises:
        BadUrl, UrlUnreachable, BadGzip, BadDisk, ObjectChanged: it is refused; the class says why.
        DownloadBroken: worth another try.
        StorageFailed: the file cannot be written. OutOfSpace: it does not fit above the reserve of `room`.
    """
    try:
        tree_sha256, received_bytes = _download(fetcher, url, wanted, path, progress, ask, room)
        disk = _checked(path, wanted, received_bytes)
        if wanted.checksums:
            _compare(wanted.checksums, disk, tree_sha256 or disk_hash.of_file(path, disk.format))
    except BaseException as error:
        path.unlink(missing_ok=True)
        if type(error) in PASSING:
            raise DownloadBroken(what="The disk", reason=str(error)) from error
        raise
    return disk.format


def limits(most_disk_bytes: int) -> Limits:
    """Of the download of a disk."""
    return Limits(
        most_bytes=int(_most_file_bytes(most_disk_bytes) * gzip_members.MOST_OVERHEAD),
        seconds=MOST_SECONDS,
        least_bytes_per_second=LEAST_BYTES_PER_SECOND,
        pace_seconds=PACE_SECONDS,
    )


def _most_file_bytes(most_disk_bytes: int) -> int:
    return most_disk_bytes + most_disk_bytes // 16 + TABLES_BYTES


def _download(
    fetcher: Fetcher,
    url: str,
    wanted: DiskImport,
    path: Path,
    progress: Progress,
    ask: Callable[[], object],
    room: Room,
) -> tuple[str | None, int]:
    """Returns the tree hash of the disk where one is expected and the stream gives it, and how much was read."""
    parameter = "PreSignedUrl" if wanted.device_name else "FileLocation"
    with fetcher.open(url, parameter, limits(wanted.most_bytes), ask) as download:
        received = _Received(wanted)
        received.expect(download.total_bytes)
        room.ask(download.total_bytes or 0)
        with (
            ahead(received.through(_gathered(download.chunks)), DEPTH) as arriving,
            ahead(_unpacked(arriving, wanted.most_bytes), DEPTH) as stream,
            SparseFile(path, room) as file,
            ahead(_written(_inspected(stream, wanted), file, received), DEPTH) as written,
        ):
            seen = _told(written, lambda: progress(received.bytes, download.total_bytes))
            tree_sha256 = disk_hash.of_stream(seen) if wanted.checksums else None
            for _ in seen:
                """What the hash had no use for."""
        received.check()
    return tree_sha256, received.bytes


class _Received:
    """What has arrived so far: how much, and its hash where one is expected."""

    def __init__(self, wanted: DiskImport) -> None:
        self._checksums = wanted.checksums
        self._digest = hashlib.sha256()
        self.bytes = 0

    def expect(self, total_bytes: int | None) -> None:
        """Refuse an object of another length before its first byte is read."""
        expected = self._checksums.object_bytes if self._checksums else None
        if None not in (expected, total_bytes) and expected != total_bytes:
            raise ObjectChanged(reason=f"it has {total_bytes} bytes instead of {expected}.")

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.bytes += len(chunk)
            if self._checksums:
                self._digest.update(chunk)
            yield chunk

    def check(self) -> None:
        """Refuse an object with another hash."""
        if self._checksums and self._digest.hexdigest() != self._checksums.object_sha256:
            raise ObjectChanged(reason="its SHA-256 is another one.")


def _gathered(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Whatever the network gives, in pieces of a MiB."""
    gathered = bytearray()
    for chunk in chunks:
        gathered += chunk
        if len(gathered) >= MIB:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def _unpacked(stream: Iterator[bytes], most_disk_bytes: int) -> Iterator[bytes]:
    """What is inside the gzip, where it is gzip: a disk never begins so."""
    first = next(stream, b"")
    whole = chain([first], stream)
    if first.startswith(gzip_members.MAGIC):
        return gzip_members.decompress(whole, most_bytes=_most_file_bytes(most_disk_bytes))
    return whole


def _inspected(stream: Iterator[bytes], wanted: DiskImport) -> Iterator[bytes]:
    """The stream, once its beginning has been found good; it ends where the disk may not be longer."""
    head = b""
    while len(head) < HEAD_BYTES and (piece := next(stream, b"")):
        head += piece
    disk = inspect_head(head, expected=wanted.disk_format, most_bytes=wanted.most_bytes)
    most = wanted.most_bytes if disk.format == "raw" else _most_file_bytes(wanted.most_bytes)
    length = 0
    for piece in chain([head], stream):
        length += len(piece)
        if length > most:
            raise WrongDiskSize(size_bytes=f"more than {most}", reason=f"should have at most {most}.")
        yield piece


def _written(stream: Iterator[bytes], file: SparseFile, received: _Received) -> Iterator[bytes]:
    for piece in stream:
        file.write(piece)
        _check_expansion(file.data_bytes, received.bytes)
        yield piece
    file.finish()


def _check_expansion(data_bytes: int, read_bytes: int) -> None:
    """Refuse a disk that takes far more than what was read of it.

    Raises:
        DiskExpands.
    """
    if data_bytes > max(LEAST_EXPANDED_BYTES, MOST_EXPANSION * read_bytes):
        raise DiskExpands(data_bytes=data_bytes, read_bytes=read_bytes)


def _told(stream: Iterator[bytes], tell: Callable[[], None]) -> Iterator[bytes]:
    for piece in stream:
        tell()
        yield piece


def _checked(path: Path, wanted: DiskImport, received_bytes: int) -> InspectedDisk:
    disk = inspect_file(path, expected=wanted.disk_format, most_bytes=wanted.most_bytes)
    if disk.format == "qcow2":
        if not disk_check.is_whole(path):
            raise DiskCutShort(reason="its tables name data that is not there, or contradict one another.")
        check_shares(path)
        _check_expansion(disk_check.data_bytes(path), received_bytes)
    return disk


def _compare(expected: Checksums, disk: InspectedDisk, tree_sha256: str) -> None:
    if disk.size_bytes != expected.disk_bytes:
        raise ObjectChanged(reason=f"a disk of {disk.size_bytes} bytes, not {expected.disk_bytes}.")
    if expected.disk_tree_sha256 not in (None, tree_sha256):
        raise ObjectChanged(reason="the disk in it is another one: its SHA-256 tree hash differs.")
