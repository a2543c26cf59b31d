"""Disks being imported from a URL."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

SourceFormat: TypeAlias = Literal["qcow2", "raw", "vmdk", "vhd", "vhdx", "ova"]
"""The formats that a region imports. An OVA is an archive that contains a disk."""


@dataclass(frozen=True)
class SaidOfDisk:
    """The declaration of a disk file's name or sender, before its bytes are read; None: no declaration. Only the
    operator's own files may be in `xz`."""

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
    """The disk of a snapshot that does not exist yet. `sealed_url` is signed, so it is a secret. `most_bytes` is the
    largest allowed virtual size. `disk_format` and `gzip` are its declaration (`said`). `total_bytes` is None until it
    is known."""

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
        """The disk's declaration."""
        return SaidOfDisk(self.disk_format, self.gzip)
