"""Failed signatures by access key, where several processes serve a region. `db/tables/` says what it means."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "failed_signatures",
        sa.Column(
            "access_key_id",
            sa.String(20),
            sa.ForeignKey("access_keys.access_key_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("locked_until", sa.String(24)),
    )


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
