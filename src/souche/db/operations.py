"""The operations that committed transactions have requested (see model/operations.py), and whose turn it is.

They run in the order of their requests: an operation waits while an earlier one with a resource in common is
outstanding (`operation_locks`). The order is only in the database, so a crash does not change it.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

import sqlalchemy as sa

from souche.db.engines.elements import DatabaseClock
from souche.db.schema import operation_locks, operations, workers
from souche.db.store import Prepared, Reader
from souche.model.operations import Operation
from souche.model.workers import Worker
from souche.operations import stored

LEASE_SECONDS: Final = 30
"""A worker keeps its claims for this long after its last heartbeat."""


def _is_next() -> sa.ColumnElement[bool]:
    """Whether no earlier operation works on a resource of this one."""
    mine, earlier = operation_locks.alias("mine"), operation_locks.alias("earlier")
    shared = mine.join(earlier, sa.and_(earlier.c.name == mine.c.name, earlier.c.sequence < mine.c.sequence))
    return ~sa.exists().select_from(shared).where(mine.c.sequence == operations.c.sequence)


_IS_NEXT = _is_next()
# The database's clock may be set back: a heartbeat that lies ahead by a lease or more was written before that.
IS_ALIVE: Final = sa.and_(
    workers.c.heartbeat_date > DatabaseClock(-LEASE_SECONDS),
    workers.c.heartbeat_date < DatabaseClock(LEASE_SECONDS),
)
_IS_HELD = sa.exists().where(workers.c.worker == operations.c.worker, IS_ALIVE)
IS_FREE: Final = sa.or_(operations.c.worker.is_(None), ~_IS_HELD)
"""Whether the operation is unclaimed, or its worker is dead."""
_COLUMNS = (
    operations.c.operation_id,
    operations.c.workflow,
    operations.c.subject_id,
    sa.cast(operations.c.arguments, sa.Text).label("arguments"),  # as text: damaged JSON affects one row only
)
_ALL = sa.select(*_COLUMNS, operations.c.account_id)
_ERASE = operations.delete().where(operations.c.operation_id == sa.bindparam("wanted", type_=sa.String))
_ERASE_OWN = _ERASE.where(operations.c.worker == sa.bindparam("mine", type_=sa.String))
_WAITING = Prepared(
    sa.select(operations.c.account_id, operations.c.workflow)
    .group_by(operations.c.account_id, operations.c.workflow)
    .order_by(sa.func.min(operations.c.sequence))
)
_OUTSTANDING = Prepared(
    sa.select(operations.c.sequence).where(
        operations.c.operation_id == sa.bindparam("wanted", type_=sa.String)
    )
)
_INSERT = operations.insert().returning(operations.c.operation_id, operations.c.sequence)
_INSERT_CLAIMED = _INSERT.values(claim_date=DatabaseClock())


@dataclass(frozen=True)
class Turn:
    """An operation that waits for no other one. `worker_id` is its claim's worker; None: unclaimed."""

    operation: Operation
    worker_id: str | None


def insert(connection: sa.Connection, operation: Operation, locks: Collection[str], now: datetime) -> None:
    """Record an operation, in the transaction that requests it. `locks` are the ids of its resources."""
    insert_all(connection, [(operation, locks)], now)


def insert_all(
    connection: sa.Connection,
    requested: Sequence[tuple[Operation, Collection[str]]],
    now: datetime,
    worker: Worker | None = None,
) -> None:
    """Write operations down with their locks, in their order, by two statements. A worker that requests them has them
    claimed so, without a transaction more."""
    claim = {} if worker is None else {"worker": worker.worker_id, "node": worker.node}
    rows = [
        {
            "operation_id": operation.operation_id,
            "workflow": operation.workflow,
            "subject_id": operation.subject_id,
            "account_id": operation.account_id,
            "arguments": stored.arguments_of(operation.params),
            "creation_date": now,
            **claim,
        }
        for operation, _locks in requested
    ]
    insertion = _INSERT_CLAIMED if claim else _INSERT
    sequences: dict[str, int] = dict(connection.execute(insertion, rows).all()) if rows else {}
    locked = [
        {"name": name, "sequence": sequences[operation.operation_id]}
        for operation, names in requested
        for name in names
    ]
    if locked:
        connection.execute(operation_locks.insert(), locked)


