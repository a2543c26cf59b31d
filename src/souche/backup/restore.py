"""Restores a region from a backup, into a new home.

The records come last, by a rename: a home with disks and without records is not served. The same command continues an
interrupted restore; existing files were checked when they were written. Once the records exist, nothing is written any
more: the region may have been served since.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from souche.backup import manifest as manifests
from souche.backup.make import OnProgress
from souche.backup.manifest import BACKUPS, BadBackup, Manifest, Stored
from souche.backup.repository import NotInBackup, Repository, fetch
from souche.errors import Conflict, NotFound
from souche.storage.qcow2.archive import Archive, FrozenVolume, StoreSnapshot
from souche.storage.qcow2.durable import sync_directory, sync_file

PRIVATE_FOLDER: Final = 0o700
PRIVATE: Final = 0o600
RESTORING: Final = "restoring"
"""a file in the home that exists until the restore is complete; it contains the backup's id"""
RECORDS: Final = "region.sqlite"
SERVING: Final = "serving.json"
"""exists if the region was ever served"""


class NoSuchBackup(NotFound):
    """There is no backup {backup_id} in that place (`souche backup list` lists the backups)."""


class NoBackups(NotFound):
    """There is no backup in that place."""


class HomeNotEmpty(Conflict):
    """{home} is not empty: a backup is restored into a new folder."""


def find(repository: Repository, backup_id: str | None) -> Manifest:
    """A backup, or the newest if none is named.

    Raises:
        NoSuchBackup, NoBackups, BadBackup.
    """
    if backup_id is None:
        keys = repository.keys(BACKUPS)
        if not keys:
            raise NoBackups
        backup_id = Path(keys[-1]).stem
    try:
        return manifests.read_manifest(repository.read(manifests.backup_key(backup_id)))
    except NotInBackup as error:
        raise NoSuchBackup(backup_id=backup_id) from error
    except BadBackup as error:
        reason = f"{error.fields['reason']} ({backup_id}; `--backup ID` takes another)"
        raise BadBackup(reason=reason) from error


@dataclass(frozen=True)
class BackupEntry:
    """A backup, by its id. `manifest` is None if it cannot be read; `problem` then says why."""

    backup_id: str
    manifest: Manifest | None
    problem: str = ""


def every(repository: Repository) -> list[BackupEntry]:
    """Every backup of the repository, oldest first: at least one. An unreadable one does not hide the others.

    Raises:
        NoBackups; those of the object store.
    """
    keys = repository.keys(BACKUPS)
    if not keys:
        raise NoBackups
    return [_listed(repository, key) for key in keys]


def _listed(repository: Repository, key: str) -> BackupEntry:
    backup_id = Path(key).stem
    try:
        return BackupEntry(backup_id, manifests.read_manifest(repository.read(key)))
    except (BadBackup, NotInBackup) as error:
        return BackupEntry(backup_id, None, str(error))


def restore(
    repository: Repository,
    manifest: Manifest,
    home: Path,
    open_archive: Callable[[Path], Archive],
    on_progress: OnProgress,
) -> None:
    """Restore the region into `home`, which is missing, empty, or an interrupted restore of the same backup.

    Raises:
        HomeNotEmpty: it holds something else, or has been served.
        NotInBackup, DamagedObject, StorageFailed; those of the object store.
    """
    _begin(home, manifest.backup_id)
    if not (home / RECORDS).exists():
        _write(repository, manifest, home, open_archive, on_progress)
    (home / RESTORING).unlink()
    sync_directory(home)


def _write(
    repository: Repository,
    manifest: Manifest,
    home: Path,
    open_archive: Callable[[Path], Archive],
    on_progress: OnProgress,
) -> None:
    archive = open_archive(home)
    writer = _Writer(repository, on_progress, sum(stored.bytes for stored in manifest.stored))
    for layer in manifest.layers:
        archive.restore_layer(layer.name, layer.stored.sha256, partial(writer.write, layer.stored))
    archive.restore_names(_held(manifest))
    for file in manifest.files:
        target = home / file.path
        target.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        writer.replace(file.stored, target)
    writer.replace(manifest.database, home / RECORDS)


def _begin(home: Path, backup_id: str) -> None:
    marker = home / RESTORING
    home.mkdir(parents=True, exist_ok=True)
    if (
        marker.exists() and not (home / SERVING).exists() and marker.read_text() in (backup_id, "")
    ):  # empty: a restore was killed before writing it
        marker.write_text(backup_id)
        return
    if any(home.iterdir()):
        raise HomeNotEmpty(home=home)
    home.chmod(0o711)
    marker.touch(PRIVATE)
    marker.write_text(backup_id)


def _held(manifest: Manifest) -> StoreSnapshot:
    volumes = {
        name: FrozenVolume(volume.layer, volume.size_bytes) for name, volume in manifest.volumes.items()
    }
    return StoreSnapshot((), volumes, manifest.snapshots, {})


class _Writer:
    """Writes files, and checks their hashes."""

    def __init__(self, repository: Repository, on_progress: OnProgress, total_bytes: int) -> None:
        self._repository = repository
        self._on_progress = on_progress
        self._done = 0
        self._total = total_bytes

    def write(self, stored: Stored, path: Path) -> None:
        """Write a new file."""
        fetch(self._repository, stored, path, self._received)

    def replace(self, stored: Stored, path: Path) -> None:
        """Atomically write a file that only its owner may read."""
        draft = path.with_name(f".{path.name}.restoring")
        draft.unlink(missing_ok=True)
        draft.touch(PRIVATE)
        self.write(stored, draft)
        sync_file(draft)
        draft.replace(path)
        sync_directory(path.parent)

    def _received(self, count: int) -> None:
        self._done += count
        self._on_progress("copying", self._done, self._total)
