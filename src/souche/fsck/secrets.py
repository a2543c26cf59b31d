"""The key that seals secrets, and who may read the files that hold them."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from souche.db import access_keys
from souche.fsck.findings import Finding, Repair, Tools
from souche.fsck.look import Look
from souche.vault import Vault, VaultKeyWrong

RESTORE: Final = "put vault.key back from a backup: without it no access key works"
OTHERS: Final = 0o077


def check(look: Look) -> Iterator[Finding]:
    """The vault's key opens what is sealed with it; it and the databases are for their owner only."""
    key = look.region.vault_key
    sealed = access_keys.any_sealed(look.connection)
    if not key.exists():
        if sealed is not None:
            yield Finding(
                "VaultKeyMissing", key.name, "secrets are sealed with a key that is not there", advice=RESTORE
            )
    elif sealed is not None and not _opens(key, sealed):
        yield Finding(
            "VaultKeyWrong", key.name, "it is not the key that secrets are sealed with", advice=RESTORE
        )
    for file in (key, look.region.database, look.region.journal):
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & OTHERS:
            what = "others on this machine can read it"
            yield Finding(
                "FileOpen", file.name, what, repair=Repair("it is for its owner only", _closing(file))
            )


def _opens(key: Path, sealed: bytes) -> bool:
    try:
        Vault.open(key).unseal(sealed)
    except (VaultKeyWrong, ValueError):
        return False
    return True


def _closing(file: Path) -> Callable[[Tools], None]:
    def close(_tools: Tools) -> None:
        file.chmod(0o600)

    return close
