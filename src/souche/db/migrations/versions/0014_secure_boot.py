"""Secure boot of VMs. `db/tables/` says what the columns mean."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("next_secure_boot", "secure_boot"):
        op.add_column("vms", sa.Column(column, sa.String(20), nullable=False, server_default="none"))


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
