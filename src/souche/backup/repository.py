"""The contract of a place for backups: keys and bytes. `folder.py` and `bucket.py` implement it."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from souche.backup.manifest import Stored, object_key
from souche.errors import Conflict, SystemFailure

CHUNK_BYTES: Final = 4 * 1024 * 1024

Progress: TypeAlias = Callable[[int], None]
"""Called with the number of bytes done since the last call."""


class BackupFailed(SystemFailure):
    """The backup failed: {reason}"""


class NotInBackup(SystemFailure):
    """The backup is incomplete: {key} is missing."""


class DamagedObject(SystemFailure):
    """The backup is damaged: {key} does not contain its original bytes."""


class RepositoryInUse(Conflict):
    """Another process writes to the backups in {place}."""


class Repository(Protocol):
    """Keys are relative paths with `/`. An object exists completely or not at all; it is durable when a method returns.
    Every method raises BackupFailed, or the object store's errors."""

    def alone(self) -> AbstractContextManager[None]:
        """Keep other writers out until the context ends, if the place supports it.

        Raises:
            RepositoryInUse.
        """
        ...

    def keys(self, prefix: str) -> list[str]:
        """Every key that begins with `prefix`, sorted."""
        ...

    def size(self, key: str) -> int | None:
        """The number of bytes of an object; None if there is none."""
        ...

    def read(self, key: str) -> bytes:
        """A small object.

        Raises:
            NotInBackup.
        """
        ...

    def write(self, key: str, data: bytes) -> None:
        """Write a small object."""
        ...

    def put_file(self, key: str, path: Path, progress: Progress) -> None:
        """Write a file's bytes."""
        ...

    def get_file(self, key: str, path: Path, progress: Progress) -> None:
        """Write an object's bytes to a new file.

        Raises:
            NotInBackup.
        """
        ...


def hash_file(path: Path, progress: Progress | None = None) -> Stored:
    """The SHA-256 and the length of a file."""
    digest, length = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            length += len(chunk)
            if progress is not None:
                progress(len(chunk))
    return Stored(digest.hexdigest(), length)


def fetch(repository: Repository, stored: Stored, path: Path, progress: Progress) -> None:
    """Write an object's bytes to a new file, and check them.

    Raises:
        NotInBackup, DamagedObject.
    """
    key = object_key(stored.sha256)
    repository.get_file(key, path, progress)
    if hash_file(path) != stored:
        raise DamagedObject(key=key)
