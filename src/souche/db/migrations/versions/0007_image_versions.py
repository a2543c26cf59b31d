"""Images have versions, and grants the dates of their images. `db/tables/` says what they are for.

A version is random, not a counter: no transaction waits for another's number, and a reused id, or a database restored
from a backup, never repeats a version. Triggers also fire for deletions by foreign keys
(https://www.sqlite.org/foreignkeys.html#fk_actions); if the image itself is deleted, they find no row to change.
"""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from souche.db.engines.elements import CreateTrigger, RandomInteger

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# The tables whose rows belong to images, with their column for the image's id.
_PARTS = {
    "image_mappings": "image_id",
    "image_grants": "image_id",
    "image_product_codes": "image_id",
    "tags": "resource_id",
}
_EVENTS = {"INSERT": ("NEW",), "UPDATE": ("OLD", "NEW"), "DELETE": ("OLD",)}


def upgrade() -> None:
    op.add_column("images", sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.drop_index("ix_images_account_walk", "images")
    walk = ["account_id", "creation_date", "image_id", "name", "public"]
    op.create_index("ix_images_account_walk", "images", walk)
    _date_grants()
    for trigger in _triggers():
        op.execute(trigger)


def _date_grants() -> None:
    op.execute("CREATE TABLE undated_grants AS SELECT image_id, account_id FROM image_grants")
    op.drop_table("image_grants")
    op.create_table(
        "image_grants",
        sa.Column("image_id", sa.String(12), nullable=False),
        sa.Column("account_id", sa.String(12), nullable=False),
        sa.Column("creation_date", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("image_id", "account_id", name="pk_image_grants"),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.image_id"], name="fk_image_grants_image_id", ondelete="CASCADE"
        ),
    )
    dated = "SELECT image_id, undated_grants.account_id, creation_date FROM undated_grants JOIN images USING (image_id)"
    op.execute(f"INSERT INTO image_grants {dated}")
    op.drop_table("undated_grants")
    walk = ["account_id", "creation_date", "image_id"]
    op.create_index("ix_image_grants_account_id_creation_date_image_id", "image_grants", walk)


def _triggers() -> Iterator[CreateTrigger]:
    yield _trigger("images", "INSERT", "image_id = NEW.image_id")
    yield _trigger("images", "UPDATE", "image_id = NEW.image_id", "NEW.version = OLD.version")
    yield _trigger("accounts", "UPDATE", "account_id = NEW.account_id")
    for table, column in _PARTS.items():
        for event, rows in _EVENTS.items():
            ids = ", ".join(f"{row}.{column}" for row in rows)
            yield _trigger(table, event, f"image_id IN ({ids})")


def _trigger(table: str, event: str, changed: str, condition: str = "TRUE") -> CreateTrigger:
    images = sa.table("images", sa.column("version", sa.BigInteger))
    bump = images.update().values(version=RandomInteger()).where(sa.text(changed))
    return CreateTrigger(f"image_version_{table}_{event.lower()}", event, table, bump, condition)


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
