"""Which region this is. The row is written at the next start (`main/identity.py`), with the id that its files have."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "region",
        sa.Column("region_id", sa.String(36), nullable=False),
        sa.Column("guest_network", sa.String(18)),
        sa.PrimaryKeyConstraint("region_id", name="pk_region"),
    )


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
