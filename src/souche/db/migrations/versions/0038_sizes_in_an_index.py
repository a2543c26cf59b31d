"""The index of snapshots by account has their sizes: each new snapshot sums them up for its quota, while other writers
wait."""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_snapshots_account_walk",
        "snapshots",
        ["account_id", "creation_date", "snapshot_id", "volume_size_gib"],
    )
    op.drop_index("ix_snapshots_account_id_creation_date_snapshot_id", "snapshots")


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
