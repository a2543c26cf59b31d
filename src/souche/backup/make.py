"""Making a backup.

1. Capture every volume that has bytes outside of layers, the volumes of one VM at one instant; guests continue to run.
2. At one instant, under the store's lock: begin a transaction that reads the records, and hold every layer by a hard
   link. If a volume was created or started after step 1, repeat step 1, a few times at most.
3. Copy the records that the transaction sees, and end it. Then copy the files that the repository lacks. If the
   repository has an object with a layer's recorded hash, it is used, even if the file has been damaged since.
   Otherwise, if a layer's hash differs from its record, or the layer cannot be read, everything that depends on it is
   left out and listed. The manifest is written last, so a backup is complete or does not exist.
"""

import errno
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from souche import ids
from souche.backup import manifest as manifests
from souche.backup.manifest import (
    BACKUPS,
    MARKER,
    VERSION,
    BadBackup,
    Bucket,
    File,
    Layer,
    Manifest,
    Marker,
    Stored,
    Volume,
)
from souche.backup.repository import BackupFailed, NotInBackup, Repository, hash_file
from souche.storage.qcow2.archive import Archive, HeldLayer, StoreSnapshot
from souche.storage.qcow2.hashes import UNREADABLE
from souche.storage.qcow2.records import OTHER_BYTES

ROUNDS: Final = 5
HOME_FILES: Final = ("vault.key", "signing.key", "guests/*/uefi-variables.fd")
"""in the home, in addition to records and disks"""

UNREADABLE_ERRORS: Final = frozenset({errno.EIO, errno.EUCLEAN, errno.EBADMSG})
"""Errors of a medium. File systems report a corrupted structure as EUCLEAN, and a wrong checksum as EBADMSG (XFS, ext4:
EFSCORRUPTED, EFSBADCRC)."""

OnProgress: TypeAlias = Callable[[str, int, int | None], None]
"""Called with the current step, the bytes done and the total (None: unknown yet)."""


@dataclass(frozen=True)
class FrozenRecords:
    """The records at one instant. `copy` writes them to a new SQLite file. `written` has the ids of the volumes that a
    guest may have been writing to."""

    written: Collection[str]
    copy: Callable[[Path], None]


class Records(Protocol):
    """The region's records, and its guests."""

    def frozen(self) -> AbstractContextManager[FrozenRecords]:
        """The records as they are when the context begins. Other processes may write meanwhile."""
        ...

    def buckets(self) -> Sequence[Bucket]:
        """The buckets of the region's object store."""
        ...

    def capture(self, backup_id: str, volume_ids: Sequence[str]) -> None:
        """Capture the volumes, into `ids.backup_capture`; one that cannot be captured is left out."""
        ...


@dataclass(frozen=True)
class Source:
    """The region to back up."""

    home: Path
    region: str
    region_id: str
    archive: Archive
    records: Records


@dataclass(frozen=True)
class MadeBackup:
    """A backup. `new_bytes` were not in the repository before; `uncaptured` volumes are in the backup only as of their
    last capture."""

    manifest: Manifest
    new_bytes: int
    uncaptured: tuple[str, ...]


def make(source: Source, repository: Repository, now: datetime, on_progress: OnProgress) -> MadeBackup:
    """Back up a region.

    Raises:
        BackupFailed, RepositoryInUse, StorageFailed; those of the object store.
    """
    backup_id = ids.new_backup(now)
    with repository.alone(), tempfile.TemporaryDirectory(dir=source.home, prefix=".backup-") as place:
        claim(repository, source.region_id)
        database = Path(place) / "region.sqlite"
        for last in (*[False] * (ROUNDS - 1), True):
            on_progress("capturing volumes", 0, None)
            made = _try(source, repository, now, on_progress, _Draft(backup_id, database, partial=last))
            if isinstance(made, MadeBackup):
                return made
            source.records.capture(backup_id, made)
    raise AssertionError


@dataclass(frozen=True)
class _Draft:
    """A backup to be tried. `partial`: even if volumes are not captured."""

    backup_id: str
    database: Path
    partial: bool


def _try(
    source: Source, repository: Repository, now: datetime, on_progress: OnProgress, draft: _Draft
) -> MadeBackup | tuple[str, ...]:
    """The backup, or the volumes that must be captured first."""
    frozen: FrozenRecords | None = None

    def freeze() -> Collection[str]:
        nonlocal frozen
        frozen = reading.enter_context(source.records.frozen())
        return frozen.written

    with (
        ExitStack() as reading,
        source.archive.hold(draft.backup_id, freeze, partial=draft.partial) as (held, missing),
    ):
        if missing and not draft.partial:
            return missing
        assert frozen is not None, "`hold` has frozen the records"
        on_progress("copying records", 0, None)
        frozen.copy(draft.database)
        reading.close()  # the disks may take hours
        instant = _Instant(draft.backup_id, draft.database, held, missing)
        return _write(source, repository, now, on_progress, instant)


def claim(repository: Repository, region_id: str) -> None:
    """Claim the repository for the region; done already is success.

    Raises:
        BackupFailed: it is another region's, or holds something else.
    """
    try:
        owner = manifests.read_marker(repository.read(MARKER)).region_id
    except NotInBackup:
        if repository.keys(""):
            raise BackupFailed(reason="the place has other files: name an empty one") from None
        repository.write(MARKER, manifests.write(Marker(VERSION, region_id)))
        return
    if owner != region_id:
        raise BackupFailed(reason="the place has the backups of another region: name another one")


