"""Export tasks, and buckets."""

import sqlalchemy as sa

from souche.db.tables.base import UtcDate, metadata

# `image` is the image (JSON) as it was when its export was asked for: it may be changed and deleted meanwhile.
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
    # Until when the URLs in the manifest work, and why they could not be written again when that was asked for last.
    sa.Column("urls_until", UtcDate),
    sa.Column("refresh_problem", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("creation_date", UtcDate, nullable=False),
    sa.Index(None, "account_id", "creation_date", "task_id"),
)

# The snapshots that an export under way reads, and what is known of those that are written.
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

# Whose a bucket is. Where the object store does not know the region's accounts, these records decide; where it does,
# they follow it. `policy` is as its owner has sent it, `obeyed_policy` the same in the store's words; pending while
# the store may not have it yet.
buckets = sa.Table(
    "buckets",
    metadata,
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False, index=True),
    sa.Column("policy", sa.Text),
    sa.Column("obeyed_policy", sa.Text),
    sa.Column("policy_pending", sa.Boolean, nullable=False, server_default=sa.false()),
)
