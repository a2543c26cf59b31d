"""Writing a stream into a bucket: parts uploaded in parallel, and nothing left behind on failure."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from souche.objects.base import MOST_PARTS, SMALLEST_PART_BYTES, ObjectStore, Part, Upload

PART_BYTES: Final = 8 * 1024 * 1024
PARTS_BYTES: Final = 56 * 1024 * 1024
"""of memory for all parts together, the one that is being filled included"""
MOST_UNDER_WAY: Final = 3


@dataclass(frozen=True)
class StoredObject:
    """What has been written: its length and the SHA-256 of its bytes, in hex."""

    object_bytes: int
    object_sha256: str


@dataclass(frozen=True)
class BucketSink:
    """Where a stream goes: one object."""

    store: ObjectStore
    bucket: str
    key: str

    def write(self, stream: Iterable[bytes], *, most_bytes: int) -> StoredObject:
        """Upload a stream of at most `most_bytes` as the object, which appears when it is whole. Whatever the
        stream or the store raises passes through, and the upload is aborted. What an earlier try for the same key
        has left is aborted first.

        Memory: one part being filled, and those under way: `PARTS_BYTES` at the most, or one part. Parts have 8 MiB
        as long as 10,000 of them are enough (78 GiB), then more; from 28 MiB on each is sent before the next is filled.
        """
        self.abort()
        upload = self.store.start_upload(self.bucket, self.key)
        try:
            return self._send(upload, stream, part_bytes_for(most_bytes))
        except BaseException:
            self.store.abort_upload(upload)
            raise

    def abort(self) -> None:
        """Abort every upload to this key."""
        for upload in self.store.uploads(self.bucket, self.key):
            if upload.key == self.key:
                self.store.abort_upload(upload)

    def remove(self) -> None:
        """Leave nothing: no upload, no object."""
        self.abort()
        self.store.delete(self.bucket, self.key)

    def _send(self, upload: Upload, stream: Iterable[bytes], part_bytes: int) -> StoredObject:
        digest, total = hashlib.sha256(), 0
        sending = _Sending(self.store, upload, parts_under_way(part_bytes))
        try:
            for part in _parts(stream, part_bytes):
                digest.update(part)
                total += len(part)
                sending.send(part)
            self.store.complete_upload(upload, sending.finish())
        finally:
            sending.close()
        return StoredObject(total, digest.hexdigest())


class _Sending:
    """Parts under way, at most `at_once`; 0: each is waited for."""

    def __init__(self, store: ObjectStore, upload: Upload, at_once: int) -> None:
        self._store = store
        self._upload = upload
        self._at_once = at_once
        self._pool = ThreadPoolExecutor(max(1, at_once), thread_name_prefix="upload")
        self._pending: deque[Future[Part]] = deque()
        self._done: list[Part] = []

    def send(self, data: bytearray) -> None:
        number = len(self._done) + len(self._pending) + 1
        self._pending.append(self._pool.submit(self._store.put_part, self._upload, number, data))
        if len(self._pending) > self._at_once:
            self._done.append(self._pending.popleft().result())

    def finish(self) -> list[Part]:
        """All the parts, once they have arrived."""
        self._done.extend(future.result() for future in self._pending)
        self._pending.clear()
        return self._done

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def part_bytes_for(most_bytes: int) -> int:
    """How large the parts of an object of at most `most_bytes` are, in whole MiB."""
    needed = -(-most_bytes // MOST_PARTS)
    mebibyte = 1024 * 1024
    return max(PART_BYTES, SMALLEST_PART_BYTES, -(-needed // mebibyte) * mebibyte)


def parts_under_way(part_bytes: int) -> int:
    """How many parts of this length are sent while another is filled."""
    return max(0, min(MOST_UNDER_WAY, PARTS_BYTES // part_bytes - 1))


def _parts(stream: Iterable[bytes], part_bytes: int) -> Iterator[bytearray]:
    """Gather a stream into parts of at least `part_bytes`, the last excepted; an empty stream is one empty part."""
    part, parts = bytearray(), 0
    for piece in stream:
        part += piece
        if len(part) >= part_bytes:
            yield part
            part, parts = bytearray(), parts + 1
    if part or not parts:
        yield part
