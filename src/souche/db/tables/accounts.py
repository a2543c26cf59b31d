"""Accounts: their keys, their rules, their quotas; and the region itself."""

import sqlalchemy as sa

from souche.db.tables.base import UtcDate, metadata

# One row, the region's id. Two files contain the same id (`main/identity.py`).
region = sa.Table(
    "region",
    metadata,
    sa.Column("region_id", sa.String(36), primary_key=True),
    sa.Column("guest_network", sa.String(18)),
    sa.Column("public_range", sa.String(18)),
)

# An account with a deletion date is deleted. Its row prevents reuse of its id.
accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("account_id", sa.String(12), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("alias", sa.String(255), index=True),
    sa.Column("creation_date", UtcDate, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("deletion_date", UtcDate),
)

access_keys = sa.Table(
    "access_keys",
    metadata,
    sa.Column("access_key_id", sa.String(20), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False, index=True),
    sa.Column("sealed_secret", sa.LargeBinary, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("tag", sa.String(255)),
    sa.Column("creation_date", UtcDate, nullable=False),
    sa.Column("last_modification_date", UtcDate, nullable=False),
    sa.Column("expiration_date", UtcDate),
)

# The addresses that may use an account's keys (`app/api_access_rules.py`). `ip_ranges`: CIDR notation.
api_access_rules = sa.Table(
    "api_access_rules",
    metadata,
    sa.Column("rule_id", sa.String(12), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False, index=True),
    sa.Column("ip_ranges", sa.JSON, nullable=False),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("creation_date", UtcDate, nullable=False),
)

# Counts guesses of secrets if several processes serve the region (`app/failed_signatures.py`).
failed_signatures = sa.Table(
    "failed_signatures",
    metadata,
    sa.Column(
        "access_key_id", sa.ForeignKey("access_keys.access_key_id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("locked_until", UtcDate),
)

keypairs = sa.Table(
    "keypairs",
    metadata,
    sa.Column("keypair_id", sa.String(36), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("key_type", sa.String(32), nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("creation_date", UtcDate, nullable=False),
    sa.UniqueConstraint("account_id", "name"),
)

# Quotas that differ from the defaults in model/quotas.py.
account_quotas = sa.Table(
    "account_quotas",
    metadata,
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("max_value", sa.BigInteger, nullable=False),
)
