"""Disks on their way in from a URL."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

SourceFormat: TypeAlias = Literal["qcow2", "raw", "vmdk", "vhd", "vhdx", "ova"]
"""What a region takes in; an OVA is an archive with a disk in it."""


@dataclass(frozen=True)
class SaidOfDisk:
    """What is known of a disk file before its bytes: by its name, or because its sender says so. None: nothing. Only
    the operator's own files are taken out of `xz`."""

    format: SourceFormat | None = None
    gzip: bool | None = None
    xz: bool = False


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
    the disk may be, as seen by a guest. `disk_format` and `gzip` are what is said of it (`said`). `total_bytes` is None
    until it is known.
    """

    snapshot_id: str
    device_name: str | None
    sealed_url: bytes
    most_bytes: int
    disk_format: SourceFormat | None = None
    gzip: bool | None = None
    checksums: Checksums | None = None
    received_bytes: int = 0
    total_bytes: int | None = None

    @property
    def said(self) -> SaidOfDisk:
        """What is said of it."""
        return SaidOfDisk(self.disk_format, self.gzip)
