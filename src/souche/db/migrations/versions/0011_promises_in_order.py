"""Promises have an order, an account, and the ids of what they work on. `db/tables/` says what they are for.

A promise that stands already gets all ids that it can be about, in the order in which they were written.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

KEPT: Final = ("operation_id", "workflow", "subject_id", "creation_date")


def upgrade() -> None:
    connection = op.get_bind()
    former = _table(*KEPT)
    in_order = former.select().order_by(former.c.creation_date, former.c.operation_id)
    promised = [dict(row._mapping) for row in connection.execute(in_order)]  # noqa: SLF001 - SQLAlchemy's public name
    op.drop_table("operations")
    _create_tables()
    operations = _table(*KEPT, "sequence", "account_id")
    locks = sa.table("operation_locks", sa.column("name"), sa.column("sequence"))
    for operation in promised:  # the database assigns the numbers, to keep its counter right
        connection.execute(operations.insert(), {**operation, "account_id": ""})
        by_id = operations.c.operation_id == operation["operation_id"]
        sequence = connection.scalar(sa.select(operations.c.sequence).where(by_id))
        for name in sorted(set(_names(connection, operation))):
            connection.execute(locks.insert(), {"name": name, "sequence": sequence})


def _table(*columns: str) -> sa.TableClause:
    return sa.table("operations", sa.column("arguments", sa.JSON), *map(sa.column, columns))


def _create_tables() -> None:
    op.create_table(
        "operations",
        sa.Column("sequence", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("operation_id", sa.String(128), nullable=False),
        sa.Column("workflow", sa.String(64), nullable=False),
        sa.Column("subject_id", sa.String(64), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("arguments", sa.JSON, nullable=False),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_operations"),
        sa.UniqueConstraint("operation_id", name="uq_operations_operation_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_operations_subject_id", "operations", ["subject_id"])
    op.create_index("ix_operations_account_id_sequence", "operations", ["account_id", "sequence"])
    op.create_table(
        "operation_locks",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", "sequence", name="pk_operation_locks"),
        sa.ForeignKeyConstraint(
            ["sequence"], ["operations.sequence"], name="fk_operation_locks_sequence", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_operation_locks_sequence", "operation_locks", ["sequence"])


def _names(connection: sa.Connection, operation: Mapping[str, Any]) -> Iterator[str]:
    subject_id, arguments = operation["subject_id"], operation["arguments"]
    yield subject_id
    yield from (arguments[name] for name in ("vm_id", "volume_id") if name in arguments)
    linked = "SELECT vm_id FROM volume_links WHERE volume_id = :id"
    captured = "SELECT volume_id FROM snapshots WHERE image_id = :id AND volume_id IS NOT NULL"
    yield from connection.scalars(sa.text(linked), {"id": arguments.get("volume_id")})
    yield from connection.scalars(sa.text(captured), {"id": subject_id})


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