@dataclass(frozen=True)
class _Instant:
    """The contents of the backup."""

    backup_id: str
    database: Path
    held: StoreSnapshot
    missing: tuple[str, ...]


def _write(
    source: Source, repository: Repository, now: datetime, on_progress: OnProgress, instant: _Instant
) -> MadeBackup:
    held = instant.held
    buckets = tuple(source.records.buckets())  # before the copy: the server may end meanwhile
    writer = _Writer(repository, on_progress, sum(layer.path.stat().st_size for layer in held.layers))
    known = _known_layers(repository)
    read = [writer.layer(layer, known) for layer in held.layers]
    held = _without_damaged(held, read)
    kept = {layer.name for layer in held.layers}
    paths = sorted(path for pattern in HOME_FILES for path in source.home.glob(pattern))
    files = tuple(File(str(path.relative_to(source.home)), writer.file(path)) for path in paths)
    manifest = Manifest(
        version=VERSION,
        backup_id=instant.backup_id,
        date=now.isoformat(timespec="milliseconds"),
        region=source.region,
        region_id=source.region_id,
        database=writer.file(instant.database),
        files=files,
        layers=tuple(layer for layer in read if layer is not None and layer.name in kept),
        volumes={name: Volume(volume.layer, volume.size_bytes) for name, volume in held.volumes.items()},
        snapshots=held.snapshots,
        buckets=buckets,
        damaged=held.damaged,
    )
    repository.write(manifests.backup_key(instant.backup_id), manifests.write(manifest))
    return MadeBackup(manifest, writer.new_bytes, instant.missing)


def _without_damaged(held: StoreSnapshot, read: Sequence[Layer | None]) -> StoreSnapshot:
    """The contents without unreadable layers, layers found only with another hash than their record's, and everything
    above these."""
    reasons: dict[str, str] = {}
    for layer, copied in zip(held.layers, read, strict=True):
        if copied is None:
            reasons[layer.name] = f"layer {layer.name} {UNREADABLE}"
        elif layer.sha256 not in (None, copied.stored.sha256):
            reasons[layer.name] = f"layer {layer.name} {OTHER_BYTES}"
        elif layer.backing in reasons:
            reasons[layer.name] = reasons[layer.backing]
    tops = {**{name: volume.layer for name, volume in held.volumes.items()}, **held.snapshots}
    damaged = {name: reasons[top] for name, top in tops.items() if top is not None and top in reasons}
    return replace(
        held,
        layers=tuple(layer for layer in held.layers if layer.name not in reasons),
        volumes={name: volume for name, volume in held.volumes.items() if name not in damaged},
        snapshots={name: layer for name, layer in held.snapshots.items() if name not in damaged},
        damaged={**held.damaged, **damaged},
    )


def _known_layers(repository: Repository) -> Mapping[tuple[str, int, int], Stored]:
    """The layers of the last backup, by name, time and inode. A damaged manifest does not prevent a new backup: the
    layers are read again."""
    earlier = repository.keys(BACKUPS)
    if not earlier:
        return {}
    try:
        last = manifests.read_manifest(repository.read(earlier[-1]))
    except BadBackup:
        return {}
    return {(layer.name, layer.modified_ns, layer.inode): layer.stored for layer in last.layers}


class _Writer:
    """Writes the files that the repository lacks."""

    def __init__(self, repository: Repository, on_progress: OnProgress, total_bytes: int) -> None:
        self._repository = repository
        self._on_progress = on_progress
        self._total = total_bytes
        self._done = 0
        self.new_bytes = 0

    def layer(self, held: HeldLayer, known: Mapping[tuple[str, int, int], Stored]) -> Layer | None:
        """Write a layer, unless the repository or the last backup has it. None: the medium cannot read it."""
        status = held.path.stat()
        made = Stored(held.sha256, status.st_size) if held.sha256 is not None else None
        stored = known.get((held.name, status.st_mtime_ns, status.st_ino))
        if made is not None and self._has(made):
            stored = made
        elif stored is None or stored.bytes != status.st_size or not self._has(stored):
            try:
                stored = hash_file(held.path)
            except OSError as error:
                if error.errno not in UNREADABLE_ERRORS:
                    raise
                return None
            if made is None or stored == made:
                self._put(held.path, stored)
        self._done += status.st_size
        self._on_progress("copying disks", self._done, self._total)
        return Layer(held.name, stored, status.st_mtime_ns, status.st_ino)

    def file(self, path: Path) -> Stored:
        """A file."""
        stored = hash_file(path)
        self._put(path, stored)
        return stored

    def _put(self, path: Path, stored: Stored) -> None:
        if not self._has(stored):
            self._repository.put_file(manifests.object_key(stored.sha256), path, self._sent)
            self.new_bytes += stored.bytes

    def _has(self, stored: Stored) -> bool:
        return self._repository.size(manifests.object_key(stored.sha256)) == stored.bytes

    def _sent(self, _count: int) -> None:
        self._on_progress("copying disks", self._done, self._total)
