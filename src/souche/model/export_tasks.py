"""Tasks that export an image or a snapshot into a bucket (reference sections 3 and 4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from souche.model.disks import DiskFormat
from souche.model.images import Image
from souche.states import ExportState

DAY_SECONDS = 24 * 3600
MOST_DAYS = 7
MANIFEST_SECONDS = 7 * 24 * 3600
"""Lifetime of an export's URLs from the end of the export: SigV4's maximum."""


@dataclass(frozen=True)
class ExportTask:
    """An export of the image `image_id` or of the snapshot `snapshot_id`; the other one is None. `image` is the image
    at the time of the request.

    The bucket belongs to the account `bucket_account_id` of this region. None: it is reached with `access_key_id` and
    its sealed secret, a key of no account here. `prefix` begins every key in the bucket. `done_bytes` of the
    `total_bytes` of data on all disks are read. `note` is the reason for the export's wait, or its leftovers in the
    bucket. `image_tags` are the image's tags at the time of the request.

    The URLs in the manifest work until `urls_until` (None: not known); `refresh_problem` is the reason why the last
    refresh failed.
    """

    task_id: str
    account_id: str
    image_id: str | None
    snapshot_id: str | None
    state: ExportState
    comment: str
    disk_format: DiskFormat
    bucket: str
    prefix: str
    creation_date: datetime
    bucket_account_id: str | None
    access_key_id: str | None = None
    sealed_secret_key: bytes | None = None
    sealed_manifest_url: bytes | None = None
    image: Image | None = None
    done_bytes: int = 0
    total_bytes: int = 0
    note: str | None = None
    image_tags: Mapping[str, str] | None = None
    urls_until: datetime | None = None
    refresh_problem: str | None = None

    @property
    def full_comment(self) -> str:
        """The comment, with the note if there is one."""
        return f"{self.comment} {self.note}" if self.note else self.comment

    @property
    def progress_percent(self) -> int:
        """How far it is; 100 only at its end."""
        if self.state == ExportState.COMPLETED:
            return 100
        return min(99, 100 * self.done_bytes // self.total_bytes) if self.total_bytes else 0

    @property
    def snapshot_ids(self) -> list[str]:
        """The snapshots that it reads, each once: two mappings of an image may have the same one."""
        found = self.image.snapshot_ids if self.image else [self.snapshot_id or ""]
        return list(dict.fromkeys(found))

    @property
    def manifest_key(self) -> str:
        """The key of the manifest. Each task has its own, so tasks never overwrite each other's."""
        return f"{self.prefix}manifest-{self._digits}.json"

    @property
    def companion_key(self) -> str:
        """The key of the companion."""
        return f"{self.prefix}companion-{self._digits}.json"

    def disk_key(self, snapshot_id: str) -> str:
        """The key of a disk (reference section 3, "Object key")."""
        return f"{self.prefix}{snapshot_id}-{self._digits}.{self.disk_format}.gz"

    @property
    def _digits(self) -> str:
        return self.task_id.rpartition("-")[2]


@dataclass(frozen=True)
class WrittenDisk:
    """A disk of an export that is in the bucket. `disk_tree_sha256` is of the disk, `object_sha256` of the object;
    `data_bytes` is the part of the disk that holds data."""

    snapshot_id: str
    data_bytes: int
    disk_bytes: int
    disk_tree_sha256: str
    object_bytes: int
    object_sha256: str
