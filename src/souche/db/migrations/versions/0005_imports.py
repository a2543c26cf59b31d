"""Disks on their way in, and where imported images come from. `db/tables/` says what it means."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("images", sa.Column("sealed_location", sa.Text))
    op.add_column("images", sa.Column("lineage", sa.JSON))
    op.create_table(
        "disk_imports",
        sa.Column("snapshot_id", sa.String(13), nullable=False),
        sa.Column("device_name", sa.String(16)),
        sa.Column("sealed_url", sa.LargeBinary, nullable=False),
        sa.Column("most_bytes", sa.BigInteger, nullable=False),
        sa.Column("disk_format", sa.String(8)),
        sa.Column("checksums", sa.JSON),
        sa.Column("received_bytes", sa.BigInteger, nullable=False),
        sa.Column("total_bytes", sa.BigInteger),
        sa.PrimaryKeyConstraint("snapshot_id", name="pk_disk_imports"),
        sa.ForeignKeyConstraint(
            ["snapshot_id"],
            ["snapshots.snapshot_id"],
            name="fk_disk_imports_snapshot_id",
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
