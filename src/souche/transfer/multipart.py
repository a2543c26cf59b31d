"""Uploads a stream into a bucket: parts in parallel, and nothing left behind on failure."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Final, TypeAlias

import structlog

from souche.errors import SoucheError
from souche.formats.extents import Bytes
from souche.objects.base import (
    MOST_PARTS,
    SMALLEST_PART_BYTES,
    BucketAccessRefused,
    ObjectStore,
    Part,
    Upload,
)
from souche.room import MIB

PART_BYTES: Final = 8 * 1024 * 1024
PARTS_BYTES: Final = 40 * 1024 * 1024
"""memory for all parts together, including the one being filled; larger parts are streamed"""
MOST_UNDER_WAY: Final = 3
HELD_BYTES: Final = 32 * 1024 * 1024
"""bytes of a streamed part that are held before its request: a stream that ends in them needs no padding"""

Padding: TypeAlias = Callable[[int], Iterable[Bytes]]
"""At least this many bytes, which do not change the content when appended to a stream (`gzip_members.padding`)."""

log = structlog.get_logger()


@dataclass(frozen=True)
class StoredObject:
    """The written object: its length, and the SHA-256 of its bytes in hex."""

    object_bytes: int
    object_sha256: str


@dataclass(frozen=True)
class BucketSink:
    """One object as the target of a stream."""

    store: ObjectStore
    bucket: str
    key: str

    def write(self, stream: Iterable[Bytes], *, most_bytes: int, padding: Padding) -> StoredObject:
        """Upload a stream of at most `most_bytes` as the object, which appears when it is complete. Errors of the
        stream or the store pass through, and the upload is aborted. Leftover uploads of the same key are aborted first,
        if that is permitted.

        Memory: the part being filled and those being sent, at most `PARTS_BYTES`. Parts have 8 MiB while 10,000 of them
        are enough (78 GiB), then more. From 21 MiB on, each part is sent before the next is filled. Parts larger than
        `PARTS_BYTES` are streamed: such a part cannot be sent again, and the stream may end in the middle of one, which
        `padding` then fills.
        """
        with suppress(BucketAccessRefused):  # write access need not include listing uploads
            self.abort()
        upload = self.store.start_upload(self.bucket, self.key)
        try:
            return self._send(upload, _Source(stream, padding), part_bytes_for(most_bytes))
        except BaseException:
            self._give_up(upload)
            raise

    def _give_up(self, upload: Upload) -> None:
        """Abort the upload. Errors are ignored: the earlier failure is reported, and `abort` retries."""
        try:
            self.store.abort_upload(upload)
        except SoucheError as error:
            log.warning("an upload could not be aborted", bucket=upload.bucket, reason=str(error))

    def abort(self) -> None:
        """Abort every upload to this key."""
        for upload in self.store.uploads(self.bucket, self.key):
            if upload.key == self.key:
                self.store.abort_upload(upload)

    def remove(self) -> None:
        """Remove the uploads and the object."""
        self.abort()
        self.delete()

    def delete(self) -> None:
        """Delete the object."""
        self.store.delete(self.bucket, self.key)

    def _send(self, upload: Upload, source: "_Source", part_bytes: int) -> StoredObject:
        send = self._send_whole if part_bytes <= PARTS_BYTES else self._send_as_they_come
        self.store.complete_upload(upload, send(upload, source, part_bytes))
        return source.sent()

    def _send_whole(self, upload: Upload, source: "_Source", part_bytes: int) -> list[Part]:
        sending = _Sending(self.store, upload, part_bytes, parts_under_way(part_bytes))
        try:
            part = source.take(part_bytes, sending.room())
            while part or not sending.begun:
                sending.send(part)
                part = source.take(part_bytes, sending.room())
            return sending.finish()
        finally:
            sending.close()

    def _send_as_they_come(self, upload: Upload, source: "_Source", part_bytes: int) -> list[Part]:
        """The last part has its real length if it fits into memory."""
        parts: list[Part] = []
        while len(held := source.take(HELD_BYTES, bytearray(HELD_BYTES))) == HELD_BYTES:
            stream = chain([memoryview(held)], source.exactly(part_bytes - HELD_BYTES))
            parts.append(self.store.put_part_stream(upload, len(parts) + 1, part_bytes, stream))
        if held or not parts:
            parts.append(self.store.put_part(upload, len(parts) + 1, held))
        return parts


class _Source:
    """A stream read in parts of any length, with the hash of the data read."""

    def __init__(self, stream: Iterable[Bytes], padding: Padding) -> None:
        self._stream = iter(stream)
        self._padding = padding
        self._rest = memoryview(b"")
        self._digest = hashlib.sha256()
        self._total = 0

    def take(self, length: int, room: bytearray) -> bytearray:
        """Read `length` bytes, or the rest, into a buffer of that size."""
        filled = 0
        while filled < length and (piece := self._next(length - filled)):
            room[filled : filled + len(piece)] = piece
            filled += len(piece)
        return room if filled == len(room) else room[:filled]

    def exactly(self, length: int) -> Iterator[memoryview]:
        """Yield exactly `length` bytes. If the stream ends earlier, padding follows; its end may be in the next
        part."""
        while length:
            piece = self._next(length)
            if not piece:
                self._stream = iter(self._padding(length))
            length -= len(piece)
            yield piece

    def sent(self) -> StoredObject:
        """The data read so far."""
        return StoredObject(self._total, self._digest.hexdigest())

    def _next(self, most_bytes: int) -> memoryview:
        while not self._rest and (piece := next(self._stream, None)) is not None:
            self._rest = memoryview(piece)
        taken, self._rest = self._rest[:most_bytes], self._rest[most_bytes:]
        self._digest.update(taken)
        self._total += len(taken)
        return taken


class _Sending:
    """The parts being sent, at most `parallel`; with 0 each part is sent before the next is filled. Buffers are reused:
    a fresh one would cost a page fault for each page, some 2,000 for every part."""

    def __init__(self, store: ObjectStore, upload: Upload, part_bytes: int, parallel: int) -> None:
        self._store = store
        self._upload = upload
        self._part_bytes = part_bytes
        self._parallel = parallel
        self._free: list[bytearray] = []
        self._pool = ThreadPoolExecutor(max(1, parallel), thread_name_prefix="upload")
        self._pending: deque[tuple[Future[Part], bytearray]] = deque()
        self._done: list[Part] = []

    def room(self) -> bytearray:
        """A buffer for the next part."""
        return self._free.pop() if self._free else bytearray(self._part_bytes)

    @property
    def begun(self) -> bool:
        """Whether any part was sent."""
        return bool(self._done or self._pending)

    def send(self, data: bytearray) -> None:
        number = len(self._done) + len(self._pending) + 1
        self._pending.append((self._pool.submit(self._store.put_part, self._upload, number, data), data))
        if len(self._pending) > self._parallel:
            self._await_oldest()

    def finish(self) -> list[Part]:
        """Wait for all parts, and return them."""
        while self._pending:
            self._await_oldest()
        return self._done

    def _await_oldest(self) -> None:
        future, data = self._pending.popleft()
        self._done.append(future.result())
        if len(data) == self._part_bytes:
            self._free.append(data)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def part_bytes_for(most_bytes: int) -> int:
    """The part size of an object of at most `most_bytes`, in whole MiB."""
    needed = -(-most_bytes // MOST_PARTS)
    return max(PART_BYTES, SMALLEST_PART_BYTES, -(-needed // MIB) * MIB)


def parts_under_way(part_bytes: int) -> int:
    """How many parts of this size are sent while another is filled."""
    return max(0, min(MOST_UNDER_WAY, PARTS_BYTES // part_bytes - 1))
