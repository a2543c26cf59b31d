"""Aliases of images, and what they named before. `db/tables/` says what it means."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "image_aliases",
        sa.Column("alias_id", sa.String(160), primary_key=True),
        sa.Column("account_id", sa.String(12), sa.ForeignKey("accounts.account_id"), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("image_id", sa.String(12), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("creation_date", sa.String(24), nullable=False),
    )
    op.create_index("ix_image_aliases_account_id", "image_aliases", ["account_id"])
    op.create_index("ix_image_aliases_image_id", "image_aliases", ["image_id"])
    op.create_table(
        "image_alias_changes",
        sa.Column(
            "alias_id",
            sa.String(160),
            sa.ForeignKey("image_aliases.alias_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("image_id", sa.String(12), nullable=False),
        sa.Column("former", sa.Integer),
        sa.Column("date", sa.String(24), nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
