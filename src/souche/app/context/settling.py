"""Retries requests that are refused only because a resource is in a transitional state (`creating`, `attaching`, ...),
once the work on it has ended. So a client that sends requests back to back need not poll.

The use-case itself refuses, in its own transaction, and names the resources. This module waits between two attempts: it
holds no transaction, the end of a workflow wakes it, and only a few requests of one account wait at a time. It does not
wait for work that may take minutes (a guest that shuts down, a download).
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from souche.app.context.region import Region
from souche.db import operations
from souche.errors import UserError, WrongState
from souche.model.operations import Operation
from souche.operations.images import CreateImage
from souche.states import LinkState, SnapshotState, VmState, VolumeState
from souche.workflows.engine import Lane

WAIT_SECONDS: Final = 5.0
MOST_WAITING: Final = 8
"""waiting requests of one account: half of its threads (`http/app`)"""

PASSING: Final = frozenset(
    {
        VolumeState.CREATING,
        VolumeState.DELETING,
        LinkState.ATTACHING,
        LinkState.DETACHING,
        SnapshotState.IN_QUEUE,
        SnapshotState.PENDING,
        VmState.PENDING,
    }
)
IDS: Final = ("volume_id", "snapshot_id", "vm_id", "image_id")

T = TypeVar("T")


class WaitCounts:
    """How many requests of each account wait."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._guard = threading.Lock()
        self._waiting: Counter[str] = Counter()

    @contextmanager
    def place(self, account_id: str) -> Iterator[bool]:
        """A place for a waiting request of the account. Yields whether there was one."""
        with self._guard:
            free = self._waiting[account_id] < self._most
            self._waiting[account_id] += free
        try:
            yield free
        finally:
            with self._guard:
                self._waiting[account_id] -= free
                self._waiting += Counter()  # drops accounts that have none waiting


WAITERS: Final = WaitCounts()


def when_settled(region: Region, account_id: str, act: Callable[[], T], waiters: WaitCounts = WAITERS) -> T:
    """Run a request. If it is refused for a resource that is about to settle, run it again afterwards, for at most
    `WAIT_SECONDS` in all.

    Raises:
        UserError: as `act` does.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    before: list[str] | None = None
    while True:
        try:
            return act()
        except UserError as refusal:
            under_way = _under_way(region, refusal)
            # None: waiting would not help. The same operations as before: they made no progress, so give up.
            if under_way is None or under_way == before:
                raise
            if not _wait(region, account_id, under_way, deadline, waiters):
                raise
            before = under_way


def _under_way(region: Region, refusal: UserError) -> list[str] | None:
    """The operations to wait for before another try; None: waiting would not help."""
    resource_ids = refusal.passing or _passing(refusal)
    if not resource_ids:
        return None
    with region.store.read() as connection:
        found = operations.working_on(connection, resource_ids)
    return [operation.operation_id for operation in found if _is_brief(operation)]


def _passing(refusal: UserError) -> tuple[str, ...]:
    if not isinstance(refusal, WrongState) or refusal.fields.get("state") not in PASSING:
        return ()
    return tuple(str(refusal.fields[name]) for name in IDS if name in refusal.fields)


def _is_brief(operation: Operation) -> bool:
    from souche.workflows.catalogue import CATALOGUE  # imports all workflows, which most commands do not need

    workflow = CATALOGUE.get(operation.workflow)
    params = operation.params
    goes_on = isinstance(params, CreateImage) and not params.restart  # an image without a restart of the VM
    return workflow is not None and (workflow.lane is Lane.WORK or goes_on)


def _wait(
    region: Region, account_id: str, operation_ids: list[str], deadline: float, waiters: WaitCounts
) -> bool:
    """Whether all of them ended in time."""
    with waiters.place(account_id) as free:
        return free and all(
            region.workflows.wait(operation_id, max(0.0, deadline - time.monotonic()))
            for operation_id in operation_ids
        )
