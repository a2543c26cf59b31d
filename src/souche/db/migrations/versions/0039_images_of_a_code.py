"""The index of product codes has the images: a filter reads no rows, and PostgreSQL prefers it to reading all codes."""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_image_product_codes_product_code_image_id", "image_product_codes", ["product_code", "image_id"]
    )
    op.drop_index("ix_image_product_codes_product_code", "image_product_codes")


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
