"""Withdrawn images, product types, the marketplace and quotas. `db/tables/` says what it means."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _images()
    _product_types()
    _marketplace_versions()
    _subscriptions()
    _account_quotas()


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")


def _images() -> None:
    op.add_column("images", sa.Column("family", sa.String(128)))
    op.add_column("images", sa.Column("launchable_until", sa.String(24)))
    op.drop_index("ix_images_public_creation_date_image_id", "images")
    op.create_index(
        "ix_images_public_launchable_until_creation_date_image_id",
        "images",
        ["public", "launchable_until", "creation_date", "image_id"],
    )
    withdrawn = sa.text("launchable_until IS NOT NULL")
    op.create_index(
        "ix_images_withdrawn",
        "images",
        ["launchable_until"],
        sqlite_where=withdrawn,
        postgresql_where=withdrawn,
    )
    op.create_index("ix_images_account_id_family", "images", ["account_id", "family"])


def _product_types() -> None:
    op.create_table(
        "product_types",
        sa.Column("product_type_id", sa.String(12), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("vendor", sa.String(255), nullable=False),
        sa.Column("sold", sa.Boolean, nullable=False),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("product_type_id", name="pk_product_types"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_product_types_account_id"),
    )


def _marketplace_versions() -> None:
    op.create_table(
        "marketplace_versions",
        sa.Column("image_id", sa.String(12), nullable=False),
        sa.Column("product_type_id", sa.String(12), nullable=False),
        sa.PrimaryKeyConstraint("image_id", name="pk_marketplace_versions"),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.image_id"], name="fk_marketplace_versions_image_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["product_type_id"],
            ["product_types.product_type_id"],
            name="fk_marketplace_versions_product_type_id",
        ),
    )
    op.create_index("ix_marketplace_versions_product_type_id", "marketplace_versions", ["product_type_id"])


def _subscriptions() -> None:
    op.create_table(
        "subscriptions",
        sa.Column("product_type_id", sa.String(12), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.PrimaryKeyConstraint("product_type_id", "account_id", name="pk_subscriptions"),
        sa.ForeignKeyConstraint(
            ["product_type_id"],
            ["product_types.product_type_id"],
            name="fk_subscriptions_product_type_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_subscriptions_account_id"),
    )


def _account_quotas() -> None:
    op.create_table(
        "account_quotas",
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("max_value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "name", name="pk_account_quotas"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_account_quotas_account_id"),
    )
