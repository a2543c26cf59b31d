"""Pages whose resources come from the cache if their rows still have the cached version."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import msgspec

from souche.api.protocol.dispatch import Call
from souche.app.context.open_pages import OpenPage
from souche.errors import OutOfTime
from souche.model.query import PageRow
from souche.model.tags import Tag

Resource = TypeVar("Resource")

View: TypeAlias = Callable[[Resource, Sequence[Tag]], Mapping[str, object]]
"""The JSON of a resource with these tags. It depends only on what the row's version covers."""


def shown(call: Call, page: OpenPage[Resource], view: View[Resource]) -> list[msgspec.Raw]:
    """The JSON of each resource of a page. Resources that are not cached are read in the page's transaction.

    Raises:
        OutOfTime: a statement took longer than the call's time limit, or the JSON did.
    """
    keys = [_key(resource_id, is_own) for resource_id, _, _, is_own in page.rows]
    versions = [row.version for row in page.rows]
    found = call.cache.resources.get(zip(keys, versions, strict=True)) if call.cache else {}
    if len(found) < len(keys):
        missing = [row for key, row in zip(keys, page.rows, strict=True) if key not in found]
        found.update(_read(call, page, missing, view))
    return list(map(found.__getitem__, keys))


def _read(
    call: Call, page: OpenPage[Resource], rows: Sequence[PageRow], view: View[Resource]
) -> Mapping[str, msgspec.Raw]:
    """The JSON of some resources by key, which is cached."""
    texts: dict[str, msgspec.Raw] = {}
    end = None
    for row, resource, tagged in page.read(rows):
        if end is None:
            end = time.perf_counter() + (math.inf if call.time_limit is None else call.time_limit)
        if time.perf_counter() > end:
            raise OutOfTime(seconds=call.time_limit)
        key = _key(row.resource_id, row.is_own)
        texts[key] = msgspec.Raw(msgspec.json.encode(view(resource, tagged)))
        if call.cache:
            call.cache.resources.put(key, row.version, texts[key])
    return texts


def _key(resource_id: str, is_own: bool) -> str:  # noqa: FBT001
    """The owner sees more than others, so its JSON has another key."""
    return f"{resource_id}/own" if is_own else resource_id
