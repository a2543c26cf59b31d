"""What request a ClientToken came with. `db/tables/` says what it means."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("snapshots", "volumes", "vms"):
        op.add_column(table, sa.Column("request_digest", sa.String(64)))


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
