"""Restores a region from a backup, into a new home.

The records come last, by a rename or by one transaction of a database server: a home with disks and without records is
not served. The same command continues an interrupted restore; existing files were checked when they were written. Once
the records exist, no disk is written any more: the region may have been served since.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

from souche.backup import manifest as manifests
from souche.backup.make import OnProgress
from souche.backup.manifest import BACKUPS, BadBackup, Manifest, Stored
from souche.backup.repository import NotInBackup, Repository, fetch
from souche.errors import Conflict, NotFound
from souche.storage.qcow2.archive import Archive, FrozenVolume, StoreSnapshot
from souche.synced import sync_directory, sync_file

PRIVATE_FOLDER: Final = 0o700
PRIVATE: Final = 0o600
RESTORING: Final = "restoring"
"""a file in the home that exists until the restore is complete. It contains the backup's id and, if the records go to a
database server, a random token, by which they are recognised there"""
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
        reason = f"{error.fields['reason']} ({backup_id}; `--backup ID` restores another one)"
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


class Server(Protocol):
    """A database of a server, for the records of the restored region."""

    def has(self, token: str) -> bool:
        """Whether it has the records of the restore with this token.

        Raises:
            SystemFailure: the server cannot be used. Conflict: the database has something else.
        """
        ...

    def load(self, token: str, file: Path) -> None:
        """Load the records from a SQLite file, in one transaction, together with the token."""
        ...

    def keep(self) -> None:
        """Record in the home which database has the records."""
        ...


def restore(
    repository: Repository,
    manifest: Manifest,
    home: Path,
    open_archive: Callable[[Path], Archive],
    on_progress: OnProgress,
    server: Server | None = None,
) -> None:
    """Restore the region into `home`, which is missing, empty, or an interrupted restore of the same backup. `server`:
    of the database for its records; None: they go into the home.

    Raises:
        HomeNotEmpty: it holds something else, or has been served.
        NotInBackup, DamagedObject, StorageFailed; those of the object store, and of the server. If the server refuses,
        nothing was changed.
    """
    mark = _mark(home, manifest.backup_id, has_token=server is not None)
    records = _InHome(home) if server is None else _OnServer(home, server, mark.token)
    is_complete = records.are_there()
    _begin(home, mark)
    writer = _Writer(repository, on_progress, sum(stored.bytes for stored in manifest.stored))
    if not is_complete:
        _write_disks(writer, manifest, home, open_archive)
        records.write(writer, manifest.database)
    records.finish()
    (home / RESTORING).unlink()
    sync_directory(home)


@dataclass(frozen=True)
class _InHome:
    """The records as a file in the home."""

    home: Path

    def are_there(self) -> bool:
        return (self.home / RECORDS).exists()

    def write(self, writer: "_Writer", stored: Stored) -> None:
        writer.replace(stored, self.home / RECORDS)

    def finish(self) -> None:
        """Does nothing: the file is all."""


@dataclass(frozen=True)
class _OnServer:
    """The records in a database of a server. Their file is in the home until the restore is complete."""

    home: Path
    server: Server
    token: str

    @property
    def file(self) -> Path:
        return self.home / f".{RECORDS}.loading"

    def are_there(self) -> bool:
        return self.server.has(self.token)

    def write(self, writer: "_Writer", stored: Stored) -> None:
        self._remove_file()  # a former write-ahead log would change the new file
        writer.replace(stored, self.file)
        writer.report("loading records")
        self.server.load(self.token, self.file)

    def finish(self) -> None:
        self.server.keep()
        self._remove_file()

    def _remove_file(self) -> None:
        for file in self.home.glob(f"{self.file.name}*"):  # with its write-ahead log
            file.unlink()


def _write_disks(
    writer: "_Writer", manifest: Manifest, home: Path, open_archive: Callable[[Path], Archive]
) -> None:
    """The disks, and the files beside the records."""
    archive = open_archive(home)
    for layer in manifest.layers:
        archive.restore_layer(layer.name, layer.stored.sha256, partial(writer.write, layer.stored))
    archive.restore_names(_held(manifest))
    for file in manifest.files:
        target = home / file.path
        target.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        writer.replace(file.stored, target)


@dataclass(frozen=True)
class _Mark:
    """The contents of the file RESTORING."""

    backup_id: str
    token: str

    @property
    def text(self) -> str:
        return f"{self.backup_id} {self.token}".rstrip()


def _mark(home: Path, backup_id: str, *, has_token: bool) -> _Mark:
    """The mark of the interrupted restore in a home, or of a new one. Changes nothing.

    Raises:
        HomeNotEmpty: it is neither a new home nor an interrupted restore of this backup into this kind of database.
    """
    marker = home / RESTORING
    new = _Mark(backup_id, uuid4().hex if has_token else "")
    if marker.exists() and not (home / SERVING).exists():
        former_id, _, token = marker.read_text().partition(" ")
        if not former_id:  # a restore was killed before writing it
            return new
        if former_id == backup_id and bool(token) == has_token:
            return _Mark(backup_id, token)
    if home.exists() and any(home.iterdir()):
        raise HomeNotEmpty(home=home)
    return new


def _begin(home: Path, mark: _Mark) -> None:
    """Make the home and write the mark, durably: after a power failure the records on a server are recognised."""
    marker = home / RESTORING
    home.mkdir(parents=True, exist_ok=True)
    if not marker.exists():
        home.chmod(0o711)
        marker.touch(PRIVATE)
    if marker.read_text() != mark.text:
        marker.write_text(mark.text)
    sync_file(marker)
    sync_directory(home)


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

    def report(self, step: str) -> None:
        """Show another step."""
        self._on_progress(step, self._done, self._total)

    def _received(self, count: int) -> None:
        self._done += count
        self._on_progress("copying", self._done, self._total)
