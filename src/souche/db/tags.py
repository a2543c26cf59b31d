"""Tags, of every kind of resource that can carry them."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from souche import ids
from souche.db import json_sql
from souche.db import query as engine
from souche.db.engines.elements import JsonObject
from souche.db.finder import Finder
from souche.db.schema import (
    export_tasks,
    images,
    keypairs,
    public_ips,
    security_groups,
    snapshots,
    tags,
    vms,
    volume_update_tasks,
    volumes,
)
from souche.model.query import Query
from souche.model.tags import Tag


@dataclass(frozen=True)
class Taggable:
    """A kind of resource with tags: its name in the API, and its table."""

    resource_type: str
    resource_id: sa.ColumnElement[str]
    account_id: sa.ColumnElement[str]


TAGGABLE: Mapping[str, Taggable] = {
    ids.IMAGE: Taggable("image", images.c.image_id, images.c.account_id),
    ids.SNAPSHOT: Taggable("snapshot", snapshots.c.snapshot_id, snapshots.c.account_id),
    ids.VOLUME: Taggable("volume", volumes.c.volume_id, volumes.c.account_id),
    ids.VM: Taggable("instance", vms.c.vm_id, vms.c.account_id),
    ids.KEYPAIR: Taggable("keypair", keypairs.c.keypair_id, keypairs.c.account_id),
    ids.SECURITY_GROUP: Taggable(
        "security-group", security_groups.c.security_group_id, security_groups.c.account_id
    ),
    ids.PUBLIC_IP: Taggable("public-ip", public_ips.c.public_ip_id, public_ips.c.account_id),
    ids.IMAGE_EXPORT: Taggable("task", export_tasks.c.task_id, export_tasks.c.account_id),
    ids.SNAPSHOT_EXPORT: Taggable("task", export_tasks.c.task_id, export_tasks.c.account_id),
    ids.VOLUME_UPDATE: Taggable("task", volume_update_tasks.c.task_id, volume_update_tasks.c.account_id),
}

FIELDS: engine.Fields = {
    "resource_id": tags.c.resource_id,
    "resource_type": tags.c.resource_type,
    "key": tags.c.key,
    "value": tags.c.value,
}

# As `Tag.position_id`.
ORDER = engine.Order(tags.c.creation_date, tags.c.resource_id + "/" + tags.c.key)
_FINDER = Finder(sa.select(tags).where(tags.c.account_id == engine.CALLER), FIELDS, ORDER)


NAMES: Final = frozenset({"tag_key", "tag_value", "tag"})
"""The names that `fields` has."""


def asked_by(query: Query) -> bool:
    """Whether a query has a condition on tags. Only the caller's own resources can satisfy it: tags belong to their
    owner, even on shared resources."""
    return any(condition.field in NAMES for condition in query.conditions)


def fields(resource_id: sa.ColumnElement[Any]) -> dict[str, engine.Field]:
    """The tag fields of a noun whose ids are in the column `resource_id`; `tag` is "KEY=VALUE"."""

    def child(column: sa.ColumnElement[str], *, common: bool = False) -> engine.Child:
        return engine.Child(tags, column, tags.c.resource_id, resource_id, common)

    return {
        "tag_key": child(tags.c.key, common=True),
        "tag_value": child(tags.c.value),
        "tag": child(tags.c.pair),
    }


def owned(connection: sa.Connection, account_id: str, resource_ids: Collection[str]) -> set[str]:
    """Those of the ids that are taggable resources of the account."""
    found: set[str] = set()
    for prefix, group in _by_prefix(resource_ids).items():
        if kind := TAGGABLE.get(prefix):
            found |= _owned_of(connection, kind, account_id, group)
    return found


def _owned_of(connection: sa.Connection, kind: Taggable, account_id: str, group: list[str]) -> set[str]:
    found: set[str] = set()
    for batch in engine.batches(group):
        mine = (kind.account_id == account_id, kind.resource_id.in_(batch))
        found.update(connection.scalars(sa.select(kind.resource_id).where(*mine)))
    return found


def prefix_of(resource_id: str) -> str:
    """The part before an id's digits: `image-export` of `image-export-12345678`."""
    return resource_id.rpartition("-")[0]


