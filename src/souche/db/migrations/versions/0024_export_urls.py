"""Until when the URLs of an export work, and why they could not be written again."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("export_tasks", sa.Column("urls_until", sa.String(24)))
    op.add_column("export_tasks", sa.Column("refresh_problem", sa.Text))


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
