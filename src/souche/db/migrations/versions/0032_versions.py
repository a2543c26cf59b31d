"""VMs, volumes and snapshots have versions, as images have (migration 0007)."""

from collections.abc import Iterator, Mapping
from typing import Final

import sqlalchemy as sa
from alembic import op

from souche.db.engines.elements import CreateTrigger, RandomInteger

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

EVENTS: Final = {"INSERT": ("NEW",), "UPDATE": ("OLD", "NEW"), "DELETE": ("OLD",)}

# For each noun: its table, and the tables whose rows belong to it, with their column for its id.
NOUNS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "vm": (
        "vms",
        {
            "vm_product_codes": "vm_id",
            "vm_security_groups": "vm_id",
            "volume_links": "vm_id",
            "public_ips": "vm_id",
            "tags": "resource_id",
        },
    ),
    "volume": (
        "volumes",
        {"volume_links": "volume_id", "volume_update_tasks": "volume_id", "tags": "resource_id"},
    ),
    "snapshot": ("snapshots", {"snapshot_grants": "snapshot_id", "tags": "resource_id"}),
}


def upgrade() -> None:
    for noun, (table, parts) in NOUNS.items():
        op.add_column(table, sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("0")))
        for trigger in _triggers(noun, table, parts):
            op.execute(trigger)
    alias = _trigger("snapshot", "snapshots", "accounts", "UPDATE", "account_id = NEW.account_id")
    members = "SELECT vm_id FROM vm_security_groups WHERE security_group_id = NEW.security_group_id"
    op.execute(alias)
    op.execute(_trigger("vm", "vms", "security_groups", "UPDATE", f"vm_id IN ({members})"))


def _triggers(noun: str, table: str, parts: Mapping[str, str]) -> Iterator[CreateTrigger]:
    own = f"{noun}_id = NEW.{noun}_id"
    yield _trigger(noun, table, table, "INSERT", own)
    yield _trigger(noun, table, table, "UPDATE", own, "NEW.version = OLD.version")
    for part, column in parts.items():
        for event, rows in EVENTS.items():
            ids = ", ".join(f"{row}.{column}" for row in rows)
            yield _trigger(noun, table, part, event, f"{noun}_id IN ({ids})")


def _trigger(
    noun: str, table: str, part: str, event: str, changed: str, condition: str = "TRUE"
) -> CreateTrigger:
    """After an event on a row of `part`, the rows of `table` that it changed get another version."""
    versions = sa.table(table, sa.column("version", sa.BigInteger))
    update = versions.update().values(version=RandomInteger()).where(sa.text(changed))
    return CreateTrigger(f"{noun}_version_{part}_{event.lower()}", event, part, update, condition)


def downgrade() -> None:
    raise NotImplementedError("there is no way back: restore a backup")
