"""The context of every use-case, and its one transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeAlias

import structlog

from souche.audit_reader import AuditReader
from souche.clock import Clock
from souche.compute.base import GuestNetwork
from souche.db.store import Store
from souche.db.transactions import ConstraintBroken, Transaction
from souche.errors import Raced
from souche.faults import Faults
from souche.ids import IdSource
from souche.model.operations import Operation
from souche.model.workers import Worker
from souche.objects.fetch import Fetcher
from souche.room import ENDLESS, Room
from souche.signing import PublicKey, SigningKey
from souche.vault import Vault
from souche.workflows.enqueue import enqueue

log = structlog.get_logger()


ShareGate: TypeAlias = Literal["off", "public", "all"]


@dataclass
class Work:
    """One open transaction and the operations that it requests."""

    connection: Transaction
    operations: list[Operation] = field(default_factory=list)


class Workflows(Protocol):
    """Runs the region's operations."""

    @property
    def worker(self) -> Worker | None:
        """This process as a worker; None if it runs no operations."""
        ...

    def start(self, operation: Operation) -> None:
        """Start an operation when it is its turn. Starting it twice is harmless."""
        ...

    def wait(self, operation_id: str, timeout_seconds: float) -> bool:
        """Wait for an operation that this process has requested. Returns whether it ended in time."""
        ...


@dataclass(frozen=True)
class Region:
    """A region: its names, its store, and the interface to start operations.

    `console` returns the end of a VM's serial console, `fetcher` opens permitted URLs. With `dry_run`, all rules are
    checked, but the transaction is rolled back and no operation starts. `oos_endpoint` is the URL of the object store;
    empty: there is none. `room` is the space left on the medium; `keeps_objects`: the object store's data are on it
    too. `public_range` (CIDR) is the range of public IPs. `required_keys`: only exports signed by one of these can be
    imported; empty: all exports can. `caller_id` is the account whose turn a transaction takes; empty: no account's.
    `share_gate`: which sharing of images their reports can refuse: none, with everybody, or with anybody. `faults` are
    injected faults; None: the region has none. `api_logs` reads the audit log; None: the log is not in a file.
    """

    name: str
    endpoint: str
    store: Store
    network: GuestNetwork
    console: Callable[[str], bytes]
    clock: Clock
    ids: IdSource
    vault: Vault
    signing_key: SigningKey
    fetcher: Fetcher
    workflows: Workflows
    dry_run: bool = False
    caller_id: str = ""
    oos_endpoint: str = ""
    room: Room = ENDLESS
    keeps_objects: bool = False
    subregion_letters: tuple[str, ...] = ("a", "b")
    public_range: str = "198.19.0.0/24"
    share_gate: ShareGate = "off"
    required_keys: tuple[PublicKey, ...] = ()
    faults: Faults | None = None
    api_logs: AuditReader | None = None

    @property
    def subregion_names(self) -> list[str]:
        """The subregions (availability zones in the real cloud), all on one host."""
        return [f"{self.name}{letter}" for letter in self.subregion_letters]

    @property
    def subregion_name(self) -> str:
        """The subregion of requests that name none."""
        return self.subregion_names[0]

    def for_dry_run(self) -> "Region":
        """The same region with DryRun: nothing is kept."""
        return replace(self, dry_run=True)

    def serving(self, account_id: str) -> "Region":
        """The same region, for a request of an account. Every request calls it, and `dataclasses.replace` takes eight
        times as long."""
        served = object.__new__(type(self))
        served.__dict__.update(self.__dict__, caller_id=account_id)
        return served

    @contextmanager
    def begin(self) -> Iterator[Work]:
        """A use-case's transaction. After the commit, the operations that it requests are started. If that fails, the
        sweep starts them from the database.

        Raises:
            Raced: a record broke a constraint of the database. The use-case had checked before it wrote, so another
                transaction came in between. Nothing is kept; repeated, it sees the other one's records.
        """
        try:
            begun = self.store.begin(dry_run=self.dry_run, request=True, account_id=self.caller_id)
            with begun as connection:
                work = Work(connection)
                yield work
                if work.operations:
                    enqueue(connection, work.operations, self.clock.now(), self.workflows.worker)
                    self.store.database.announce(connection)
        except ConstraintBroken as error:
            raise Raced from error
        if not self.dry_run:
            for operation in work.operations:
                self._start(operation)

    def _start(self, operation: Operation) -> None:
        try:
            self.workflows.start(operation)
        except Exception:
            log.exception("workflow not started, the sweep will", operation=operation.operation_id)
