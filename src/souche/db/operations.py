"""The promises that committed transactions have made (see model/operations.py)."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from souche.db.schema import operations
from souche.model.operations import Operation


def insert(connection: sa.Connection, operation: Operation, now: datetime) -> None:
    """Write a promise down, in the transaction that makes it."""
    insert_all(connection, [operation], now)


def insert_all(connection: sa.Connection, promised: Sequence[Operation], now: datetime) -> None:
    """Write promises down by one statement, in the transaction that makes them."""
    rows = [
        {
            "operation_id": operation.operation_id,
            "workflow": operation.workflow,
            "subject_id": operation.subject_id,
            "arguments": dict(operation.arguments),
            "creation_date": now,
        }
        for operation in promised
    ]
    if rows:
        connection.execute(operations.insert(), rows)


def erase(connection: sa.Connection, operation_id: str) -> None:
    """The promise is kept. Erasing it again is harmless."""
    connection.execute(operations.delete().where(operations.c.operation_id == operation_id))


def get(connection: sa.Connection, operation_id: str) -> Operation | None:
    """The promise of this id, if it is not kept yet."""
    row = connection.execute(
        operations.select().where(operations.c.operation_id == operation_id)
    ).one_or_none()
    return None if row is None else _operation(row)


def outstanding(connection: sa.Connection) -> list[Operation]:
    """All promises not kept yet, oldest first."""
    rows = connection.execute(
        operations.select().order_by(operations.c.creation_date, operations.c.operation_id)
    )
    return [_operation(row) for row in rows]


def of_subject(connection: sa.Connection, subject_id: str) -> list[Operation]:
    """The promises not kept yet about one resource."""
    rows = connection.execute(operations.select().where(operations.c.subject_id == subject_id))
    return [_operation(row) for row in rows]


def _operation(row: sa.Row[tuple[object, ...]]) -> Operation:
    return Operation(row.operation_id, row.workflow, row.subject_id, row.arguments)
