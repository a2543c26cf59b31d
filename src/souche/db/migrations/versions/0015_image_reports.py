"""What is inside an image. `db/tables/` says what it means.

Existing images get a report too, in their turn.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "image_reports",
        sa.Column(
            "image_id", sa.String(12), sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("other", sa.Boolean, nullable=False),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.Column("date", sa.String(24)),
        sa.Column("engine", sa.String(32), nullable=False),
        sa.Column("os", sa.String(512), nullable=False),
        sa.Column("guidelines", sa.JSON, nullable=False),
        sa.Column("accepted", sa.JSON, nullable=False),
    )
    order = ["state", "other", "creation_date"]
    op.create_index("ix_image_reports_state_other_creation_date", "image_reports", order)
    op.create_table(
        "image_findings",
        sa.Column(
            "image_id",
            sa.String(12),
            sa.ForeignKey("image_reports.image_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("severity", sa.String(8), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(128), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("remedy", sa.Text, nullable=False),
        sa.Column("user", sa.Text),
    )
    op.create_index("ix_image_findings_code", "image_findings", ["code"])
    op.execute(
        "INSERT INTO image_reports (image_id, state, other, creation_date, engine, os, guidelines, accepted) "
        "SELECT image_id, 'pending', FALSE, creation_date, '', '', '[]', '[]' FROM images WHERE state = 'available'"
    )


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
