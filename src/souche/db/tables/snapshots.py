"""Snapshots, and the disks imported for them."""

import sqlalchemy as sa

from souche.db.tables.base import UtcDate, metadata

snapshots = sa.Table(
    "snapshots",
    metadata,
    sa.Column("snapshot_id", sa.String(13), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False),
    sa.Column("volume_id", sa.String(12), index=True),
    sa.Column("volume_size_gib", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("progress_percent", sa.Integer, nullable=False),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("public", sa.Boolean, nullable=False),
    sa.Column("product_codes", sa.JSON, nullable=False),
    sa.Column("client_token", sa.String(64)),
    sa.Column("request_digest", sa.String(64)),
    sa.Column("source_snapshot_id", sa.String(13)),
    sa.Column("image_id", sa.String(12), index=True),
    sa.Column("problem", sa.Text),
    sa.Column("creation_date", UtcDate, nullable=False),
    # As `images.version`, for the rows that `db/snapshots.py` reads (migration 0032).
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Index(None, "creation_date", "snapshot_id"),
    # In the order of pages. The size is in it for quotas: a write sums up the sizes of all snapshots of its account.
    sa.Index("ix_snapshots_account_walk", "account_id", "creation_date", "snapshot_id", "volume_size_gib"),
    sa.Index(None, "public", "creation_date", "snapshot_id"),
    sa.Index(None, "source_snapshot_id"),
    sa.Index("ix_snapshots_client_token", "account_id", "client_token", unique=True),
)

snapshot_grants = sa.Table(
    "snapshot_grants",
    metadata,
    sa.Column("snapshot_id", sa.ForeignKey("snapshots.snapshot_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("account_id", sa.String(12), primary_key=True, index=True),
)

# A row exists from the request to import a disk until its snapshot is made. The URL is signed, so it is secret.
disk_imports = sa.Table(
    "disk_imports",
    metadata,
    sa.Column("snapshot_id", sa.ForeignKey("snapshots.snapshot_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("device_name", sa.String(16)),
    sa.Column("sealed_url", sa.LargeBinary, nullable=False),
    sa.Column("most_bytes", sa.BigInteger, nullable=False),
    sa.Column("disk_format", sa.String(8)),
    sa.Column("gzip", sa.Boolean),
    sa.Column("checksums", sa.JSON(none_as_null=True)),
    sa.Column("received_bytes", sa.BigInteger, nullable=False),
    sa.Column("total_bytes", sa.BigInteger),
)
