"""Regions for tests: a real database, the simulated hypervisor, a stopped clock, ids from a seed."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from souche.api.protocol.dispatch import Call
from souche.app import accounts
from souche.app.context.region import Region, Workflows
from souche.audit_reader import AuditReader
from souche.clock import Clock
from souche.compute.simulated import SimulatedHypervisor
from souche.db import region as region_records
from souche.ids import IdSource
from souche.model.accounts import Principal
from souche.model.operations import Operation
from souche.objects.fetch import Fetcher
from souche.signing import SigningKey
from souche.vault import Vault
from tests.support import databases
from tests.support.bucket import THIS_MACHINE
from tests.support.watched_store import WatchedStore

REGION_ID = "11111111-2222-3333-4444-555555555555"
START = datetime(2026, 11, 24, 10, tzinfo=UTC)


@dataclass
class ManualClock:
    """Stands still until the test moves it. With `tick`, every reading moves it by that much."""

    present: datetime = START
    tick: timedelta = timedelta(0)

    def now(self) -> datetime:
        shown = self.present
        self.present += self.tick
        return shown

    def advance(self, **time: float) -> None:
        self.present += timedelta(**time)


@dataclass
class RecordedWorkflows:
    """Records the operations that a region starts, and runs none of them."""

    worker: ClassVar[None] = None
    started: list[Operation] = field(default_factory=list)

    def start(self, operation: Operation) -> None:
        self.started.append(operation)

    def wait(self, operation_id: str, timeout_seconds: float) -> bool:  # noqa: ARG002
        return False


def make_region(tmp_path: Path, *, clock: Clock | None = None, workflows: Workflows | None = None) -> Region:
    """A region in `tmp_path`. The caller closes its store."""
    store = WatchedStore(databases.kind().migrated(tmp_path / "region.db"))
    with store.begin() as connection:
        region_records.adopt_id(connection, REGION_ID)
    hypervisor = SimulatedHypervisor(tmp_path, "10.77.0.0/24")
    return Region(
        name="eu-test-1",
        endpoint="http://127.0.0.1:3000",
        store=store,
        network=hypervisor.network,
        console=hypervisor.console,
        clock=clock or ManualClock(),
        ids=IdSource(random.Random(1).getrandbits),
        vault=Vault.open(tmp_path / "vault.key"),
        signing_key=SigningKey.generate(),
        fetcher=Fetcher(THIS_MACHINE),
        workflows=workflows or RecordedWorkflows(),
        oos_endpoint="http://127.0.0.1:3001",
        api_logs=AuditReader(tmp_path / "audit.jsonl", 2),
    )


def make_account(region: Region, name: str = "alice", alias: str | None = None) -> Principal:
    """An account with an access key."""
    account, key, _ = accounts.create(region, name, alias)
    return Principal(account.account_id, key.access_key_id)


def call(region: Region, who: Principal | None, **request: object) -> Call:
    """A call of an action, as `api/protocol/dispatch` makes it once the body has passed its check."""
    return Call(region, who, request, "00000000-0000-0000-0000-000000000000")
