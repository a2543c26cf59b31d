"""VMs."""

import sqlalchemy as sa

from souche.db.tables.base import UtcDate, metadata

vms = sa.Table(
    "vms",
    metadata,
    sa.Column("vm_id", sa.String(10), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False),
    sa.Column("image_id", sa.String(12), nullable=False, index=True),
    sa.Column("reservation_id", sa.String(10), nullable=False, index=True),
    sa.Column("launch_number", sa.Integer, nullable=False),
    sa.Column("vm_type", sa.String(32), nullable=False),
    sa.Column("vcpus", sa.Integer, nullable=False),
    sa.Column("memory_mib", sa.Integer, nullable=False),
    sa.Column("performance", sa.String(16), nullable=False),
    sa.Column("architecture", sa.String(8), nullable=False),
    sa.Column("boot_mode", sa.String(8), nullable=False),
    sa.Column("root_device_name", sa.String(16), nullable=False),
    sa.Column("subregion_name", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("state_reason", sa.Text, nullable=False),
    sa.Column("mac_address", sa.String(17), nullable=False),
    sa.Column("private_ip", sa.String(15), nullable=False),
    sa.Column("address_lease", sa.String(15), unique=True),
    sa.Column("keypair_name", sa.String(255)),
    sa.Column("public_key", sa.Text),
    sa.Column("user_data", sa.LargeBinary, nullable=False),
    sa.Column("deletion_protection", sa.Boolean, nullable=False),
    sa.Column("shutdown_behavior", sa.String(16), nullable=False),
    sa.Column("host_action", sa.String(16), nullable=False),
    sa.Column("client_token", sa.String(64)),
    sa.Column("request_digest", sa.String(64)),
    sa.Column("nested_virtualization", sa.Boolean, nullable=False),
    sa.Column("tpm_enabled", sa.Boolean, nullable=False),
    # The next start's action on the firmware's keys, and the action of the last start (`model.vms.SecureBootAction`).
    sa.Column("next_secure_boot", sa.String(20), nullable=False, server_default="none"),
    sa.Column("secure_boot", sa.String(20), nullable=False, server_default="none"),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("creation_date", UtcDate, nullable=False),
    # As `images.version`, for the rows that `db/vms.py` reads (migration 0032).
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("termination_date", UtcDate),
    sa.Index(None, "creation_date", "vm_id"),
    sa.Index(None, "account_id", "creation_date", "vm_id"),
    sa.Index("ix_vms_client_token", "account_id", "client_token", "launch_number", unique=True),
)

# Attributes that the launch did not give and took from its image: names and values.
vm_taken_attributes = sa.Table(
    "vm_taken_attributes",
    metadata,
    sa.Column("vm_id", sa.ForeignKey("vms.vm_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("attributes", sa.JSON, nullable=False),
)

vm_product_codes = sa.Table(
    "vm_product_codes",
    metadata,
    sa.Column("vm_id", sa.ForeignKey("vms.vm_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("product_code", sa.String(16), primary_key=True),
)

# `generation`: the VM's when it stopped. A VM stops at most once in each generation.
vm_stops = sa.Table(
    "vm_stops",
    metadata,
    sa.Column("vm_id", sa.String(10), primary_key=True),
    sa.Column("generation", sa.Integer, primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False),
    sa.Column("state_reason", sa.Text, nullable=False),
    sa.Column("stop_date", UtcDate, nullable=False),
    sa.Index(None, "account_id", "stop_date", "vm_id"),
)

# A token opens a VM's console once (`app/console_tokens.py`). `digest`: the token's SHA-256, in hex.
console_tokens = sa.Table(
    "console_tokens",
    metadata,
    sa.Column("vm_id", sa.ForeignKey("vms.vm_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("expiration_date", UtcDate, nullable=False),
)
