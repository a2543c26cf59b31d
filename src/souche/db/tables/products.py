"""Product types, and the marketplace."""

import sqlalchemy as sa

from souche.db.tables.base import UtcDate, metadata

product_types = sa.Table(
    "product_types",
    metadata,
    sa.Column("product_type_id", sa.String(12), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("vendor", sa.String(255), nullable=False),
    # True once it was published on the marketplace: then only subscribers can launch its code.
    sa.Column("sold", sa.Boolean, nullable=False),
    sa.Column("creation_date", UtcDate, nullable=False),
)

marketplace_versions = sa.Table(
    "marketplace_versions",
    metadata,
    sa.Column("image_id", sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("product_type_id", sa.ForeignKey("product_types.product_type_id"), nullable=False, index=True),
)

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    sa.Column(
        "product_type_id",
        sa.ForeignKey("product_types.product_type_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), primary_key=True),
)
