"""Export tasks, and the buckets of accounts. `db/tables/` says what they mean."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _export_tasks()
    _export_disks()
    _buckets()


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")


def _export_tasks() -> None:
    op.create_table(
        "export_tasks",
        sa.Column("task_id", sa.String(21), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("image_id", sa.String(12)),
        sa.Column("snapshot_id", sa.String(13)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("done_bytes", sa.BigInteger, nullable=False),
        sa.Column("total_bytes", sa.BigInteger, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("disk_format", sa.String(8), nullable=False),
        sa.Column("bucket", sa.String(63), nullable=False),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("bucket_account_id", sa.String(12)),
        sa.Column("access_key_id", sa.Text),
        sa.Column("sealed_secret_key", sa.LargeBinary),
        sa.Column("sealed_manifest_url", sa.LargeBinary),
        sa.Column("image", sa.Text),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("task_id", name="pk_export_tasks"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_export_tasks_account_id"),
    )
    op.create_index("ix_export_tasks_image_id", "export_tasks", ["image_id"])
    op.create_index("ix_export_tasks_snapshot_id", "export_tasks", ["snapshot_id"])
    op.create_index(
        "ix_export_tasks_account_id_creation_date_task_id",
        "export_tasks",
        ["account_id", "creation_date", "task_id"],
    )


def _export_disks() -> None:
    op.create_table(
        "export_disks",
        sa.Column("task_id", sa.String(21), nullable=False),
        sa.Column("snapshot_id", sa.String(13), nullable=False),
        sa.Column("data_bytes", sa.BigInteger),
        sa.Column("disk_bytes", sa.BigInteger),
        sa.Column("disk_tree_sha256", sa.String(64)),
        sa.Column("object_bytes", sa.BigInteger),
        sa.Column("object_sha256", sa.String(64)),
        sa.PrimaryKeyConstraint("task_id", "snapshot_id", name="pk_export_disks"),
        sa.ForeignKeyConstraint(
            ["task_id"], ["export_tasks.task_id"], name="fk_export_disks_task_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_export_disks_snapshot_id", "export_disks", ["snapshot_id"])


def _buckets() -> None:
    op.create_table(
        "buckets",
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_buckets"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_buckets_account_id"),
    )
