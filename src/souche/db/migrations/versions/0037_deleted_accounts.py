"""Accounts that are deleted. `db/tables/` says what it means."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("deletion_date", sa.String(24)))


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
