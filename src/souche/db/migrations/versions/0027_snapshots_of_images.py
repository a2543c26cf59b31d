"""A foreign key: the record of a snapshot cannot be deleted while an image uses the snapshot.

A damaged region may have an image that uses a snapshot without a record. Such an image cannot be launched. It becomes
`failed` and its message names the snapshot, so the region still upgrades. SQLite copies the table to add a foreign key
and drops its triggers with it.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

from souche.db.engines.elements import CreateTrigger, DropTrigger, RandomInteger

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

EVENTS: Final = {
    "INSERT": "image_id IN (NEW.image_id)",
    "UPDATE": "image_id IN (OLD.image_id, NEW.image_id)",
    "DELETE": "image_id IN (OLD.image_id)",
}
MESSAGE: Final = "{} had no record when the region was upgraded"


def upgrade() -> None:
    _fail_broken()
    for event in EVENTS:
        op.execute(DropTrigger(_name(event), "image_mappings"))
    with op.batch_alter_table("image_mappings") as table:
        table.create_foreign_key(
            "fk_image_mappings_snapshot_id",
            "snapshots",
            ["snapshot_id"],
            ["snapshot_id"],
            ondelete="RESTRICT",
            deferrable=True,
            initially="DEFERRED",
        )
    images = sa.table("images", sa.column("version", sa.BigInteger))
    for event, changed in EVENTS.items():
        bump = images.update().values(version=RandomInteger()).where(sa.text(changed))
        op.execute(CreateTrigger(_name(event), event, "image_mappings", bump))


def _fail_broken() -> None:
    images = sa.table("images", sa.column("image_id"), sa.column("state"), sa.column("state_message"))
    mappings = sa.table("image_mappings", sa.column("image_id"), sa.column("snapshot_id"))
    snapshots = sa.table("snapshots", sa.column("snapshot_id"))
    lost = mappings.c.snapshot_id.not_in(sa.select(snapshots.c.snapshot_id))
    connection = op.get_bind()
    broken: dict[str, str] = dict(connection.execute(sa.select(mappings).where(lost)).all())
    for image_id, snapshot_id in broken.items():
        failed = images.update().where(images.c.image_id == image_id)
        connection.execute(failed.values(state="failed", state_message=MESSAGE.format(snapshot_id)))
        connection.execute(mappings.delete().where(mappings.c.image_id == image_id))


def _name(event: str) -> str:
    return f"image_version_image_mappings_{event.lower()}"


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
