"""Images, and everything recorded of each."""

import sqlalchemy as sa

from souche.db.tables.base import UtcDate, metadata


def _image_id() -> sa.Column[str]:
    """The key, or its first column, of a table whose rows are deleted with their image."""
    return sa.Column("image_id", sa.ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True)


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
    # The signed URL of an imported image. Its query is a secret, so `file_location` has the URL without it.
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
    # For withdrawn images: the image can be launched by its id until this date. Only its owner sees it in lists.
    sa.Column("launchable_until", UtcDate),
    # A new random number after each change of this row, or of a row in another table that `db/images.py` reads with it.
    # Triggers set it (migration 0007), for every writer.
    sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.UniqueConstraint("account_id", "name"),
    sa.Index(None, "creation_date", "image_id"),
    # These two indexes have the order of pages. Their other columns match patterns in names and select public images.
    sa.Index("ix_images_account_walk", "account_id", "creation_date", "image_id", "name", "public"),
    # Migration 0036 limits this one to public images that are listed, and 0002 the next to withdrawn images, so that no
    # plan uses it for the others, which are nearly all. The predicates are not here: SQLAlchemy imports the dialect.
    sa.Index("ix_images_public_walk", "creation_date", "image_id", "name"),
    sa.Index("ix_images_withdrawn", "launchable_until"),
    sa.Index(None, "account_id", "family"),
    sa.Index(None, "source_image_id"),
    # For filters: `db/finder.py` uses an index if few rows have the value.
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
    _image_id(),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("device_name", sa.String(16), nullable=False),
    # A snapshot's record cannot be deleted while an image uses it. Deferred: a transaction may write the image first.
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
    _image_id(),
    sa.Column("account_id", sa.String(12), primary_key=True),
    # The image's date, which never changes. It puts an account's grants in the order of pages.
    sa.Column("creation_date", UtcDate, nullable=False),
    sa.Index(None, "account_id", "creation_date", "image_id"),
)

# The end of an official image's life. It is due for withdrawal at `deprecation_date`, was withdrawn at
# `withdrawal_date`, and since `closing_date` only its owner can launch it. `public` and `granted`: its permissions
# before.
image_lives = sa.Table(
    "image_lives",
    metadata,
    _image_id(),
    sa.Column("deprecation_date", UtcDate),
    sa.Column("withdrawal_date", UtcDate),
    sa.Column("grace_days", sa.Integer, nullable=False),
    sa.Column("successor_id", sa.String(12)),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("closing_date", UtcDate),
    sa.Column("public", sa.Boolean, nullable=False),
    sa.Column("granted", sa.JSON, nullable=False),
)

# The last verification boot of an image. `reached` is empty if it failed. `log` is the end of the console's output.
image_boots = sa.Table(
    "image_boots",
    metadata,
    _image_id(),
    sa.Column("date", UtcDate, nullable=False),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("boot_mode", sa.String(8), nullable=False),
    sa.Column("reached", sa.String(32), nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("log", sa.LargeBinary, nullable=False),
    sa.Column("screenshot", sa.LargeBinary),
)

# For an image built by a recipe: the recipe's name and digest, and the packages in the image (name: version).
image_builds = sa.Table(
    "image_builds",
    metadata,
    _image_id(),
    sa.Column("recipe", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("packages", sa.JSON, nullable=False),
)

# Accounts that have launched or copied another account's image.
image_users = sa.Table(
    "image_users",
    metadata,
    _image_id(),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), primary_key=True),
)

# Notices to accounts about images, even deleted ones. `notice_id` is `account/image/event`: one notice for each event.
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

# Reports on the contents of images (docs/trust.md), made when an image becomes available, and again on request.
# `other`: the slower engine is next. `accepted`: the codes that the publisher accepted.
image_reports = sa.Table(
    "image_reports",
    metadata,
    _image_id(),
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

# For a clean image: its source, and what was removed (`model/image_cleanings.Done`).
image_cleanings = sa.Table(
    "image_cleanings",
    metadata,
    _image_id(),
    sa.Column("source_image_id", sa.String(12), nullable=False),
    sa.Column("date", UtcDate, nullable=False),
    sa.Column("engine", sa.String(32), nullable=False),
    sa.Column("done", sa.JSON, nullable=False),
)

# If the image of `image_id` is deleted, the alias resolves to nothing. `number`: that of the last change.
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

# `former`: the change to which a rollback of this one returns.
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
    _image_id(),
    sa.Column("product_code", sa.String(16), primary_key=True),
    sa.Index(None, "product_code", "image_id"),
)
