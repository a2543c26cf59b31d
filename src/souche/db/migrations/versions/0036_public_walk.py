"""The index of public images, in their order, has only those that may be launched: PostgreSQL reads no index in its
order below a condition IS NULL."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_images_public_walk", "images")
    op.create_index(
        "ix_images_public_walk",
        "images",
        ["creation_date", "image_id", "name"],
        sqlite_where=sa.text("public = 1 AND launchable_until IS NULL"),
        postgresql_where=sa.text("public AND launchable_until IS NULL"),
    )


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
