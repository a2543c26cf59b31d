"""The layout of a region's home folder, and its locks."""

import errno
import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, TypeAlias

from souche.errors import Conflict, SystemFailure

OTHERS: Final = 0o077
"""mode bits of the group and of others"""
PRIVATE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
AUTHORITY: Final = "ca.pem"
"""in `tls/`: the certificate of the region's own authority"""


Fact: TypeAlias = str | float | None
Facts: TypeAlias = Mapping[str, Fact]


class HomeInUse(Conflict):
    """Another process serves the region in {home}."""


class UpdateUnderWay(Conflict):
    """Another process updates the images of the region in {home}."""


class HomeBeingReplaced(Conflict):
    """The region in {home} is being saved as a state, or replaced by one: try again when that has ended."""


class HomeUnwritable(SystemFailure):
    """{path} cannot be written ({reason}): make it writable for the user that runs Souche, or choose another --home."""


class ServingDamaged(SystemFailure):
    """{file} is damaged: start the region (`souche serve`), which writes it again."""


class NotServed(SystemFailure):
    """No region has been served from {home} yet: start one with `souche serve --home {home}`."""


@dataclass(frozen=True)
class Home:
    """The names of the files in the home."""

    path: Path

    @property
    def database(self) -> Path:
        return self.path / "region.sqlite"

    @property
    def database_place(self) -> Path:
        """Names the PostgreSQL database with the records, if there is one (`main/records.py`)."""
        return self.path / "database.json"

    @property
    def loading(self) -> Path:
        """Exists while a named state takes the place of the region's contents (`main/state_loading.py`)."""
        return self.path / "loading.json"

    @property
    def journal(self) -> Path:
        return self.path / "journal.sqlite"

    @property
    def vault_key(self) -> Path:
        return self.path / "vault.key"

    @property
    def signing_key(self) -> Path:
        """The key that signs exports, sealed by the vault."""
        return self.path / "signing.key"

    @property
    def staging(self) -> Path:
        """Disk files before they enter the store."""
        return self.path / "staging"

    @property
    def ballast(self) -> Path:
        """Takes up space until nothing else is left (`reconcile/space.py`)."""
        return self.path / "ballast"

    @property
    def trash_ages(self) -> Path:
        """For how long each disk in the trash was there while the region was served (`reconcile/trash.py`)."""
        return self.path / "trash-ages.json"

    @property
    def faults(self) -> Path:
        """Injected faults (`souche fault`), of a region that allows them."""
        return self.path / "faults.json"

    @property
    def disks(self) -> Path:
        """The volume store."""
        return self.path / "disks"

    @property
    def region_id(self) -> Path:
        """The id of the region, also in `disks_region_id` and in the database (`main/identity.py`)."""
        return self.path / "region-id"

    @property
    def disks_region_id(self) -> Path:
        return self.disks / "region-id"

    @property
    def oos(self) -> Path:
        """The embedded object store."""
        return self.path / "oos"

    @property
    def oos_data(self) -> Path:
        """The contents of its buckets, and their owners."""
        return self.oos / "data"

    @property
    def tls(self) -> Path:
        """The region's own certificate (`main/self_signed.py`)."""
        return self.path / "tls"

    @property
    def authority(self) -> Path:
        """The certificate of the region's own authority, which clients of `--tls-self-signed` trust."""
        return self.tls / AUTHORITY

    @property
    def operator(self) -> Path:
        """The folder of the socket for commands (`admin/wire.py`)."""
        return self.path / "operator"

    @property
    def serving(self) -> Path:
        return self.path / "serving.json"

    def media(self) -> dict[str, Path]:
        """The existing folders, by name, that may be on separate media."""
        folders = {"home": self.path, "staging": self.staging, "disks": self.disks, "oos": self.oos}
        return {name: folder for name, folder in folders.items() if folder.is_dir()}

    def make(self) -> None:
        """Create the folder if it is missing. Another user opens guests' disks, so that user must be able to traverse
        it, for any umask.

        Raises:
            HomeUnwritable.
        """
        for folder, mode in ((self.path, 0o711), (self.staging, PRIVATE_FOLDER)):
            with _writable(folder):
                if not folder.exists():
                    folder.mkdir(parents=True)
                    folder.chmod(mode)
                elif not folder.is_dir():
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
                elif not os.access(folder, os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, _why(folder))

    def narrow(self, readers: int | None) -> None:
        """Close the files in the home to other users: an earlier Souche left disks readable by all.

        `readers` is the group of QEMU's user. It can read the layers, and traverse the folders above them and above the
        guests' own files. None: no other user needs access. Later files follow the mode of `disks/` (see
        `storage/qcow2/directory`). Not changed: the home itself, whose mode the operator chooses, the object store's
        files, and `tls/`, whose modes are right from the start, as clients read the authority's certificate.
        """
        disks = self.disks.resolve()  # may be a link to another file system
        layers, guests = disks / "layers", self.path / "guests"
        for root, folders, files in chain(os.walk(self.path), os.walk(disks)):
            folder = Path(root)
            if folder == self.path:
                folders[:] = [name for name in folders if name not in self._own_modes]
            else:
                shared = folder in (disks, layers, guests) or folder.parent == guests
                _close(folder, 0o710 if shared else PRIVATE_FOLDER, readers)
            for name in files:
                _close(folder / name, 0o640 if folder == layers else PRIVATE, readers)

    @property
    def _own_modes(self) -> tuple[str, ...]:
        """Folders that `narrow` leaves alone, or reaches in another way."""
        return (self.oos.name, self.disks.name, self.tls.name)

    def make_disks(self) -> None:
        """Create the folder of the disks if it is missing."""
        if not self.disks.exists():
            self.disks.mkdir()
            self.disks.chmod(PRIVATE_FOLDER)

    def has_disks(self) -> bool:
        """Whether there is any disk, or any link to one."""
        kinds = (self.disks / kind for kind in ("layers", "volumes", "snapshots"))
        return any(any(each.iterdir()) for each in kinds if each.is_dir())

    def has_write_ahead_log(self) -> bool:
        """Whether a write-ahead log holds records that are not in the database file yet."""
        log = self.path / f"{self.database.name}-wal"
        return log.exists() and log.stat().st_size > 0

    def make_databases(self, *, records: bool = True) -> None:
        """Create the files if they are missing, readable by their owner only: they contain user data, and the names of
        all disks. SQLite gives the files beside a database the same mode. `records`: the records are in a file."""
        for database in (self.database, self.journal) if records else (self.journal,):
            database.touch(0o600)
            for file in self.path.glob(f"{database.name}*"):
                with suppress(FileNotFoundError):  # SQLite removes -wal and -shm at the last close
                    if file.stat().st_mode & OTHERS:
                        file.chmod(0o600)

    @contextmanager
    def serve(self) -> Iterator[None]:
        """Be the one process that runs the region's workflows, until the context ends.

        Raises:
            HomeInUse: another one is.
        """
        with self._held("serving.lock", HomeInUse(home=self.path)):
            yield

    @contextmanager
    def update(self) -> Iterator[None]:
        """Be the one process that updates the region's images, until the context ends.

        Raises:
            UpdateUnderWay: another one does.
        """
        with self._held("updating.lock", UpdateUnderWay(home=self.path)):
            yield

    @contextmanager
    def administer(self) -> Iterator[None]:
        """Be one of the processes that work with the region's records, until the context ends.

        Raises:
            HomeBeingReplaced: a named state takes their place.
        """
        with self._held("administered.lock", HomeBeingReplaced(home=self.path), fcntl.LOCK_SH):
            yield

    @contextmanager
    def replace(self) -> Iterator[None]:
        """Be the one process that works with the region's files and its named states, until the context ends.

        Raises:
            HomeInUse: another one works with them.
        """
        with self.serve(), self._held("administered.lock", HomeInUse(home=self.path)):
            yield

    @contextmanager
    def _held(self, name: str, refusal: Conflict, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
        """Hold a lock that no other process has (or none of another kind). It ends with this process."""
        descriptor = os.open(self.path / name, os.O_RDWR | os.O_CREAT, PRIVATE)
        with os.fdopen(descriptor, "r+") as lock:
            try:
                fcntl.flock(lock, kind | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise refusal from error
            yield

    def is_served(self) -> bool:
        """Whether a process serves the region at this moment."""
        try:
            with self.serve():
                return False
        except HomeInUse:
            return True

    def record_facts(self, facts: Facts) -> None:
        """Record the facts of the running server, for `read`."""
        write_whole(self.serving, json.dumps(facts, indent=2) + "\n", PRIVATE)

    def read(self) -> dict[str, Fact]:
        """The last recorded facts of a server; its process may have ended since.

        Raises:
            NotServed: there are none. ServingDamaged.
        """
        try:
            facts: dict[str, Fact] = json.loads(self.serving.read_text())
        except FileNotFoundError as error:
            raise NotServed(home=self.path) from error
        except ValueError as error:
            raise ServingDamaged(file=self.serving) from error
        return facts

    def server_facts(self) -> dict[str, Fact]:
        """The last recorded facts of a server; empty if there are none, or they cannot be read."""
        try:
            return self.read()
        except (NotServed, ServingDamaged):
            return {}


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HomeUnwritable(path=path, reason=error.strerror) from error


def _why(folder: Path) -> str:
    """Why a folder cannot be written."""
    read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    return os.strerror(errno.EROFS if read_only else errno.EACCES)


def write_whole(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file atomically and durably."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _close(path: Path, most: int, readers: int | None) -> None:
    """Reduce a mode to that of its owner and of the group of readers; links have none, and a missing file needs
    none."""
    with suppress(FileNotFoundError):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            return
        for_readers = most & OTHERS if readers is not None else 0
        if for_readers and readers is not None and status.st_gid != readers:
            os.chown(path, -1, readers)
        mode = (most | (status.st_mode & 0o100)) & ~OTHERS | for_readers
        if status.st_mode & 0o7777 != mode:
            path.chmod(mode)
