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
    keyed = [(_key(row), row) for row in page.rows]
    found = call.cache.resources.get([(key, row.version) for key, row in keyed]) if call.cache else {}
    missing = [row for key, row in keyed if key not in found]
    if missing:
        found.update(_read(call, page, missing, view))
    return [msgspec.Raw(found[key]) for key, _ in keyed]


def _read(
    call: Call, page: OpenPage[Resource], rows: Sequence[PageRow], view: View[Resource]
) -> Mapping[str, bytes]:
    """The JSON of some resources by key, which is cached."""
    texts: dict[str, bytes] = {}
    end = None
    for row, resource, tagged in page.read(rows):
        if end is None:
            end = time.perf_counter() + (math.inf if call.time_limit is None else call.time_limit)
        if time.perf_counter() > end:
            raise OutOfTime(seconds=call.time_limit)
        key = _key(row)
        texts[key] = msgspec.json.encode(view(resource, tagged))
        if call.cache:
            call.cache.resources.put(key, row.version, texts[key])
    return texts


def _key(row: PageRow) -> str:
    """The owner sees more than others, so its JSON has another key."""
    return f"{row.resource_id}/own" if row.is_own else row.resource_id
