"""gzip by Intel's ISA-L: compression in threads, decompression within bounds.

A gzip file may be a sequence of members (RFC 1952, 2.2), and reads as their joined contents. So every MiB becomes a
separate member, compressed on any thread. The same content always gives the same bytes, on any thread, in any process
and at any time (`FIRST_BYTES`).
"""

import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, cast

from isal import igzip_lib, isal_zlib

from souche.errors import Invalid
from souche.formats.extents import Bytes

MEMBER_BYTES: Final = 1024 * 1024
MOST_OVERHEAD: Final = 1.01
"""A stream grows at most by this factor: deflate stores what it cannot compress."""
LEVEL: Final = 2
"""as fast as 1, and a hundredth smaller"""
FIRST_BYTES: Final = 8
"""The first bytes of a member are compressed separately, to make the output reproducible. ISA-L up to 2.31 enters
position 2 of a stream into its hash table under a hash of an uninitialized register (`.write_first_byte` in
igzip_icf_body_h1_gr_bt.asm reads tmp2, which contains the stream's address). The output is always correct, but its
matches vary by chance. So few bytes take another path, and afterwards the stream is past its beginning."""
GZIP_WINDOW_BITS: Final = 31
"""zlib's number for gzip: 16, plus 15 for a window of 32 KiB"""
DAMAGED: Final = cast("type[Exception]", igzip_lib.IsalError)  # its stub declares an instance
MAGIC: Final = b"\x1f\x8b"
PIECE_BYTES: Final = 1024 * 1024
TASTE_BYTES: Final = 4096
EMPTY_BLOCK: Final = bytes([0, 0, 0, 0xFF, 0xFF])
"""a stored block that is not the last (RFC 1951, 3.2.4)"""
FINAL_BLOCK: Final = bytes([3, 0])
PADDING_LEAST: Final = 20
"""the head of a member, the final block, CRC-32 and length (RFC 1952, 2.3)"""


class BadGzip(Invalid):
    """The gzip stream is not valid: {reason}"""


class GzipCutShort(BadGzip):
    """The gzip stream is incomplete: the download or the upload was cut short."""


class GzipTrailer(BadGzip):
    """Data that is not gzip follows the gzip stream."""


class GzipTooLarge(BadGzip):
    """The gzip stream expands to more than the {limit} bytes that were announced."""


def compress(stream: Iterable[Bytes], *, threads: int | None = None) -> Iterator[bytes]:
    """The members, in order. At most two for each thread are under way: twice that in MiB is the memory."""
    workers = threads or os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers, thread_name_prefix="gzip")
    pending: deque[Future[bytes]] = deque()
    try:
        for content in _members(stream):
            pending.append(pool.submit(_compress, content))
            if len(pending) >= 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _compress(content: Bytes) -> bytes:
    member, whole = isal_zlib.compressobj(level=LEVEL, wbits=GZIP_WINDOW_BITS), memoryview(content)
    first = member.compress(whole[:FIRST_BYTES]), member.flush(isal_zlib.Z_SYNC_FLUSH)
    return b"".join((*first, member.compress(whole[FIRST_BYTES:]), member.flush()))


def _members(stream: Iterable[Bytes]) -> Iterator[Bytes]:
    """Joins pieces until they fill a member, and cuts larger ones. Yields at least one member."""
    gathered: list[Bytes] = []
    gathered_bytes = members = 0
    for piece in stream:
        for part in _cut(piece):
            gathered.append(part)
            gathered_bytes += len(part)
            if gathered_bytes >= MEMBER_BYTES:
                yield _joined(gathered)
                gathered, gathered_bytes, members = [], 0, members + 1
    if gathered or not members:
        yield _joined(gathered)


def _cut(piece: Bytes) -> Iterator[Bytes]:
    if len(piece) <= MEMBER_BYTES:
        yield piece
        return
    view = memoryview(piece)
    for start in range(0, len(view), MEMBER_BYTES):
        yield view[start : start + MEMBER_BYTES]


def _joined(parts: list[Bytes]) -> Bytes:
    return parts[0] if len(parts) == 1 else b"".join(parts)


def padding(length: int) -> Iterator[bytes]:
    """A member of empty blocks, which gunzip skips. It has exactly `length` bytes, unless that is too few for a member.

    It uses blocks rather than a comment, because some readers read comments byte by byte. A short comment fills the
    remainder that is not a multiple of a block.
    """
    blocks, odd = divmod(max(0, length - PADDING_LEAST), len(EMPTY_BLOCK))
    comment = b" " * (odd - 1) + b"\0" if odd else b""
    yield MAGIC + bytes([8, 16 if odd else 0, 0, 0, 0, 0, 0, 255]) + comment
    while blocks:
        some = min(blocks, PIECE_BYTES // len(EMPTY_BLOCK))
        yield EMPTY_BLOCK * some
        blocks -= some
    yield FINAL_BLOCK + bytes(8)  # CRC-32 and length of empty data


def decompress(stream: Iterable[bytes], *, most_bytes: int) -> Iterator[bytes]:
    """The content of all members, in pieces of at most 1 MiB, produced on demand.

    Raises:
        GzipTooLarge: there is more than `most_bytes`; no byte beyond them has been yielded.
        GzipCutShort, GzipTrailer: the stream is truncated, or has data after gzip's end.
        BadGzip: it is damaged, or not gzip.
    """
    left = most_bytes
    for piece in _decompressed(stream):
        left -= len(piece)
        if left < 0:
            raise GzipTooLarge(limit=most_bytes)
        yield piece


def _decompressed(stream: Iterable[bytes]) -> Iterator[bytes]:
    member = _Member()
    for block in stream:
        data = memoryview(block)
        while data:
            if member.ended:
                member = _Member(follows=True)
            taken = data[: member.appetite]
            yield from member.feed(taken)
            data = data[len(taken) - len(member.rest) :]
    if not member.ended:
        raise GzipCutShort


class _Member:
    """One member, as far as it was read. `rest` is the input after its end, once it has ended."""

    def __init__(self, *, follows: bool = False) -> None:
        self._inflate = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        self._follows = follows
        self._start = b""
        self.rest = b""

    @property
    def ended(self) -> bool:
        return bool(self._inflate.eof)

    @property
    def appetite(self) -> int:
        """The most bytes to feed it next: few at first, because the data after the end of a short member are copied,
        and there may be a million such members."""
        return sys.maxsize if self._start else TASTE_BYTES

    def feed(self, data: memoryview) -> Iterator[bytes]:
        if len(self._start) < len(MAGIC):
            missing = len(MAGIC) - len(self._start)
            self._start += data[:missing]
            self._check_start()
        try:
            while not self.ended and (piece := self._inflate.decompress(data, PIECE_BYTES)):
                yield piece
                data = memoryview(b"")
        except DAMAGED as error:
            raise BadGzip(reason=str(error)) from error
        self.rest = self._inflate.unused_data if self.ended else b""

    def _check_start(self) -> None:
        if MAGIC.startswith(self._start):
            return
        if self._follows:
            raise GzipTrailer
        raise BadGzip(reason="it does not begin like gzip")
