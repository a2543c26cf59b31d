"""Operations, and the processes that run them."""

import sqlalchemy as sa

from souche.db.tables.base import UtcDate, metadata

# Operations run in the order of `sequence`. Numbers are assigned under the writers' lock and never reused
# (AUTOINCREMENT), so a later commit has a higher number. `worker`, `node` and `claim_date` (by the database's clock)
# are the claim of the process that runs the operation; null: unclaimed (`db/claims.py`).
operations = sa.Table(
    "operations",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("operation_id", sa.String(128), nullable=False, unique=True),
    sa.Column("workflow", sa.String(64), nullable=False),
    sa.Column("subject_id", sa.String(64), nullable=False, index=True),
    sa.Column("account_id", sa.String(12), nullable=False),
    sa.Column("arguments", sa.JSON, nullable=False),
    sa.Column("creation_date", UtcDate, nullable=False),
    sa.Column("worker", sa.String(36)),
    sa.Column("node", sa.String(64)),
    sa.Column("claim_date", UtcDate),
    sa.Index(None, "account_id", "sequence"),
    sqlite_autoincrement=True,
)

# The ids of the resources of each operation. If two operations share a resource, the earlier runs first.
operation_locks = sa.Table(
    "operation_locks",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column(
        "sequence", sa.ForeignKey("operations.sequence", ondelete="CASCADE"), primary_key=True, index=True
    ),
)

# The processes that run operations, with their last heartbeats by the database's clock. Empty if the lock on the home
# lets only one process work.
workers = sa.Table(
    "workers",
    metadata,
    sa.Column("worker", sa.String(36), primary_key=True),
    sa.Column("node", sa.String(64), nullable=False),
    sa.Column("heartbeat_date", UtcDate, nullable=False),
)
