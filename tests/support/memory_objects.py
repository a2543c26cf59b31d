"""An object store in memory, for tests of its users. It passes the contract's suite; its URLs do not work."""

import hashlib
import itertools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from souche.formats.extents import Bytes
from souche.objects.base import (
    LONGEST_URL_SECONDS,
    BadBucketName,
    NoSuchBucket,
    NoSuchObject,
    NoSuchUpload,
    ObjectTooLarge,
    Part,
    Upload,
)
from souche.objects.names import is_bucket_name


@dataclass
class _Bucket:
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[Upload, dict[int, bytes]] = field(default_factory=dict)


class MemoryStore:
    """An `ObjectStore`."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def ensure_bucket(self, bucket: str) -> None:
        if not is_bucket_name(bucket):
            raise BadBucketName(bucket=bucket)
        with self._lock:
            self._buckets.setdefault(bucket, _Bucket())

    def remove_bucket(self, bucket: str, on_progress: Callable[[int], None]) -> None:
        if bucket in self._buckets:
            objects = self._buckets[bucket].objects
            for number, key in enumerate(list(objects), start=1):
                del objects[key]
                on_progress(number)
            del self._buckets[bucket]

    def put(self, bucket: str, key: str, data: bytes, *, metadata: Mapping[str, str]) -> None:  # noqa: ARG002
        self._bucket(bucket).objects[key] = data

    def get(self, bucket: str, key: str, *, most_bytes: int | None = None) -> bytes:
        try:
            data = self._bucket(bucket).objects[key]
        except KeyError as error:
            raise NoSuchObject(bucket=bucket, key=key) from error
        if most_bytes is not None and len(data) > most_bytes:
            raise ObjectTooLarge(bucket=bucket, key=key, most_bytes=most_bytes)
        return data

    def delete(self, bucket: str, key: str) -> None:
        if bucket in self._buckets:
            self._buckets[bucket].objects.pop(key, None)

    def keys(self, bucket: str, prefix: str) -> list[str]:
        return sorted(key for key in self._bucket(bucket).objects if key.startswith(prefix))

    def start_upload(self, bucket: str, key: str) -> Upload:
        upload = Upload(bucket, key, str(next(self._numbers)))
        self._bucket(bucket).uploads[upload] = {}
        return upload

    def put_part(self, upload: Upload, number: int, data: bytes | bytearray) -> Part:
        self._parts(upload)[number] = bytes(data)
        return Part(number, hashlib.sha256(data).hexdigest())

    def put_part_stream(self, upload: Upload, number: int, length: int, stream: Iterable[Bytes]) -> Part:
        data = b"".join(stream)
        assert len(data) == length
        return self.put_part(upload, number, data)

    def complete_upload(self, upload: Upload, parts: Sequence[Part]) -> None:
        sent = self._parts(upload)
        self._buckets[upload.bucket].objects[upload.key] = b"".join(sent[part.number] for part in parts)
        self.abort_upload(upload)

    def abort_upload(self, upload: Upload) -> None:
        if upload.bucket in self._buckets:
            self._buckets[upload.bucket].uploads.pop(upload, None)

    def uploads(self, bucket: str, prefix: str) -> list[Upload]:
        if bucket not in self._buckets:
            return []
        return [upload for upload in self._buckets[bucket].uploads if upload.key.startswith(prefix)]

    def presign(self, bucket: str, key: str, seconds: int) -> str:
        assert 0 < seconds <= LONGEST_URL_SECONDS
        return f"memory:///{bucket}/{key}"

    def _bucket(self, bucket: str) -> _Bucket:
        try:
            return self._buckets[bucket]
        except KeyError as error:
            raise NoSuchBucket(bucket=bucket) from error

    def _parts(self, upload: Upload) -> dict[int, bytes]:
        try:
            return self._bucket(upload.bucket).uploads[upload]
        except KeyError as error:
            raise NoSuchUpload(bucket=upload.bucket, key=upload.key) from error
