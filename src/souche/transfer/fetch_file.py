"""Fetches files that the operator names by path or URL, and checks their checksums."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from souche.errors import Invalid
from souche.formats.checksum_lists import Checksum
from souche.objects.fetch import Fetcher, Limits
from souche.room import Room
from souche.transfer.import_disk import limits
from souche.transfer.sparse_file import SparseFile

OnProgress: TypeAlias = Callable[[int, int | None], None]
"""Called with the bytes received and the total (None: unknown)."""

PIECE_BYTES: Final = 1024 * 1024
SMALL_SECONDS: Final = 300.0


class ChecksumDiffers(Invalid):
    """{name} is not the expected file: its {algorithm} is {found} instead of {expected}."""


def fetch(
    fetcher: Fetcher, url: str, path: Path, most_disk_bytes: int, room: Room, on_progress: OnProgress
) -> None:
    """Download a disk file, packed or not, into a file.

    Raises:
        BadUrl, UrlUnreachable, DownloadFailed. StorageFailed, OutOfSpace.
    """
    with fetcher.open(url, "the URL", limits(most_disk_bytes)) as download, SparseFile(path, room) as file:
        room.ask(download.total_bytes or 0)
        for chunk in download.chunks:
            file.write(chunk)
            on_progress(file.size_bytes, download.total_bytes)
        file.finish()


def copy(source: Path, path: Path, room: Room) -> None:
    """Copy a file; zeros become holes.

    Raises:
        StorageFailed, OutOfSpace.
    """
    with source.open("rb") as file, SparseFile(path, room) as made:
        while piece := file.read(PIECE_BYTES):
            made.write(piece)
        made.finish()


def fetch_small(fetcher: Fetcher, url: str, most_bytes: int) -> bytes:
    """The content of a short file at a URL.

    Raises:
        BadUrl, UrlUnreachable, DownloadFailed, DownloadTooLarge.
    """
    with fetcher.open(url, url, Limits(most_bytes=most_bytes, seconds=SMALL_SECONDS)) as download:
        return b"".join(download.chunks)


def check(path: Path, name: str, expected: Checksum) -> None:
    """Refuse a file that has another checksum.

    Raises:
        ChecksumDiffers.
    """
    digest = hashlib.new(expected.algorithm)
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    if digest.hexdigest() != expected.digest:
        found, algorithm = digest.hexdigest(), expected.algorithm.upper()
        raise ChecksumDiffers(name=name, algorithm=algorithm, found=found, expected=expected.digest)
