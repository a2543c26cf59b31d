"""An object store in a folder. A killed process leaves it like a real one: each object exists completely or not at
all."""

import uuid
from collections.abc import Mapping
from pathlib import Path

from tests.support.folder_oos import FolderOos, FolderStore, _name

from souche.objects.base import ObjectStore, Upload


class AtomicStore(FolderStore):
    def put(self, bucket: str, key: str, data: bytes, *, metadata: Mapping[str, str]) -> None:  # noqa: ARG002
        folder = self._bucket(bucket)
        partial = folder / f"{uuid.uuid4()}.partial"
        partial.write_bytes(data)
        partial.replace(folder / "objects" / _name(key))

    def start_upload(self, bucket: str, key: str) -> Upload:
        upload = Upload(bucket, key, f"{uuid.uuid4().hex}-{_name(key)}")
        (self._bucket(bucket) / "uploads" / upload.upload_id).mkdir()
        return upload


class AtomicOos(FolderOos):
    def store(self) -> ObjectStore:
        return AtomicStore(self._folder)


def oos(home: Path) -> AtomicOos:
    """The region's object store, outside of its home, because the home's medium may be full."""
    return AtomicOos(home.parent.parent / "buckets")
