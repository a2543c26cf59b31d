"""Backups in a folder, on a disk or on a mounted file server."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from souche.backup.repository import (
    CHUNK_BYTES,
    BackupFailed,
    NotInBackup,
    Progress,
    RepositoryInUse,
)

OWNER_ONLY: Final = 0o700
DRAFTS: Final = ".drafts"


class FolderRepository:
    """A `Repository` in a folder that only its owner can enter: it holds the key of every secret."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._errors():
            if self._root.exists() and not self._root.is_dir():
                raise BackupFailed(reason=f"{self._root} is a file, not a folder")
            self._root.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
            lock = os.fdopen(os.open(self._root / ".lock", os.O_RDWR | os.O_CREAT, 0o600), "w")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RepositoryInUse(place=self._root) from error
            shutil.rmtree(self._root / DRAFTS, ignore_errors=True)
            yield

    def keys(self, prefix: str) -> list[str]:
        folder = self._root / prefix
        with self._errors(prefix):
            if not folder.is_dir():
                return []
            return sorted(
                str(path.relative_to(self._root))
                for path in folder.rglob("*")
                if path.is_file() and not path.name.startswith(".")
            )

    def size(self, key: str) -> int | None:
        try:
            with self._errors(key):
                return (self._root / key).stat().st_size
        except NotInBackup:
            return None

    def read(self, key: str) -> bytes:
        with self._errors(key):
            return (self._root / key).read_bytes()

    def write(self, key: str, data: bytes) -> None:
        with self._errors(key), self._draft(key) as draft:
            draft.write(data)

    def put_file(self, key: str, path: Path, progress: Progress) -> None:
        with self._errors(key), path.open("rb", buffering=0) as source, self._draft(key) as draft:
            _copy(source, draft, progress)

    def get_file(self, key: str, path: Path, progress: Progress) -> None:
        with self._errors(key):
            source = (self._root / key).open("rb", buffering=0)
        with source, _named(path), path.open("wb") as target:
            while chunk := self._chunk(key, source):
                target.write(chunk)
                progress(len(chunk))

    def _chunk(self, key: str, source: BinaryIO) -> bytes:
        with self._errors(key):
            return source.read(CHUNK_BYTES)

    @contextmanager
    def _draft(self, key: str) -> Iterator[BinaryIO]:
        """A file that gets its name when it is whole and durable."""
        target = self._root / key
        for folder in (self._root / DRAFTS, target.parent):
            folder.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._root / DRAFTS)
        try:
            with os.fdopen(descriptor, "wb") as draft:
                yield draft
                draft.flush()
                os.fsync(draft.fileno())
            Path(name).rename(target)
            _sync_folders(target.parent, self._root)
        finally:
            Path(name).unlink(missing_ok=True)

    @contextmanager
    def _errors(self, key: str = "") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if key and isinstance(error, FileNotFoundError):
                raise NotInBackup(key=key) from error
            raise BackupFailed(reason=f"{error.filename or self._root}: {error.strerror}") from error


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Adds the file's name to an error of the system, which is not the backup's."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, error.filename or str(path)) from error


def _copy(source: BinaryIO, target: BinaryIO, progress: Progress) -> None:
    while chunk := source.read(CHUNK_BYTES):
        target.write(chunk)
        progress(len(chunk))


def _sync_folders(folder: Path, root: Path) -> None:
    """Sync the directories of a new name, up to and including `root`."""
    for each in (folder, *folder.parents):
        descriptor = os.open(each, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if each == root:
            return
