"""The first schema. `db/tables/` says what it means."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _accounts()
    _access_keys()
    _keypairs()
    _tags()
    _snapshots()
    _snapshot_grants()
    _images()
    _image_mappings()
    _image_grants()
    _image_product_codes()
    _volumes()
    _vms()
    _vm_product_codes()
    _volume_links()
    _operations()


def downgrade() -> None:
    raise NotImplementedError("there is nothing before the first schema")


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("alias", sa.String(255)),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_accounts"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
    )
    op.create_index("ix_accounts_alias", "accounts", ["alias"])


def _access_keys() -> None:
    op.create_table(
        "access_keys",
        sa.Column("access_key_id", sa.String(20), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("tag", sa.String(255)),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.Column("last_modification_date", sa.String(24), nullable=False),
        sa.Column("expiration_date", sa.String(24)),
        sa.PrimaryKeyConstraint("access_key_id", name="pk_access_keys"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_access_keys_account_id"),
    )
    op.create_index("ix_access_keys_account_id", "access_keys", ["account_id"])


def _keypairs() -> None:
    op.create_table(
        "keypairs",
        sa.Column("keypair_id", sa.String(36), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("key_type", sa.String(32), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("keypair_id", name="pk_keypairs"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_keypairs_account_id"),
        sa.UniqueConstraint("account_id", "name", name="uq_keypairs_account_id_name"),
    )


def _tags() -> None:
    op.create_table(
        "tags",
        sa.Column("resource_id", sa.String(64), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("value", sa.String(255), nullable=False),
        sa.Column("pair", sa.String(511), sa.Computed("key || '=' || value", persisted=True)),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("resource_type", sa.String(32), nullable=False),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("resource_id", "key", name="pk_tags"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_tags_account_id"),
    )
    op.create_index("ix_tags_account_id", "tags", ["account_id"])
    op.create_index("ix_tags_pair_resource_id", "tags", ["pair", "resource_id"])
    op.create_index("ix_tags_value_resource_id", "tags", ["value", "resource_id"])


def _snapshots() -> None:
    op.create_table(
        "snapshots",
        sa.Column("snapshot_id", sa.String(13), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("volume_id", sa.String(12)),
        sa.Column("volume_size_gib", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("progress_percent", sa.Integer, nullable=False),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("public", sa.Boolean, nullable=False),
        sa.Column("product_codes", sa.JSON, nullable=False),
        sa.Column("client_token", sa.String(64)),
        sa.Column("source_snapshot_id", sa.String(13)),
        sa.Column("image_id", sa.String(12)),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("snapshot_id", name="pk_snapshots"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_snapshots_account_id"),
    )
    op.create_index("ix_snapshots_client_token", "snapshots", ["account_id", "client_token"], unique=True)
    op.create_index(
        "ix_snapshots_account_id_creation_date_snapshot_id",
        "snapshots",
        ["account_id", "creation_date", "snapshot_id"],
    )
    op.create_index("ix_snapshots_creation_date_snapshot_id", "snapshots", ["creation_date", "snapshot_id"])
    op.create_index("ix_snapshots_image_id", "snapshots", ["image_id"])
    op.create_index(
        "ix_snapshots_public_creation_date_snapshot_id",
        "snapshots",
        ["public", "creation_date", "snapshot_id"],
    )
    op.create_index("ix_snapshots_volume_id", "snapshots", ["volume_id"])


def _snapshot_grants() -> None:
    op.create_table(
        "snapshot_grants",
        sa.Column("snapshot_id", sa.String(13), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.PrimaryKeyConstraint("snapshot_id", "account_id", name="pk_snapshot_grants"),
        sa.ForeignKeyConstraint(
            ["snapshot_id"],
            ["snapshots.snapshot_id"],
            name="fk_snapshot_grants_snapshot_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_snapshot_grants_account_id", "snapshot_grants", ["account_id"])


def _images() -> None:
    op.create_table(
        "images",
        sa.Column("image_id", sa.String(12), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("architecture", sa.String(8), nullable=False),
        sa.Column("legacy_boot", sa.Boolean, nullable=False),
        sa.Column("uefi_boot", sa.Boolean, nullable=False),
        sa.Column("root_device_name", sa.String(16), nullable=False),
        sa.Column("file_location", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("state_message", sa.Text),
        sa.Column("public", sa.Boolean, nullable=False),
        sa.Column("tpm_mandatory", sa.Boolean, nullable=False),
        sa.Column("secure_boot", sa.Boolean, nullable=False),
        sa.Column("source_vm_id", sa.String(10)),
        sa.Column("source_image_id", sa.String(12)),
        sa.Column("vm_attributes", sa.JSON),
        sa.Column("guest_pause_seconds", sa.Float),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("image_id", name="pk_images"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_images_account_id"),
        sa.UniqueConstraint("account_id", "name", name="uq_images_account_id_name"),
    )
    op.create_index(
        "ix_images_account_id_creation_date_image_id", "images", ["account_id", "creation_date", "image_id"]
    )
    op.create_index("ix_images_creation_date_image_id", "images", ["creation_date", "image_id"])
    op.create_index("ix_images_name", "images", ["name"])
    op.create_index(
        "ix_images_public_creation_date_image_id", "images", ["public", "creation_date", "image_id"]
    )


def _image_mappings() -> None:
    op.create_table(
        "image_mappings",
        sa.Column("image_id", sa.String(12), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("device_name", sa.String(16), nullable=False),
        sa.Column("snapshot_id", sa.String(13)),
        sa.Column("volume_size_gib", sa.Integer, nullable=False),
        sa.Column("volume_type", sa.String(16), nullable=False),
        sa.Column("iops", sa.Integer),
        sa.Column("delete_on_vm_deletion", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("image_id", "position", name="pk_image_mappings"),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.image_id"], name="fk_image_mappings_image_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("image_id", "device_name", name="uq_image_mappings_image_id_device_name"),
    )
    op.create_index("ix_image_mappings_snapshot_id", "image_mappings", ["snapshot_id"])


def _image_grants() -> None:
    op.create_table(
        "image_grants",
        sa.Column("image_id", sa.String(12), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.PrimaryKeyConstraint("image_id", "account_id", name="pk_image_grants"),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.image_id"], name="fk_image_grants_image_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_image_grants_account_id", "image_grants", ["account_id"])


def _image_product_codes() -> None:
    op.create_table(
        "image_product_codes",
        sa.Column("image_id", sa.String(12), nullable=False),
        sa.Column("product_code", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("image_id", "product_code", name="pk_image_product_codes"),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.image_id"], name="fk_image_product_codes_image_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_image_product_codes_product_code", "image_product_codes", ["product_code"])


def _volumes() -> None:
    op.create_table(
        "volumes",
        sa.Column("volume_id", sa.String(12), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("snapshot_id", sa.String(13)),
        sa.Column("size_gib", sa.Integer, nullable=False),
        sa.Column("volume_type", sa.String(16), nullable=False),
        sa.Column("iops", sa.Integer),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("subregion_name", sa.String(64), nullable=False),
        sa.Column("product_codes", sa.JSON, nullable=False),
        sa.Column("client_token", sa.String(64)),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("volume_id", name="pk_volumes"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_volumes_account_id"),
    )
    op.create_index("ix_volumes_client_token", "volumes", ["account_id", "client_token"], unique=True)
    op.create_index(
        "ix_volumes_account_id_creation_date_volume_id",
        "volumes",
        ["account_id", "creation_date", "volume_id"],
    )
    op.create_index("ix_volumes_creation_date_volume_id", "volumes", ["creation_date", "volume_id"])
    op.create_index("ix_volumes_snapshot_id", "volumes", ["snapshot_id"])


def _vms() -> None:
    op.create_table(
        "vms",
        sa.Column("vm_id", sa.String(10), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("image_id", sa.String(12), nullable=False),
        sa.Column("reservation_id", sa.String(10), nullable=False),
        sa.Column("launch_number", sa.Integer, nullable=False),
        sa.Column("vm_type", sa.String(32), nullable=False),
        sa.Column("vcpus", sa.Integer, nullable=False),
        sa.Column("memory_mib", sa.Integer, nullable=False),
        sa.Column("performance", sa.String(16), nullable=False),
        sa.Column("architecture", sa.String(8), nullable=False),
        sa.Column("boot_mode", sa.String(8), nullable=False),
        sa.Column("root_device_name", sa.String(16), nullable=False),
        sa.Column("subregion_name", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("state_reason", sa.Text, nullable=False),
        sa.Column("mac_address", sa.String(17), nullable=False),
        sa.Column("private_ip", sa.String(15), nullable=False),
        sa.Column("address_lease", sa.String(15)),
        sa.Column("keypair_name", sa.String(255)),
        sa.Column("public_key", sa.Text),
        sa.Column("user_data", sa.LargeBinary, nullable=False),
        sa.Column("deletion_protection", sa.Boolean, nullable=False),
        sa.Column("shutdown_behavior", sa.String(16), nullable=False),
        sa.Column("host_action", sa.String(16), nullable=False),
        sa.Column("client_token", sa.String(64)),
        sa.Column("nested_virtualization", sa.Boolean, nullable=False),
        sa.Column("tpm_enabled", sa.Boolean, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.Column("termination_date", sa.String(24)),
        sa.PrimaryKeyConstraint("vm_id", name="pk_vms"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_vms_account_id"),
        sa.UniqueConstraint("address_lease", name="uq_vms_address_lease"),
    )
    op.create_index(
        "ix_vms_client_token", "vms", ["account_id", "client_token", "launch_number"], unique=True
    )
    op.create_index("ix_vms_account_id_creation_date_vm_id", "vms", ["account_id", "creation_date", "vm_id"])
    op.create_index("ix_vms_creation_date_vm_id", "vms", ["creation_date", "vm_id"])
    op.create_index("ix_vms_image_id", "vms", ["image_id"])
    op.create_index("ix_vms_reservation_id", "vms", ["reservation_id"])
    op.create_index("ix_vms_state", "vms", ["state"])


def _vm_product_codes() -> None:
    op.create_table(
        "vm_product_codes",
        sa.Column("vm_id", sa.String(10), nullable=False),
        sa.Column("product_code", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("vm_id", "product_code", name="pk_vm_product_codes"),
        sa.ForeignKeyConstraint(
            ["vm_id"], ["vms.vm_id"], name="fk_vm_product_codes_vm_id", ondelete="CASCADE"
        ),
    )


def _volume_links() -> None:
    op.create_table(
        "volume_links",
        sa.Column("volume_id", sa.String(12), nullable=False),
        sa.Column("vm_id", sa.String(10), nullable=False),
        sa.Column("device_name", sa.String(16), nullable=False),
        sa.Column("delete_on_vm_deletion", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("link_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("volume_id", name="pk_volume_links"),
        sa.ForeignKeyConstraint(["vm_id"], ["vms.vm_id"], name="fk_volume_links_vm_id"),
        sa.ForeignKeyConstraint(
            ["volume_id"], ["volumes.volume_id"], name="fk_volume_links_volume_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("vm_id", "device_name", name="uq_volume_links_vm_id_device_name"),
    )


def _operations() -> None:
    op.create_table(
        "operations",
        sa.Column("operation_id", sa.String(128), nullable=False),
        sa.Column("workflow", sa.String(64), nullable=False),
        sa.Column("subject_id", sa.String(64), nullable=False),
        sa.Column("arguments", sa.JSON, nullable=False),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("operation_id", name="pk_operations"),
    )
    op.create_index("ix_operations_subject_id", "operations", ["subject_id"])
