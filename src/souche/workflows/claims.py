"""The operations that this process may run (`db/claims.py`).

A worker claims an operation before it begins it, and checks before each step that it still has the claim. Otherwise the
run stops and changes nothing more: another worker runs the operation, from its first step (the third law of
`engine.py`).
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from souche.db import claims, operations
from souche.db.store import Store
from souche.errors import Unavailable
from souche.model.workers import Worker, new_worker
from souche.workflows.engine import BrokenOff, Journal

BEAT_SECONDS: Final = 5.0
"""A lease lasts six heartbeats, so some may be missed."""

log = structlog.get_logger()


class ClaimLost(BrokenOff):
    """The operation is done, or another worker runs it."""


@dataclass(frozen=True)
class Claims:
    """The claims of this process."""

    store: Store
    worker: Worker = field(default_factory=new_worker)

    def adopt(self, former: Sequence[str], known: Sequence[str]) -> set[str]:
        """Continue operations of the earlier starts of this process, and claim the unclaimed ones that its journal
        knows. Returns them."""
        with self.store.begin() as connection:
            return claims.adopt(connection, self.worker, former, known)

    def take(self, operation_ids: Sequence[str]) -> set[str]:
        """Claim operations. Returns those that this worker got."""
        with self.store.begin() as connection:
            return claims.take(connection, self.worker, operation_ids)

    def outstanding(self) -> tuple[list[str], set[str]]:
        """The ids of all operations, oldest first, and of this worker's, read at one moment."""
        with self.store.read() as connection:
            every = [operation.operation_id for operation in operations.outstanding(connection)]
            return every, claims.of_worker(connection, self.worker.worker_id)

    def check(self, operation_id: str) -> None:
        """Check that this worker still has the claim.

        Raises:
            ClaimLost.
        """
        with self.store.reader() as reader:
            if not claims.is_own(reader, self.worker.worker_id, operation_id):
                raise ClaimLost

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Write this worker's heartbeats while the context lives, if other processes can reach the records."""
        if not self.store.database.is_shared:
            yield
            return
        self._beat()
        ending = threading.Event()
        thread = threading.Thread(target=self._keep, args=(ending,), name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join(BEAT_SECONDS)

    def _keep(self, ending: threading.Event) -> None:
        while not ending.wait(BEAT_SECONDS):
            try:
                self._beat()
            except Exception as error:
                log.warning("no heartbeat", reason=str(error))

    def _beat(self) -> None:
        with self.store.begin() as connection:
            claims.beat(connection, self.worker)
        self.store.history()  # often enough to recognise an older copy by its shorter log


@dataclass(frozen=True)
class Fenced:
    """A journal whose steps begin, and are retried, only while `check` raises nothing."""

    journal: Journal
    check: Callable[[], None]

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> str | None:
        is_checked = True
        try:
            self.check()
        except Unavailable:  # the database is away: the step waits for it
            is_checked = False

        def act() -> None:
            nonlocal is_checked
            if not is_checked:
                self.check()
            is_checked = False
            action()

        return self.journal.once(name, act, until_success=until_success)
