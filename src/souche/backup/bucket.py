"""Backups below a prefix of a bucket, of any S3 service."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from souche.backup.repository import NotInBackup, Progress
from souche.objects.base import NoSuchBucket, NoSuchObject
from souche.objects.s3 import S3Store


class BucketRepository:
    """A `Repository` in a bucket. Two concurrent writers are harmless: both write the same objects, by their hashes,
    and one manifest each. The first backup makes a missing bucket."""

    def __init__(self, store: S3Store, bucket: str, prefix: str) -> None:
        self._store = store
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @contextmanager
    def alone(self) -> Iterator[None]:
        self._store.ensure_bucket(self._bucket)
        yield

    def keys(self, prefix: str) -> list[str]:
        try:
            found = self._store.keys(self._bucket, self._prefix + prefix)
        except NoSuchBucket:
            return []
        return [key.removeprefix(self._prefix) for key in found]

    def size(self, key: str) -> int | None:
        return self._store.size(self._bucket, self._prefix + key)

    def read(self, key: str) -> bytes:
        try:
            return self._store.get(self._bucket, self._prefix + key)
        except (NoSuchObject, NoSuchBucket) as error:
            raise NotInBackup(key=key) from error

    def write(self, key: str, data: bytes) -> None:
        self._store.put(self._bucket, self._prefix + key, data, metadata={})

    def put_file(self, key: str, path: Path, progress: Progress) -> None:
        self._store.upload_file(self._bucket, self._prefix + key, path, progress)

    def get_file(self, key: str, path: Path, progress: Progress) -> None:
        try:
            self._store.download_file(self._bucket, self._prefix + key, path, progress)
        except (NoSuchObject, NoSuchBucket) as error:
            raise NotInBackup(key=key) from error
