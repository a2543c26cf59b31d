"""Importing a disk: URL -> download -> gate -> file, as one stream.

    download         limited in size, time and slowness; SHA-256 of the object at the URL
    gate             unpacks it, and inspects its beginning (`gate.py`)
    file             zeros take no space
    tree hash        of the virtual disk, if the companion states it
    gate             inspects the file, and converts formats that only QEMU reads
    companion        the disk matches it

Download, gate and file run in separate threads, each a few MiB ahead. Nothing else opens the disk before all checks.

An import cannot fill the medium: it requests space first, the file stops growing at the reserve, and a failed import
removes it.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final, TypeAlias

from souche.errors import Invalid, Unavailable
from souche.formats import gzip_members
from souche.model.disk_imports import Checksums, DiskImport
from souche.objects.fetch import DownloadFailed, Fetcher, Limits
from souche.room import ENDLESS, MIB, Room
from souche.transfer import disk_hash
from souche.transfer.ahead import ahead
from souche.transfer.gate import Admission, AdmittedDisk, check_expansion, most_file_bytes
from souche.transfer.sparse_file import SparseFile
from souche.value_refusals import UrlUnreachable
from souche.words import Term

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called after each MiB with the bytes received and the total (None: unknown)."""

MOST_SECONDS: Final = 3 * 24 * 3600.0
"""seconds for a download: the largest volume needs 60 MiB a second. Independent of the caller's size, which may be
false"""
LEAST_BYTES_PER_SECOND: Final = 64 * 1024
"""over `PACE_SECONDS`: a slower server would hold a turn that others wait for"""
PACE_SECONDS: Final = 60.0
DEPTH: Final = 4
PASSING: Final = (UrlUnreachable, DownloadFailed)
"""Errors to retry, but not their subclasses, which report the server's answer."""


class ObjectChanged(Invalid):
    """The object at its URL is not the exported one: {reason}"""


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
) -> AdmittedDisk:
    """Download a disk into a file, replacing the file. `ask` is called every second of the download, and during a
    conversion; if it raises, the import ends (cancellation). After a failure there is no file.

    Raises:
        BadUrl, UrlUnreachable, BadGzip, BadOva, BadDisk, ObjectChanged: it is refused; the class names the reason.
        DownloadBroken: a retry may succeed.
        StorageFailed: the file cannot be written.
        OutOfSpace: it does not fit above the reserve of `room`.
    """
    entrance = Admission(wanted.said, wanted.most_bytes, room)
    try:
        tree_sha256, received_bytes = _download(fetcher, url, wanted, entrance, path, progress, ask, room)
        disk = entrance.admit(path, received_bytes, ask)
        if wanted.checksums:
            _compare(wanted.checksums, disk, tree_sha256 or disk_hash.of_file(path, disk.format))
    except BaseException as error:
        path.unlink(missing_ok=True)
        if type(error) in PASSING:
            raise DownloadBroken(what="The disk", reason=error) from error
        raise
    return disk


def limits(most_disk_bytes: int) -> Limits:
    """The limits of a disk's download."""
    return Limits(
        most_bytes=int(most_file_bytes(most_disk_bytes) * gzip_members.MOST_OVERHEAD),
        seconds=MOST_SECONDS,
        least_bytes_per_second=LEAST_BYTES_PER_SECOND,
        pace_seconds=PACE_SECONDS,
    )


def _download(
    fetcher: Fetcher,
    url: str,
    wanted: DiskImport,
    entrance: Admission,
    path: Path,
    progress: Progress,
    ask: Callable[[], object],
    room: Room,
) -> tuple[str | None, int]:
    """Returns the tree hash of the disk, if one is expected and the stream gives it, and the number of bytes read."""
    parameter = Term.DISK_URL if wanted.device_name else Term.FILE_LOCATION
    with fetcher.open(url, parameter, limits(wanted.most_bytes), ask) as download:
        received = _Received(wanted)
        received.expect(download.total_bytes)
        room.ask(download.total_bytes or 0)
        with (
            ahead(received.through(_gathered(download.chunks)), DEPTH) as arriving,
            ahead(entrance.unpacked(arriving), DEPTH) as stream,
            SparseFile(path, room) as file,
            ahead(_written(stream, file, received), DEPTH) as written,
        ):
            seen = _told(written, lambda: progress(received.bytes, download.total_bytes))
            first = next(seen, b"")  # now the format is known
            whole = chain([first], seen)
            tree_sha256 = disk_hash.of_stream(whole, entrance.disk) if wanted.checksums else None
            for _ in seen:
                """Bytes that the hash did not need."""
        received.check()
    return tree_sha256, received.bytes


class _Received:
    """The bytes received so far: how many, and their hash if one is expected."""

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
            raise ObjectChanged(reason="its SHA-256 differs.")


def _gathered(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The network's pieces, joined into pieces of a MiB."""
    gathered = bytearray()
    for chunk in chunks:
        gathered += chunk
        if len(gathered) >= MIB:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def _written(stream: Iterator[bytes], file: SparseFile, received: _Received) -> Iterator[bytes]:
    for piece in stream:
        file.write(piece)
        check_expansion(file.data_bytes, received.bytes)
        yield piece
    file.finish()


def _told(stream: Iterator[bytes], on_progress: Callable[[], None]) -> Iterator[bytes]:
    for piece in stream:
        on_progress()
        yield piece


def _compare(expected: Checksums, disk: AdmittedDisk, tree_sha256: str) -> None:
    if disk.size_bytes != expected.disk_bytes:
        raise ObjectChanged(reason=f"a disk of {disk.size_bytes} bytes, not {expected.disk_bytes}.")
    if expected.disk_tree_sha256 not in (None, tree_sha256):
        raise ObjectChanged(reason="the SHA-256 tree hash of its disk differs.")
