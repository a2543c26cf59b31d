"""Whether an import is said to be inside gzip: a raw disk may begin as gzip does."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("disk_imports", sa.Column("gzip", sa.Boolean))


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
