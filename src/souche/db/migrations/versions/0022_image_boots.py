"""Whether an image was seen to boot. `db/tables/` says what it means."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "image_boots",
        sa.Column(
            "image_id", sa.String(12), sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("date", sa.String(24), nullable=False),
        sa.Column("passed", sa.Boolean, nullable=False),
        sa.Column("boot_mode", sa.String(8), nullable=False),
        sa.Column("reached", sa.String(32), nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("log", sa.LargeBinary, nullable=False),
        sa.Column("screenshot", sa.LargeBinary),
    )


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
