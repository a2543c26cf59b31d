"""Disks on their way in from a URL."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Checksums:
    """What a disk is to be by the companion of its manifest (docs/formats.md): the object as it lies at its URL, and
    the disk that is in it. `disk_tree_sha256` is None in requests that an older Souche wrote down."""

    disk_bytes: int
    object_bytes: int
    object_sha256: str
    disk_tree_sha256: str | None = None


@dataclass(frozen=True)
class DiskImport:
    """The disk of a snapshot that is not there yet. `sealed_url` is a secret: it is signed. `most_bytes` is how large
    the disk may be, as seen by a guest. `disk_format` None: qcow2 or raw. `total_bytes` is None until it is known.
    """

    snapshot_id: str
    device_name: str | None
    sealed_url: bytes
    most_bytes: int
    disk_format: Literal["qcow2", "raw"] | None = None
    checksums: Checksums | None = None
    received_bytes: int = 0
    total_bytes: int | None = None
