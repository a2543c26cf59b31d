"""Tags, on every kind of resource that the caller owns."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Final

from souche import ids
from souche.app.context.lookup import check_id
from souche.app.context.region import Region
from souche.db import tags
from souche.db.transactions import Transaction
from souche.errors import NotFound
from souche.model.accounts import Principal
from souche.model.query import Query
from souche.model.tags import Tag
from souche.quota_refusals import TooManyTags
from souche.refusals import (
    NoSuchImage,
    NoSuchKeypair,
    NoSuchPublicIp,
    NoSuchResource,
    NoSuchSecurityGroup,
    NoSuchSnapshot,
    NoSuchTask,
    NoSuchVm,
    NoSuchVolume,
)
from souche.value_refusals import BadTagKey, BadTagValue, BadValue, MissingParameter
from souche.words import Term

KEY_LENGTH: Final = range(1, 255 + 1)
VALUE_LENGTH: Final = range(255 + 1)
MOST_TAGS: Final = 100
"""of a resource"""
MOST_RESOURCES: Final = 1000
"""in one request: it blocks all other writers"""

ABSENT: Final[Mapping[str, Callable[[str], NotFound]]] = {
    ids.IMAGE: lambda resource_id: NoSuchImage(image_id=resource_id),
    ids.SNAPSHOT: lambda resource_id: NoSuchSnapshot(snapshot_id=resource_id),
    ids.VOLUME: lambda resource_id: NoSuchVolume(volume_id=resource_id),
    ids.VM: lambda resource_id: NoSuchVm(vm_id=resource_id),
    ids.KEYPAIR: lambda resource_id: NoSuchKeypair(keypair=resource_id),
    ids.SECURITY_GROUP: lambda resource_id: NoSuchSecurityGroup(security_group=resource_id),
    ids.PUBLIC_IP: lambda resource_id: NoSuchPublicIp(public_ip=resource_id),
    ids.IMAGE_EXPORT: lambda resource_id: NoSuchTask(task_id=resource_id),
    ids.SNAPSHOT_EXPORT: lambda resource_id: NoSuchTask(task_id=resource_id),
    ids.VOLUME_UPDATE: lambda resource_id: NoSuchTask(task_id=resource_id),
}


def put(region: Region, who: Principal, resource_ids: Collection[str], pairs: Mapping[str, str]) -> None:
    """Tag all of the resources, or none; a key that a resource has already gets the new value.

    Raises:
        MissingParameter: no resource or no tag is named.
        BadTagKey, BadTagValue: a key or a value has a wrong length.
        BadValue: too many resources are named.
        TooManyTags: a resource would have too many.
        NotFound: a resource does not exist or is not the caller's: NoSuchImage for an image, and so on.
    """
    resource_ids = _named(resource_ids, pairs)
    for key, value in pairs.items():
        _check_pair(key, value)
    with region.begin() as work:
        _check_owned(work.connection, who, resource_ids)
        present = tags.keys_of(work.connection, resource_ids)
        for resource_id in resource_ids:
            _check_number(resource_id, pairs.keys(), present.get(resource_id, set()))
        tags.put(work.connection, _tags(region, who, resource_ids, pairs), present)


def put_new(
    connection: Transaction,
    account_id: str,
    resource_ids: Collection[str],
    pairs: Mapping[str, str],
    now: datetime,
) -> None:
    """Tag resources that are being made.

    Raises:
        BadTagKey, BadTagValue: a key or a value has a wrong length.
        TooManyTags.
    """
    for key, value in pairs.items():
        _check_pair(key, value)
    for resource_id in resource_ids:
        _check_number(resource_id, pairs.keys(), set())
    tags.put_new(
        connection,
        [
            Tag(account_id, resource_id, tags.type_of(resource_id), key, value, now)
            for resource_id in resource_ids
            for key, value in pairs.items()
        ],
    )


def _tags(
    region: Region, who: Principal, resource_ids: Collection[str], pairs: Mapping[str, str]
) -> list[Tag]:
    now = region.clock.now()
    return [
        Tag(who.account_id, resource_id, tags.type_of(resource_id), key, value, now)
        for resource_id in resource_ids
        for key, value in pairs.items()
    ]


def remove(
    region: Region, who: Principal, resource_ids: Collection[str], pairs: Collection[tuple[str, str | None]]
) -> None:
    """Remove tags from all of the resources, or from none. A pair without a value removes its key with any value.
    Resources without such a tag do not change.

    Raises:
        MissingParameter: no resource or no tag is named.
        BadValue, NotFound: as `put`.
    """
    resource_ids = _named(resource_ids, pairs)
    named = frozenset(pairs)
    with region.begin() as work:
        _check_owned(work.connection, who, resource_ids)
        found = tags.of_resources(work.connection, resource_ids)
        present = [tag for group in found.values() for tag in group]
        tags.delete(
            work.connection, [tag for tag in present if {(tag.key, None), (tag.key, tag.value)} & named]
        )


def find(region: Region, who: Principal, query: Query) -> tuple[list[Tag], bool]:
    """The caller's tags that satisfy `query`, and whether more remain."""
    with region.store.read() as connection:
        return tags.find(connection, who.account_id, query)


def of_resources(region: Region, resource_ids: Collection[str]) -> dict[str, tuple[Tag, ...]]:
    """The tags of each of the resources that has any, by id."""
    with region.store.read() as connection:
        return tags.of_resources(connection, resource_ids)


def of_resource(region: Region, resource_id: str) -> tuple[Tag, ...]:
    """The tags of one resource, for the view of a changed resource."""
    with region.store.read() as connection:
        return tags.of_resources(connection, [resource_id]).get(resource_id, ())


def _named(resource_ids: Collection[str], pairs: Collection[object]) -> list[str]:
    """Each resource once."""
    if not resource_ids:
        raise MissingParameter(parameter=Term.RESOURCE_IDS)
    if not pairs:
        raise MissingParameter(parameter=Term.TAGS)
    once = list(dict.fromkeys(resource_ids))
    if len(once) > MOST_RESOURCES:
        raise BadValue(parameter=Term.RESOURCE_IDS, reason=f"it has more than {MOST_RESOURCES} items.")
    return once


def _check_number(resource_id: str, keys: Collection[str], present: Collection[str]) -> None:
    """A resource that has too many from before keeps them, and gets no more."""
    if len({*present, *keys}) > max(MOST_TAGS, len(present)):
        raise TooManyTags(resource_id=resource_id, limit=MOST_TAGS)


def _check_pair(key: str, value: str) -> None:
    if len(key) not in KEY_LENGTH:
        raise BadTagKey(key=key)
    if len(value) not in VALUE_LENGTH:
        raise BadTagValue(key=key)


def _check_owned(connection: Transaction, who: Principal, resource_ids: Collection[str]) -> None:
    owned = tags.owned(connection, who.account_id, resource_ids)
    for resource_id in resource_ids:
        if resource_id not in owned:
            raise _absent(resource_id)


def _absent(resource_id: str) -> NotFound:
    prefix = tags.prefix_of(resource_id)
    if prefix not in ABSENT:
        return NoSuchResource(resource_id=resource_id)
    check_id(resource_id, prefix)
    return ABSENT[prefix](resource_id)
