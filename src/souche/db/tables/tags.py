"""Tags on resources."""

import sqlalchemy as sa

from souche.db.tables.base import UtcDate, metadata

tags = sa.Table(
    "tags",
    metadata,
    sa.Column("resource_id", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("value", sa.String(255), nullable=False),
    # For the filter `Tags`. A key may contain `=`, so the filter's values cannot be split.
    sa.Column("pair", sa.String(511), sa.Computed("key || '=' || value", persisted=True)),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False, index=True),
    sa.Column("resource_type", sa.String(32), nullable=False),
    sa.Column("creation_date", UtcDate, nullable=False),
    # Covering indexes: the filters on tags read ids from them without reading the table.
    sa.Index(None, "value", "resource_id"),
    sa.Index(None, "pair", "resource_id"),
    sa.Index(None, "key", "resource_id"),
)
