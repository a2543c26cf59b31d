"""The layout of a backup repository.

    souche-backups.json          the region that it belongs to: one repository, one region
    objects/<2 hex>/<sha256>     every file, by the SHA-256 of its bytes: backups share equal files
    backups/<backup id>.json     one backup, written when all its files exist

An interrupted backup leaves only objects, which the next one uses.
"""

import re
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from souche.errors import SystemFailure

VERSION: Final = 1
MARKER: Final = "souche-backups.json"
BACKUPS: Final = "backups/"
SHA256: Final = re.compile(r"[0-9a-f]{64}")
RELATIVE_PATH: Final = re.compile(r"(?!\.)[A-Za-z0-9._-]+(/(?!\.)[A-Za-z0-9._-]+)*")
LAYER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.qcow2")
ID: Final = re.compile(r"[a-z0-9][a-z0-9-]*")


class BadBackup(SystemFailure):
    """This is not a backup that this version of Souche can read: {reason}"""


class Stored(msgspec.Struct, frozen=True, rename="pascal"):
    """Bytes in the repository."""

    sha256: str
    bytes: int


class File(msgspec.Struct, frozen=True, rename="pascal"):
    """A file of the home, by its path there."""

    path: str
    stored: Stored


class Layer(msgspec.Struct, frozen=True, rename="pascal"):
    """A disk file. `modified_ns` and `inode` are those of the file that was read: the next backup does not read an
    unchanged file again."""

    name: str
    stored: Stored
    modified_ns: int
    inode: int


class Volume(msgspec.Struct, frozen=True, rename="pascal"):
    """A volume: the bytes of a layer (null: zeros), and zeros up to its size in bytes."""

    layer: str | None
    size_bytes: int


class Bucket(msgspec.Struct, frozen=True, rename="pascal"):
    """A bucket of the region's object store, and its account. The backup does not contain its objects."""

    name: str
    account_id: str


class Manifest(msgspec.Struct, frozen=True, rename="pascal"):
    """One backup. `damaged` has the unreadable volumes and snapshots, with the reason. Each layer comes after its
    backing layer."""

    version: int
    backup_id: str
    date: str
    region: str
    region_id: str
    database: Stored
    files: tuple[File, ...]
    layers: tuple[Layer, ...]
    volumes: Mapping[str, Volume]
    snapshots: Mapping[str, str]
    buckets: tuple[Bucket, ...] = ()
    damaged: Mapping[str, str] = {}

    @property
    def stored(self) -> list[Stored]:
        """Everything in the repository that the backup needs."""
        return [self.database, *(each.stored for each in self.files), *(each.stored for each in self.layers)]


class Marker(msgspec.Struct, frozen=True, rename="pascal"):
    """The region that the repository belongs to."""

    version: int
    region_id: str


Record = TypeVar("Record", Manifest, Marker)


def object_key(sha256: str) -> str:
    """The key of an object with this SHA-256."""
    return f"objects/{sha256[:2]}/{sha256}"


def backup_key(backup_id: str) -> str:
    """The key of a backup's manifest."""
    return f"{BACKUPS}{backup_id}.json"


def write(record: Manifest | Marker) -> bytes:
    """A record as JSON."""
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def read_marker(data: bytes) -> Marker:
    """Raises: BadBackup."""
    return _checked(_decoded(data, Marker))


def read_manifest(data: bytes) -> Manifest:
    """Read a manifest. Its names become names of files, so names that leave the home are refused.

    Raises:
        BadBackup.
    """
    manifest = _checked(_decoded(data, Manifest))
    names = [
        *((RELATIVE_PATH, file.path) for file in manifest.files),
        *((LAYER, layer.name) for layer in manifest.layers),
        *((ID, resource_id) for resource_id in (*manifest.volumes, *manifest.snapshots)),
        *((SHA256, stored.sha256) for stored in manifest.stored),
    ]
    for pattern, name in names:
        if pattern.fullmatch(name) is None:
            raise BadBackup(reason=f"{name!r} is not the name of a backup")
    known = {layer.name for layer in manifest.layers}
    pointed = {*manifest.snapshots.values(), *(each.layer for each in manifest.volumes.values())}
    if missing := sorted(name for name in pointed if name is not None and name not in known):
        raise BadBackup(reason=f"the layer {missing[0]} is missing")
    return manifest


def _decoded(data: bytes, kind: type[Record]) -> Record:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise BadBackup(reason=str(error)) from error


def _checked(record: Record) -> Record:
    if record.version != VERSION:
        raise BadBackup(reason=f"it has version {record.version}, not {VERSION}: install a newer Souche")
    return record
