"""The key of the vault, and the modes of files with secrets."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from souche.db import access_keys
from souche.fsck.findings import Finding, Repair, Tools
from souche.fsck.look import Observation
from souche.signing import SigningKey, SigningKeyDamaged
from souche.vault import Vault, VaultKeyDamaged, VaultKeyWrong

RESTORE: Final = "put vault.key back from a backup: without it no access key works"
RESTORE_SIGNING: Final = "put it back from a backup, or remove it: the next start makes another key"
OTHERS: Final = 0o077


def check(look: Observation) -> Iterator[Finding]:
    """The vault's key opens its secrets; it, the signing key and the databases are private to their owner."""
    key = look.region.vault_key
    sealed = access_keys.any_sealed(look.connection)
    if not key.exists():
        if sealed is not None:
            yield Finding(
                "VaultKeyMissing", key.name, "it is missing, and secrets are sealed with it", advice=RESTORE
            )
    elif sealed is not None and not _opens(key, sealed):
        yield Finding(
            "VaultKeyWrong", key.name, "it is not the key that secrets are sealed with", advice=RESTORE
        )
    signing_key = look.region.signing_key
    if key.exists() and signing_key.exists() and not _is_whole(signing_key, key):
        what = "vault.key does not open it: the region does not start"
        yield Finding("SigningKeyDamaged", signing_key.name, what, advice=RESTORE_SIGNING)
    for file in (key, signing_key, look.region.database, look.region.journal):
        if file is not None and file.exists() and stat.S_IMODE(file.stat().st_mode) & OTHERS:
            what = "others on this machine can read it"
            yield Finding(
                "FileOpen", file.name, what, repair=Repair("only its owner may read it", _closing(file))
            )


def _opens(key: Path, sealed: bytes) -> bool:
    try:
        Vault.open(key).unseal(sealed)
    except (VaultKeyWrong, ValueError):
        return False
    return True


def _is_whole(signing_key: Path, vault_key: Path) -> bool:
    try:
        SigningKey.open(signing_key, Vault.open(vault_key))
    except VaultKeyDamaged:
        return True  # the fault is in the vault's key
    except SigningKeyDamaged:
        return False
    return True


def _closing(file: Path) -> Callable[[Tools], None]:
    def close(_tools: Tools) -> None:
        file.chmod(0o600)

    return close
