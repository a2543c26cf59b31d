"""Which process does each operation, and which processes live. `db/tables/` says what it means."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("operations", sa.Column("worker", sa.String(36)))
    op.add_column("operations", sa.Column("node", sa.String(64)))
    op.add_column("operations", sa.Column("claim_date", sa.String(24)))
    op.create_table(
        "workers",
        sa.Column("worker", sa.String(36), primary_key=True),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("heartbeat_date", sa.String(24), nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
