"""Policies of buckets. `db/tables/` says what they mean."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("buckets", sa.Column("policy", sa.Text))
    op.add_column("buckets", sa.Column("obeyed_policy", sa.Text))
    pending = sa.Column("policy_pending", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("buckets", pending)
    op.create_index("ix_buckets_account_id", "buckets", ["account_id"])


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
