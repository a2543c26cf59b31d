"""Secrets at rest: sealed with a key in a file beside the database, readable by its owner only."""

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from souche.errors import SystemFailure


class VaultKeyWrong(SystemFailure):
    """A secret in the database was not sealed with this region's key ({path})."""


class VaultKeyDamaged(SystemFailure):
    """{path} is damaged: put vault.key back from a backup. Without it no secret in the database can be read."""


class Vault:
    """Seals and opens secrets (Fernet: AES-128-CBC with HMAC-SHA256, https://github.com/fernet/spec)."""

    def __init__(self, key: bytes, path: Path | None = None) -> None:
        self._fernet = Fernet(key)
        self._path = path

    @classmethod
    def open(cls, path: Path) -> "Vault":
        """The vault with the key in `path`; the key is created if it is missing.

        Raises:
            VaultKeyDamaged.
        """
        if not path.exists():
            write_once(path, Fernet.generate_key())
        try:
            return cls(path.read_bytes().strip(), path)
        except ValueError as error:
            raise VaultKeyDamaged(path=path) from error

    def seal(self, secret: str) -> bytes:
        """Encrypt a secret for the database."""
        return self._fernet.encrypt(secret.encode())

    def unseal(self, sealed: bytes) -> str:
        """Decrypt what `seal` made.

        Raises:
            VaultKeyWrong: it was sealed with another key.
        """
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as error:
            raise VaultKeyWrong(path=self._path) from error


def write_once(path: Path, key: bytes) -> None:
    """Write a key, for its owner only, so that it appears whole or not at all, and never over another process's."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Without the key's name on the medium, no secret that is sealed with it is ever opened again."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
