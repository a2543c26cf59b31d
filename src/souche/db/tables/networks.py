"""Security groups and public IPs."""

import sqlalchemy as sa

from souche.db.tables.base import UtcDate, metadata

security_groups = sa.Table(
    "security_groups",
    metadata,
    sa.Column("security_group_id", sa.String(11), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("creation_date", UtcDate, nullable=False),
    sa.UniqueConstraint("account_id", "name"),
    sa.Index(None, "account_id", "creation_date", "security_group_id"),
)

# One row for each source. `source`: an IP range, or the id of a group whose members are allowed.
security_group_rules = sa.Table(
    "security_group_rules",
    metadata,
    sa.Column(
        "security_group_id",
        sa.ForeignKey("security_groups.security_group_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("protocol", sa.String(8), primary_key=True),
    sa.Column("from_port", sa.Integer, primary_key=True),
    sa.Column("to_port", sa.Integer, primary_key=True),
    sa.Column("source", sa.String(18), primary_key=True, index=True),
    sa.Column("position", sa.Integer, nullable=False),
)

vm_security_groups = sa.Table(
    "vm_security_groups",
    metadata,
    sa.Column("vm_id", sa.ForeignKey("vms.vm_id", ondelete="CASCADE"), primary_key=True),
    sa.Column(
        "security_group_id",
        sa.ForeignKey("security_groups.security_group_id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
)

# `vm_id` and `link_id`: the VM that it is linked to, if any.
public_ips = sa.Table(
    "public_ips",
    metadata,
    sa.Column("public_ip_id", sa.String(17), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False),
    sa.Column("public_ip", sa.String(15), nullable=False, unique=True),
    sa.Column("vm_id", sa.ForeignKey("vms.vm_id"), unique=True),
    sa.Column("link_id", sa.String(17), unique=True),
    sa.Column("creation_date", UtcDate, nullable=False),
    sa.Index(None, "account_id", "creation_date", "public_ip_id"),
)
