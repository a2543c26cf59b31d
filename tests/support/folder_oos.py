"""An OOS in a folder, for tests that inspect buckets and outlive a process. It passes the suites of object stores and
of OOS."""

import hashlib
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from souche.formats.extents import Bytes
from souche.objects.base import (
    BadBucketName,
    BucketAccessRefused,
    NoSuchBucket,
    NoSuchObject,
    NoSuchUpload,
    ObjectStore,
    ObjectTooLarge,
    Part,
    Upload,
)
from souche.objects.names import is_bucket_name
from souche.objects.oos import AccountKey, Capabilities


def _name(key: str) -> str:
    return quote(key, safe="")


class FolderStore:
    """An `ObjectStore`: a folder for each bucket, a file for each object, a folder for each upload."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ensure_bucket(self, bucket: str) -> None:
        if not is_bucket_name(bucket):
            raise BadBucketName(bucket=bucket)
        for part in ("objects", "uploads"):
            (self._folder / bucket / part).mkdir(parents=True, exist_ok=True)

    def remove_bucket(self, bucket: str, on_progress: Callable[[int], None]) -> None:
        if (self._folder / bucket).exists():
            for number, key in enumerate(self.keys(bucket, ""), start=1):
                self.delete(bucket, key)
                on_progress(number)
            shutil.rmtree(self._folder / bucket)

    def put(self, bucket: str, key: str, data: bytes, *, metadata: Mapping[str, str]) -> None:  # noqa: ARG002
        (self._bucket(bucket) / "objects" / _name(key)).write_bytes(data)

    def get(self, bucket: str, key: str, *, most_bytes: int | None = None) -> bytes:
        try:
            data = (self._bucket(bucket) / "objects" / _name(key)).read_bytes()
        except FileNotFoundError as error:
            raise NoSuchObject(bucket=bucket, key=key) from error
        if most_bytes is not None and len(data) > most_bytes:
            raise ObjectTooLarge(bucket=bucket, key=key, most_bytes=most_bytes)
        return data

    def delete(self, bucket: str, key: str) -> None:
        (self._folder / bucket / "objects" / _name(key)).unlink(missing_ok=True)

    def keys(self, bucket: str, prefix: str) -> list[str]:
        found = (unquote(path.name) for path in (self._bucket(bucket) / "objects").iterdir())
        return sorted(key for key in found if key.startswith(prefix))

    def start_upload(self, bucket: str, key: str) -> Upload:
        uploads = self._bucket(bucket) / "uploads"
        upload = Upload(bucket, key, f"{len(list(uploads.iterdir()))}-{_name(key)}")
        (uploads / upload.upload_id).mkdir()
        return upload

    def put_part(self, upload: Upload, number: int, data: bytes | bytearray) -> Part:
        (self._upload(upload) / f"{number:05}").write_bytes(data)
        return Part(number, hashlib.sha256(data).hexdigest())

    def put_part_stream(self, upload: Upload, number: int, length: int, stream: Iterable[Bytes]) -> Part:
        data = b"".join(stream)
        assert len(data) == length
        return self.put_part(upload, number, data)

    def complete_upload(self, upload: Upload, parts: Sequence[Part]) -> None:
        folder = self._upload(upload)
        joined = b"".join((folder / f"{part.number:05}").read_bytes() for part in parts)
        self.put(upload.bucket, upload.key, joined, metadata={})
        self.abort_upload(upload)

    def abort_upload(self, upload: Upload) -> None:
        shutil.rmtree(self._folder / upload.bucket / "uploads" / upload.upload_id, ignore_errors=True)

    def uploads(self, bucket: str, prefix: str) -> list[Upload]:
        folder = self._folder / bucket / "uploads"
        found = [path.name for path in folder.iterdir()] if folder.exists() else []
        uploads = [Upload(bucket, unquote(name.partition("-")[2]), name) for name in sorted(found)]
        return [upload for upload in uploads if upload.key.startswith(prefix)]

    def presign(self, bucket: str, key: str, seconds: int) -> str:  # noqa: ARG002
        return f"file:///{bucket}/{quote(key)}"

    def _bucket(self, bucket: str) -> Path:
        if not (self._folder / bucket).exists():
            raise NoSuchBucket(bucket=bucket)
        return self._folder / bucket

    def _upload(self, upload: Upload) -> Path:
        folder = self._bucket(upload.bucket) / "uploads" / upload.upload_id
        if not folder.exists():
            raise NoSuchUpload(bucket=upload.bucket, key=upload.key)
        return folder


class FolderOos:
    """An `Oos`; owners are files."""

    def __init__(self, folder: Path, *, knows_accounts: bool = True) -> None:
        self._folder = folder
        self.capabilities = Capabilities(knows_accounts)
        self.keys: frozenset[AccountKey] = frozenset()

    @property
    def endpoint(self) -> str:
        return "http://127.0.0.1:1"

    def ensure_bucket(self, bucket: str, account_id: str) -> None:
        owner = self._folder / bucket / "owner"
        if self.capabilities.knows_accounts and owner.exists() and owner.read_text() != account_id:
            raise BucketAccessRefused(bucket=bucket, reason="it belongs to another account")
        self.store().ensure_bucket(bucket)
        if (
            not owner.exists()
        ):  # whole, or not there: its writer may be killed, and another may read it meanwhile
            whole = owner.with_name(f"{uuid.uuid4()}.owner")
            whole.write_text(account_id)
            whole.replace(owner)

    def remove_bucket(self, bucket: str, account_id: str, on_progress: Callable[[int], None]) -> None:
        owner = self._folder / bucket / "owner"
        if not self.capabilities.knows_accounts or (owner.exists() and owner.read_text() == account_id):
            self.store().remove_bucket(bucket, on_progress)

    def sync_keys(self, wanted: Iterable[AccountKey]) -> None:
        self.keys = frozenset(wanted)

    def store(self) -> ObjectStore:
        return FolderStore(self._folder)

    def seen(self) -> dict[str, list[str]]:
        """By bucket, the keys of its objects and uploads."""
        store = FolderStore(self._folder)
        buckets = sorted(path.name for path in self._folder.iterdir()) if self._folder.exists() else []
        return {
            bucket: [
                *store.keys(bucket, ""),
                *(f"upload of {each.key}" for each in store.uploads(bucket, "")),
            ]
            for bucket in buckets
        }
