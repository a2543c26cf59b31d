"""What images that were built by a recipe were made of. `db/tables/` says what it means."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "image_builds",
        sa.Column(
            "image_id", sa.String(12), sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("recipe", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("packages", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
