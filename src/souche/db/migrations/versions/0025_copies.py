"""Indexes by which copies are found."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_images_source_image_id", "images", ["source_image_id"])
    op.create_index("ix_snapshots_source_snapshot_id", "snapshots", ["source_snapshot_id"])


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