def erase(connection: sa.Connection, operation_id: str, worker_id: str | None = None) -> bool:
    """The operation is done, by this worker if one is named. To erase it again is harmless; whether it was outstanding,
    and the worker's."""
    if worker_id is None:
        return connection.execute(_ERASE, {"wanted": operation_id}).rowcount > 0
    return connection.execute(_ERASE_OWN, {"wanted": operation_id, "mine": worker_id}).rowcount > 0


def get(connection: sa.Connection, operation_id: str) -> Operation | None:
    """The operation of this id, if it is not done yet."""
    row = connection.execute(_ALL.where(operations.c.operation_id == operation_id)).one_or_none()
    return None if row is None else _operation(row)


def outstanding(connection: sa.Connection) -> list[Operation]:
    """All operations not done yet, oldest first."""
    rows = connection.execute(_ALL.order_by(operations.c.sequence))
    return [_operation(row) for row in rows]


def of_subject(connection: sa.Connection, subject_id: str) -> list[Operation]:
    """The operations not done yet for one resource."""
    rows = connection.execute(_ALL.where(operations.c.subject_id == subject_id))
    return [_operation(row) for row in rows]


def subjects(connection: sa.Connection, workflow: str, subject_ids: Collection[str]) -> set[str]:
    """The resources, of these, with an operation of the workflow that is not done yet."""
    wanted = sa.and_(operations.c.workflow == workflow, operations.c.subject_id.in_(subject_ids))
    return set(connection.scalars(sa.select(operations.c.subject_id).where(wanted))) if subject_ids else set()


def working_on(connection: sa.Connection, resource_ids: Collection[str]) -> list[Operation]:
    """The operations not done yet that are for one of the resources or work on it, oldest first."""
    locked = sa.select(operation_locks.c.sequence).where(operation_locks.c.name.in_(resource_ids))
    wanted = sa.or_(operations.c.subject_id.in_(resource_ids), operations.c.sequence.in_(locked))
    rows = connection.execute(_ALL.where(wanted).order_by(operations.c.sequence))
    return [_operation(row) for row in rows]


def waiting(reader: Reader) -> dict[str, set[str]]:
    """The accounts that have operations not done yet, the one that has waited longest first, with their workflows."""
    found: dict[str, set[str]] = {}
    for account_id, workflow in reader.rows(_WAITING, {}):
        found.setdefault(account_id, set()).add(workflow)
    return found


def whose_turn(
    reader: Reader, account_id: str, workflows: Collection[str], worker_id: str = ""
) -> Iterator[Turn]:
    """The account's operations that wait for no other one, of these workflows, oldest first; read as they are asked
    for. Without those of another worker that lives."""
    parameters = {"account": account_id, "mine": worker_id}
    for operation_id, workflow, subject_id, arguments, claimed_by in reader.stream(
        _whose_turn(frozenset(workflows)), parameters
    ):
        params = stored.read_json(workflow, arguments)
        yield Turn(Operation(operation_id, workflow, subject_id, params, account_id), claimed_by)


@cache
def _whose_turn(workflows: frozenset[str]) -> Prepared:
    wanted = sa.or_(*(operations.c.workflow == name for name in workflows))
    mine = operations.c.account_id == sa.bindparam("account", type_=sa.String)
    to_do = sa.or_(operations.c.worker == sa.bindparam("mine", type_=sa.String), IS_FREE)
    columns = (*_COLUMNS, operations.c.worker)
    return Prepared(sa.select(*columns).where(mine, wanted, to_do, _IS_NEXT).order_by(operations.c.sequence))


def is_outstanding(reader: Reader, operation_id: str) -> bool:
    """Whether an operation is not done yet."""
    return bool(reader.rows(_OUTSTANDING, {"wanted": operation_id}))


def is_next(connection: sa.Connection, operation_id: str) -> bool:
    """Whether no earlier operation works on a resource of this one; also of one that is done."""
    waits = sa.and_(operations.c.operation_id == operation_id, ~_IS_NEXT)
    return not connection.scalar(sa.select(sa.exists().where(waits)))


def _operation(row: sa.Row[tuple[Any, ...]]) -> Operation:
    params = stored.read_json(row.workflow, row.arguments)
    return Operation(row.operation_id, row.workflow, row.subject_id, params, row.account_id)
