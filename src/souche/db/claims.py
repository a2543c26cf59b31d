"""Which process runs an operation (`worker`, `node`, `claim_date` of `operations`), and which processes are alive.

A worker owns an operation from its claim until the operation is erased. If processes on other homes may share the
database (`Database.is_shared`), each writes a heartbeat every few seconds. After `LEASE_SECONDS` without one, by the
database's clock, other workers may take its claims. Otherwise the lock on the home lets only one process work, so
claims of other workers are void.
"""

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from souche.db.engines.elements import DatabaseClock
from souche.db.operations import IS_ALIVE, IS_FREE
from souche.db.schema import operations, workers
from souche.db.store import Prepared, Reader
from souche.model.workers import Worker

_ID = operations.c.operation_id == sa.bindparam("wanted", type_=sa.String)
_OWN = Prepared(
    sa.select(operations.c.sequence).where(_ID, operations.c.worker == sa.bindparam("mine", type_=sa.String))
)


def take(connection: sa.Connection, worker: Worker, operation_ids: Sequence[str]) -> set[str]:
    """Claim those of the operations that are unclaimed, or whose worker is dead. Returns them."""
    wanted = operations.c.operation_id.in_(operation_ids)
    claimed = _claim(worker).where(wanted, IS_FREE).returning(operations.c.operation_id)
    return set(connection.scalars(claimed))


def adopt(
    connection: sa.Connection, worker: Worker, former: Collection[str], known: Collection[str]
) -> set[str]:
    """Take over the claims of earlier starts of this worker, and claim the unclaimed ones of `known`. Returns them."""
    free = connection.scalars(sa.select(operations.c.operation_id).where(operations.c.worker.is_(None)))
    begun = set(free) & set(known)
    for operation_id in begun:
        connection.execute(_claim(worker).where(operations.c.operation_id == operation_id))
    adopted = _claim(worker).where(operations.c.worker.in_(former)).returning(operations.c.operation_id)
    connection.execute(workers.delete().where(workers.c.worker.in_(former)))
    return begun | set(connection.scalars(adopted))


def is_own(reader: Reader, worker_id: str, operation_id: str) -> bool:
    """Whether an operation is outstanding, and the worker's."""
    return bool(reader.rows(_OWN, {"wanted": operation_id, "mine": worker_id}))


def of_worker(connection: sa.Connection, worker_id: str) -> set[str]:
    """The ids of a worker's operations."""
    own = sa.select(operations.c.operation_id).where(operations.c.worker == worker_id)
    return set(connection.scalars(own))


def beat(connection: sa.Connection, worker: Worker) -> None:
    """Write a worker's heartbeat."""
    mine = workers.update().where(workers.c.worker == worker.worker_id)
    if connection.execute(mine.values(heartbeat_date=DatabaseClock())).rowcount == 0:
        _register(connection, worker)


def _register(connection: sa.Connection, worker: Worker) -> None:
    """Add a worker, and forget those that died and have nothing left."""
    has_work = sa.exists().where(operations.c.worker == workers.c.worker)
    connection.execute(workers.delete().where(~IS_ALIVE, ~has_work))
    row = workers.insert().values(worker=worker.worker_id, node=worker.node, heartbeat_date=DatabaseClock())
    connection.execute(row)


def _claim(worker: Worker) -> sa.Update:
    return operations.update().values(worker=worker.worker_id, node=worker.node, claim_date=DatabaseClock())