def type_of(resource_id: str) -> str:
    """The type, in the API's words, of a resource that `owned` knows."""
    return TAGGABLE[prefix_of(resource_id)].resource_type


def _by_prefix(resource_ids: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for resource_id in resource_ids:
        groups[prefix_of(resource_id)].append(resource_id)
    return groups


def keys_of(connection: sa.Connection, resource_ids: Collection[str]) -> dict[str, set[str]]:
    """The keys of the tags of each of the resources that has any, by id."""
    found: dict[str, set[str]] = defaultdict(set)
    for batch in engine.batches(resource_ids):
        statement = sa.select(tags.c.resource_id, tags.c.key).where(tags.c.resource_id.in_(batch))
        for row in connection.execute(statement):
            found[row.resource_id].add(row.key)
    return found


def put(connection: sa.Connection, added: Collection[Tag], present: Mapping[str, set[str]]) -> None:
    """Write tags, each once; the tags of the keys `present` (`keys_of`) are overwritten."""
    delete(connection, [tag for tag in added if tag.key in present.get(tag.resource_id, ())])
    put_new(connection, added)


def put_new(connection: sa.Connection, added: Collection[Tag]) -> None:
    """Write tags of new resources, which have none yet, by one statement."""
    if added:
        connection.execute(tags.insert(), [asdict(tag) for tag in added])


def delete(connection: sa.Connection, removed: Collection[Tag]) -> None:
    """Remove tags, by one statement. Gone already is success."""
    if removed:
        names = ("account_id", "resource_id", "key")
        here = [tags.c[name] == sa.bindparam(f"the_{name}") for name in names]
        values = [{f"the_{name}": getattr(tag, name) for name in names} for tag in removed]
        connection.execute(tags.delete().where(*here), values)


def erase(connection: sa.Connection, resource_id: str) -> None:
    """Remove all tags of a resource that is being deleted."""
    connection.execute(tags.delete().where(tags.c.resource_id == resource_id))


def find(connection: sa.Connection, account_id: str, query: Query) -> tuple[list[Tag], bool]:
    """The account's tags that satisfy `query`, and whether more remain."""
    rows, more = _FINDER.find(connection, query, caller=account_id)
    return [_tag(row) for row in rows], more


def of_resources(connection: sa.Connection, resource_ids: Collection[str]) -> dict[str, tuple[Tag, ...]]:
    """The tags of each of the resources that has any, by id; keys in order."""
    found: dict[str, list[Tag]] = defaultdict(list)
    for batch in engine.batches(resource_ids):
        statement = sa.select(tags).where(tags.c.resource_id.in_(batch)).order_by(tags.c.key)
        for row in connection.execute(statement):
            found[row.resource_id].append(_tag(row))
    return {resource_id: tuple(group) for resource_id, group in found.items()}


def as_json(parent: sa.Table, resource_id: sa.Column[str]) -> sa.ColumnElement[str]:
    """The tags of each row of a noun, as a column that `from_json` reads."""
    own = sa.select(tags).where(tags.c.resource_id == resource_id).order_by(tags.c.key)
    found = json_sql.json_rows(parent, own, _json_tag)
    return sa.cast(found, sa.Text).label("tags")


def _json_tag(columns: engine.AnyColumns) -> JsonObject:
    return JsonObject(**{field.name: columns[field.name] for field in dataclasses.fields(Tag)})


from_json: Callable[[str], tuple[Tag, ...]] = msgspec.json.Decoder(tuple[Tag, ...]).decode


def _tag(row: engine.AnyRow) -> Tag:
    return Tag(row.account_id, row.resource_id, row.resource_type, row.key, row.value, row.creation_date)
