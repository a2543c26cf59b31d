"""Why a snapshot was not made. `db/tables/` says what it means."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("snapshots", sa.Column("problem", sa.Text))


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
