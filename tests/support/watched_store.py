"""A store that compares the versions of images, VMs, volumes and snapshots with what every test writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa

from souche.db import images, json_sql, schema
from souche.db.engines.base import Database
from souche.db.engines.elements import JsonObject
from souche.db.store import Prepared, Store
from souche.db.transactions import Transaction


def _text(columns: Any) -> JsonObject:
    return JsonObject(
        **{each.name: sa.cast(each, sa.Text) for each in columns if not isinstance(each.type, sa.LargeBinary)}
    )


def _versions(table: sa.Table, *parts: sa.Select[Any]) -> Prepared:
    """The id, the version and all shown data of each row of a table."""
    (resource_id,) = table.primary_key
    tagged = schema.tags.select().where(schema.tags.c.resource_id == resource_id)
    own = [sa.cast(_text(column for column in table.c if column.name != "version"), sa.Text)]
    rows = [
        sa.cast(json_sql.json_rows(table, part.order_by(sa.text("1"), sa.text("2")), _text), sa.Text)
        for part in (*parts, tagged)
    ]
    return Prepared(sa.select(resource_id, table.c.version, *own, *rows))


def _of(part: sa.Table, parent: sa.Column[Any], column: str) -> sa.Select[Any]:
    return part.select().where(part.c[column] == parent)


_VM: Final = schema.vms.c.vm_id
_VOLUME: Final = schema.volumes.c.volume_id
_SNAPSHOT: Final = schema.snapshots.c.snapshot_id
_GROUPS: Final = (
    sa.select(schema.security_groups.c.security_group_id, schema.security_groups.c.name)
    .select_from(schema.security_groups.join(schema.vm_security_groups))
    .where(schema.vm_security_groups.c.vm_id == _VM)
)
_ALIASES: Final = sa.select(schema.accounts.c.account_id, schema.accounts.c.alias).where(
    schema.accounts.c.account_id == schema.snapshots.c.account_id
)
_IMAGES: Final = images._TAGGED.add_columns(
    schema.images.c.image_id.label("id"), schema.images.c.version
).subquery()
_WATCHED: Final = (
    Prepared(sa.select(_IMAGES.c.id, _IMAGES.c.version, _IMAGES.c.image, _IMAGES.c.tags)),
    _versions(
        schema.vms,
        _of(schema.vm_product_codes, _VM, "vm_id"),
        _of(schema.volume_links, _VM, "vm_id"),
        _of(schema.public_ips, _VM, "vm_id"),
        _GROUPS,
    ),
    _versions(
        schema.volumes,
        _of(schema.volume_links, _VOLUME, "volume_id"),
        _of(schema.volume_update_tasks, _VOLUME, "volume_id"),
    ),
    _versions(schema.snapshots, _of(schema.snapshot_grants, _SNAPSHOT, "snapshot_id"), _ALIASES),
)


class WatchedStore(Store):
    """Checks after each transaction that every resource shows what it showed when it last had its current version. So
    caches by version are valid for the writes of every use-case and every step of a workflow."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._seen: dict[tuple[str, int], tuple[str, ...]] = {}

    @contextmanager
    def begin(
        self, *, dry_run: bool = False, request: bool = False, account_id: str = ""
    ) -> Iterator[Transaction]:
        with super().begin(dry_run=dry_run, request=request, account_id=account_id) as connection:
            yield connection
        self._look()

    def _look(self) -> None:
        with self.reader() as reader:
            rows = [row for statement in _WATCHED for row in reader.rows(statement, {})]
        for resource_id, version, *shown in rows:
            seen = self._seen.setdefault((resource_id, version), tuple(shown))
            assert seen == tuple(shown), f"{resource_id} was changed and has the version that it had"
