"""Why, when and for which other one an official image goes. `db/tables/` says what it means."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "image_lives",
        sa.Column(
            "image_id", sa.String(12), sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("deprecation_date", sa.String(24)),
        sa.Column("withdrawal_date", sa.String(24)),
        sa.Column("grace_days", sa.Integer, nullable=False),
        sa.Column("successor_id", sa.String(12)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("closing_date", sa.String(24)),
        sa.Column("public", sa.Boolean, nullable=False),
        sa.Column("granted", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
