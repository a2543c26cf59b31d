"""Tags on resources."""

import sqlalchemy as sa

from souche.db.tables.base import UtcDate, metadata

tags = sa.Table(
    "tags",
    metadata,
    sa.Column("resource_id", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("value", sa.String(255), nullable=False),
    # What the filter `Tags` names. A key may hold `=` too, so its values cannot be taken apart.
    sa.Column("pair", sa.String(511), sa.Computed("key || '=' || value", persisted=True)),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False, index=True),
    sa.Column("resource_type", sa.String(32), nullable=False),
    sa.Column("creation_date", UtcDate, nullable=False),
    # The filters on tags look ids up by these, without a look at the table.
    sa.Index(None, "value", "resource_id"),
    sa.Index(None, "pair", "resource_id"),
    sa.Index(None, "key", "resource_id"),
)
