"""Export tasks, and buckets."""

import sqlalchemy as sa

from souche.db.tables.base import UtcDate, metadata

# `image`: the image (JSON) at the time of the request. It may be changed or deleted afterwards.
export_tasks = sa.Table(
    "export_tasks",
    metadata,
    sa.Column("task_id", sa.String(21), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False),
    sa.Column("image_id", sa.String(12), index=True),
    sa.Column("snapshot_id", sa.String(13), index=True),
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
    sa.Column("image_tags", sa.JSON),
    # When the URLs in the manifest expire, and why the last requested refresh failed.
    sa.Column("urls_until", UtcDate),
    sa.Column("refresh_problem", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("creation_date", UtcDate, nullable=False),
    sa.Index(None, "account_id", "creation_date", "task_id"),
)

# The snapshots that an export under way reads, and facts about the disks that it has written.
export_disks = sa.Table(
    "export_disks",
    metadata,
    sa.Column("task_id", sa.ForeignKey("export_tasks.task_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("snapshot_id", sa.String(13), primary_key=True, index=True),
    sa.Column("data_bytes", sa.BigInteger),
    sa.Column("disk_bytes", sa.BigInteger),
    sa.Column("disk_tree_sha256", sa.String(64)),
    sa.Column("object_bytes", sa.BigInteger),
    sa.Column("object_sha256", sa.String(64)),
)

# The owners of buckets. If the object store knows the region's accounts, these records follow it; otherwise they
# decide. `policy` is the policy that the owner sent, `obeyed_policy` its translation for the store. It is pending until
# the store has it.
buckets = sa.Table(
    "buckets",
    metadata,
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False, index=True),
    sa.Column("policy", sa.Text),
    sa.Column("obeyed_policy", sa.Text),
    sa.Column("policy_pending", sa.Boolean, nullable=False, server_default=sa.false()),
)
