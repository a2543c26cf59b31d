"""The tables. `migrations/` brings a database to this shape; a test compares the two.

Dates are text in UTC with milliseconds and a trailing Z, which sorts as time does on every database.
"""

from datetime import UTC, datetime

import sqlalchemy as sa


class UtcDate(sa.types.TypeDecorator[datetime]):
    """`2026-11-24T10:00:00.000Z` in the database, an aware datetime in the code."""

    impl = sa.String(24)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else utc_text(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else datetime.fromisoformat(value)


def utc_text(date: datetime) -> str:
    """A date as the database keeps it and as the API shows it (reference: ISO 8601, milliseconds, Z)."""
    return date.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# One row: which region this is. The same id stands in two files (`main/identity.py`).
region = sa.Table(
    "region",
    metadata,
    sa.Column("region_id", sa.String(36), primary_key=True),
    sa.Column("guest_network", sa.String(18)),
    sa.Column("public_range", sa.String(18)),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("account_id", sa.String(12), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("alias", sa.String(255), index=True),
    sa.Column("creation_date", UtcDate, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False, server_default=sa.false()),
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

# From where an account's keys may be used (`app/api_access_rules.py`). `ip_ranges`: CIDR notation.
api_access_rules = sa.Table(
    "api_access_rules",
    metadata,
    sa.Column("rule_id", sa.String(12), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False, index=True),
    sa.Column("ip_ranges", sa.JSON, nullable=False),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("creation_date", UtcDate, nullable=False),
)

# The lock against guessing secrets, where several processes serve the region (`app/failed_signatures.py`).
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
    # As `images.version`, of what `db/snapshots.py` reads (migration 0032).
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Index(None, "creation_date", "snapshot_id"),
    sa.Index(None, "account_id", "creation_date", "snapshot_id"),
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

# From the request to import a disk until its snapshot is made. The URL is signed: a secret.
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

images = sa.Table(
    "images",
    metadata,
    sa.Column("image_id", sa.String(12), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("architecture", sa.String(8), nullable=False),
    sa.Column("legacy_boot", sa.Boolean, nullable=False),
    sa.Column("uefi_boot", sa.Boolean, nullable=False),
    sa.Column("root_device_name", sa.String(16), nullable=False),
    sa.Column("file_location", sa.Text, nullable=False),
    # Of an image imported by a signed URL: `file_location` is the URL without its query, which is a secret.
    sa.Column("sealed_location", sa.Text),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("state_message", sa.Text),
    sa.Column("public", sa.Boolean, nullable=False),
    sa.Column("tpm_mandatory", sa.Boolean, nullable=False),
    sa.Column("secure_boot", sa.Boolean, nullable=False),
    sa.Column("source_vm_id", sa.String(10)),
    sa.Column("source_image_id", sa.String(12)),
    sa.Column("vm_attributes", sa.JSON),
    sa.Column("lineage", sa.JSON),
    sa.Column("guest_pause_seconds", sa.Float),
    sa.Column("consistency", sa.JSON),
    sa.Column("creation_date", UtcDate, nullable=False),
    sa.Column("family", sa.String(128)),
    # Of a withdrawn image only: it can be launched by its id until then, and is listed to its owner alone.
    sa.Column("launchable_until", UtcDate),
    # Another random number after every change of what an image shows: of this row, or of one of another table that
    # `db/images.py` reads with it. Triggers see to it (migration 0007), whoever writes and however.
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.UniqueConstraint("account_id", "name"),
    sa.Index(None, "creation_date", "image_id"),
    # Pages are walked along these two, and names are matched with patterns on the way, or what is public picked out.
    sa.Index("ix_images_account_walk", "account_id", "creation_date", "image_id", "name", "public"),
    sa.Index("ix_images_public_walk", "public", "launchable_until", "creation_date", "image_id", "name"),
    sa.Index(None, "account_id", "family"),
    sa.Index(None, "source_image_id"),
    # Partial, so that no plan goes by it for the listed images, which are nearly all.
    sa.Index(
        "ix_images_withdrawn",
        "launchable_until",
        sqlite_where=sa.text("launchable_until IS NOT NULL"),
        postgresql_where=sa.text("launchable_until IS NOT NULL"),
    ),
    # What filters name; `db/finder.py` uses an index if few rows have the value.
    sa.Index(None, "name"),
    sa.Index(None, "state"),
    sa.Index(None, "description"),
    sa.Index(None, "file_location"),
    sa.Index(None, "architecture"),
    sa.Index(None, "root_device_name"),
    sa.Index(None, "tpm_mandatory"),
    sa.Index(None, "secure_boot"),
)

image_mappings = sa.Table(
    "image_mappings",
    metadata,
    sa.Column("image_id", sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("device_name", sa.String(16), nullable=False),
    # The record of a snapshot cannot be deleted while an image uses it. A transaction may write the image first.
    sa.Column(
        "snapshot_id",
        sa.ForeignKey("snapshots.snapshot_id", ondelete="RESTRICT", deferrable=True, initially="DEFERRED"),
        index=True,
    ),
    sa.Column("volume_size_gib", sa.Integer, nullable=False),
    sa.Column("volume_type", sa.String(16), nullable=False),
    sa.Column("iops", sa.Integer),
    sa.Column("delete_on_vm_deletion", sa.Boolean, nullable=False),
    sa.UniqueConstraint("image_id", "device_name"),
    sa.Index(None, "device_name", "image_id"),
    sa.Index(None, "volume_size_gib", "image_id"),
    sa.Index(None, "volume_type", "image_id"),
    sa.Index(None, "delete_on_vm_deletion", "image_id"),
)

image_grants = sa.Table(
    "image_grants",
    metadata,
    sa.Column("image_id", sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("account_id", sa.String(12), primary_key=True),
    # The image's, which never changes: what an account was granted is walked in the order of pages.
    sa.Column("creation_date", UtcDate, nullable=False),
    sa.Index(None, "account_id", "creation_date", "image_id"),
)

# Of an official image that goes: from `deprecation_date` on it is withdrawn, since `withdrawal_date` it is. Since
# `closing_date` nobody but its owner can launch it; `public` and `granted` say who could before.
image_lives = sa.Table(
    "image_lives",
    metadata,
    sa.Column("image_id", sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("deprecation_date", UtcDate),
    sa.Column("withdrawal_date", UtcDate),
    sa.Column("grace_days", sa.Integer, nullable=False),
    sa.Column("successor_id", sa.String(12)),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("closing_date", UtcDate),
    sa.Column("public", sa.Boolean, nullable=False),
    sa.Column("granted", sa.JSON, nullable=False),
)

# The last boot of an image that was verified: `reached` is empty where it failed. `log` is the end of the console.
image_boots = sa.Table(
    "image_boots",
    metadata,
    sa.Column("image_id", sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("date", UtcDate, nullable=False),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("boot_mode", sa.String(8), nullable=False),
    sa.Column("reached", sa.String(32), nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("log", sa.LargeBinary, nullable=False),
    sa.Column("screenshot", sa.LargeBinary),
)

# Of an image that was built by a recipe: the recipe's name and digest, and the packages in the image (name: version).
image_builds = sa.Table(
    "image_builds",
    metadata,
    sa.Column("image_id", sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("recipe", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("packages", sa.JSON, nullable=False),
)

# Accounts that have launched or copied an image of another's.
image_users = sa.Table(
    "image_users",
    metadata,
    sa.Column("image_id", sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), primary_key=True),
)

# What accounts are told of images, which may be gone. `notice_id` is `account/image/event`: one of each event.
notices = sa.Table(
    "notices",
    metadata,
    sa.Column("notice_id", sa.String(48), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False),
    sa.Column("event", sa.String(16), nullable=False),
    sa.Column("image_id", sa.String(12), nullable=False),
    sa.Column("image_name", sa.String(255), nullable=False),
    sa.Column("owner_id", sa.String(12), nullable=False),
    sa.Column("date", UtcDate, nullable=False),
    sa.Column("usable_until", UtcDate),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("successor_id", sa.String(12)),
    sa.Index(None, "account_id", "date", "notice_id"),
    sa.Index(None, "owner_id", "account_id", "date"),
    sa.Index(None, "image_id", "event"),
)

# What is inside an image (docs/trust.md): made when it becomes available, and again when somebody asks. `other`: its
# turn is that of the slower engine. `accepted` are the codes that its publisher accepted.
image_reports = sa.Table(
    "image_reports",
    metadata,
    sa.Column("image_id", sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("other", sa.Boolean, nullable=False),
    sa.Column("creation_date", UtcDate, nullable=False),
    sa.Column("date", UtcDate),
    sa.Column("engine", sa.String(32), nullable=False),
    sa.Column("os", sa.String(512), nullable=False),
    sa.Column("guidelines", sa.JSON, nullable=False),
    sa.Column("accepted", sa.JSON, nullable=False),
    sa.Index(None, "state", "other", "creation_date"),
)

image_findings = sa.Table(
    "image_findings",
    metadata,
    sa.Column("image_id", sa.ForeignKey("image_reports.image_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("code", sa.String(64), nullable=False, index=True),
    sa.Column("severity", sa.String(8), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.String(128), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("remedy", sa.Text, nullable=False),
    sa.Column("user", sa.Text),
)

# Of a clean image: what it was made of, and what was removed (`model/image_cleanings.Done`).
image_cleanings = sa.Table(
    "image_cleanings",
    metadata,
    sa.Column("image_id", sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("source_image_id", sa.String(12), nullable=False),
    sa.Column("date", UtcDate, nullable=False),
    sa.Column("engine", sa.String(32), nullable=False),
    sa.Column("done", sa.JSON, nullable=False),
)

# `image_id` may be of an image that is gone: the alias stands for nothing then. `number` is that of its last change.
image_aliases = sa.Table(
    "image_aliases",
    metadata,
    sa.Column("alias_id", sa.String(160), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False, index=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("channel", sa.String(32), nullable=False),
    sa.Column("image_id", sa.String(12), nullable=False, index=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("creation_date", UtcDate, nullable=False),
)

# `former`: the change that a rollback of this one leads to.
image_alias_changes = sa.Table(
    "image_alias_changes",
    metadata,
    sa.Column("alias_id", sa.ForeignKey("image_aliases.alias_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("image_id", sa.String(12), nullable=False),
    sa.Column("former", sa.Integer),
    sa.Column("date", UtcDate, nullable=False),
)

image_product_codes = sa.Table(
    "image_product_codes",
    metadata,
    sa.Column("image_id", sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("product_code", sa.String(16), primary_key=True, index=True),
)

product_types = sa.Table(
    "product_types",
    metadata,
    sa.Column("product_type_id", sa.String(12), primary_key=True),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("vendor", sa.String(255), nullable=False),
    # It was published on the marketplace: from then on its code is launched by subscribers only.
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

# What differs from the defaults of model/quotas.py.
account_quotas = sa.Table(
    "account_quotas",
    metadata,
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("max_value", sa.BigInteger, nullable=False),
)

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
    # As `images.version`, of what `db/volumes.py` reads (migration 0032).
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Index(None, "creation_date", "volume_id"),
    sa.Index(None, "account_id", "creation_date", "volume_id"),
    sa.Index("ix_volumes_client_token", "account_id", "client_token", unique=True),
)

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
    # What the next start does with the firmware's keys, and what a start has done last (`model.vms.SecureBootAction`).
    sa.Column("next_secure_boot", sa.String(20), nullable=False, server_default="none"),
    sa.Column("secure_boot", sa.String(20), nullable=False, server_default="none"),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("creation_date", UtcDate, nullable=False),
    # As `images.version`, of what `db/vms.py` reads (migration 0032).
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("termination_date", UtcDate),
    sa.Index(None, "creation_date", "vm_id"),
    sa.Index(None, "account_id", "creation_date", "vm_id"),
    sa.Index("ix_vms_client_token", "account_id", "client_token", "launch_number", unique=True),
)

# What a launch took from its image, as it did not name it: the attributes' names and values, where there are any.
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

# One row for each source. `source` is an IP range, or the id of a group whose members are let in.
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

# `vm_id` and `link_id`: where it leads to, if anywhere.
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

# The volume may be gone: its tasks stay listed.
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

# `generation` is the VM's when it stopped: it stops at most once in each.
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

# Operations are done in the order of `sequence`. It is given under the writer's lock and never given again
# (AUTOINCREMENT), so an operation that was committed later has a higher one. `worker`, `node` and `claim_date` (by the
# database's clock) are the claim of the process that does it; null: nobody's (`db/claims.py`).
operations = sa.Table(
    "operations",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("operation_id", sa.String(128), nullable=False, unique=True),
    sa.Column("workflow", sa.String(64), nullable=False),
    sa.Column("subject_id", sa.String(64), nullable=False, index=True),
    sa.Column("account_id", sa.String(12), nullable=False),
    sa.Column("arguments", sa.JSON, nullable=False),
    sa.Column("creation_date", UtcDate, nullable=False),
    sa.Column("worker", sa.String(36)),
    sa.Column("node", sa.String(64)),
    sa.Column("claim_date", UtcDate),
    sa.Index(None, "account_id", "sequence"),
    sqlite_autoincrement=True,
)

# The ids of what each operation works on: of two that have one in common, the earlier is done first.
operation_locks = sa.Table(
    "operation_locks",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column(
        "sequence", sa.ForeignKey("operations.sequence", ondelete="CASCADE"), primary_key=True, index=True
    ),
)

# The processes that do operations, and when each last said that it lives, by the database's clock. Empty where the lock
# on the home lets one process alone work.
workers = sa.Table(
    "workers",
    metadata,
    sa.Column("worker", sa.String(36), primary_key=True),
    sa.Column("node", sa.String(64), nullable=False),
    sa.Column("heartbeat_date", UtcDate, nullable=False),
)
