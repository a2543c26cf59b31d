"""What was removed from clean images. `db/tables/` says what it means."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "image_cleanings",
        sa.Column(
            "image_id", sa.String(12), sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("source_image_id", sa.String(12), nullable=False),
        sa.Column("date", sa.String(24), nullable=False),
        sa.Column("engine", sa.String(32), nullable=False),
        sa.Column("done", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
