"""Volumes, their links to VMs, and their updates."""

import sqlalchemy as sa

from souche.db.tables.base import UtcDate, metadata

volumes = sa.Table(
    "volumes",
    metadata,
    sa.Column("volume_id", sa.String(12), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False),
    sa.Column("snapshot_id", sa.String(13), index=True),
    sa.Column("size_gib", sa.Integer, nullable=False),
    sa.Column("volume_type", sa.String(16), nullable=False),
    sa.Column("iops", sa.Integer),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("subregion_name", sa.String(64), nullable=False),
    sa.Column("product_codes", sa.JSON, nullable=False),
    sa.Column("client_token", sa.String(64)),
    sa.Column("request_digest", sa.String(64)),
    sa.Column("creation_date", UtcDate, nullable=False),
    # As `images.version`, for the rows that `db/volumes.py` reads (migration 0032).
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Index(None, "creation_date", "volume_id"),
    sa.Index(None, "account_id", "creation_date", "volume_id"),
    sa.Index("ix_volumes_client_token", "account_id", "client_token", unique=True),
)

volume_links = sa.Table(
    "volume_links",
    metadata,
    sa.Column("volume_id", sa.ForeignKey("volumes.volume_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("vm_id", sa.ForeignKey("vms.vm_id"), nullable=False),
    sa.Column("device_name", sa.String(16), nullable=False),
    sa.Column("delete_on_vm_deletion", sa.Boolean, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("link_date", UtcDate, nullable=False),
    sa.UniqueConstraint("vm_id", "device_name"),
)

# Tasks stay listed after their volume is deleted.
volume_update_tasks = sa.Table(
    "volume_update_tasks",
    metadata,
    sa.Column("task_id", sa.String(19), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False),
    sa.Column("volume_id", sa.String(12), nullable=False, index=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("origin_size_gib", sa.Integer, nullable=False),
    sa.Column("origin_volume_type", sa.String(16), nullable=False),
    sa.Column("origin_iops", sa.Integer),
    sa.Column("target_size_gib", sa.Integer, nullable=False),
    sa.Column("target_volume_type", sa.String(16), nullable=False),
    sa.Column("target_iops", sa.Integer),
    sa.Column("creation_date", UtcDate, nullable=False),
    sa.Column("completion_date", UtcDate),
    sa.Index(None, "account_id", "creation_date", "task_id"),
)
