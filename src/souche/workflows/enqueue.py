"""Records operations, for use-cases and sweeps, with the ids of their resources."""

from collections.abc import Sequence
from datetime import datetime

from souche.db import operations
from souche.db.transactions import Transaction
from souche.model.operations import Operation
from souche.model.workers import Worker


def enqueue(
    connection: Transaction, requested: Sequence[Operation], now: datetime, worker: Worker | None = None
) -> None:
    """Record operations. This must be the transaction's last write, because their locks are determined from the
    records. `worker` is this process, if it will run them."""
    if not requested:
        return
    from souche.workflows.catalogue import CATALOGUE  # imports all workflows, which most commands do not need

    locked = [(each, CATALOGUE[each.workflow].lock(connection, each)) for each in requested]
    operations.insert_all(connection, locked, now, worker)
