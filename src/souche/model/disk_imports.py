"""Disks being imported from a URL."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

SourceFormat: TypeAlias = Literal["qcow2", "raw", "vmdk", "vhd", "vhdx", "ova"]
"""The formats that a region imports. An OVA is an archive that contains a disk."""


@dataclass(frozen=True)
class SaidOfDisk:
    """What the name or the sender says of a disk file before its bytes are read; None: nothing. Only the operator's own
    files may be in `xz`."""

    format: SourceFormat | None = None
    gzip: bool | None = None
    xz: bool = False


@dataclass(frozen=True)
class Checksums:
    """The expected hashes of a disk, by the companion of its manifest (docs/formats.md): of the object at its URL, and
    of the disk in it. `disk_tree_sha256` is None in requests stored by an older Souche."""

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
        """What is said of the disk."""
        return SaidOfDisk(self.disk_format, self.gzip)
