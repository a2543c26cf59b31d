"""What an export waits for, or has left in its bucket. `db/tables/` says what it means."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("export_tasks", sa.Column("note", sa.Text))


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
