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
    keyed = {_key(row): row for row in page.rows}
    versions = [(key, row.version) for key, row in keyed.items()]
    found = call.cache.resources.get(versions) if call.cache else {}
    end = None
    for row, resource, tagged in page.read([row for key, row in keyed.items() if key not in found]):
        if end is None:
            end = time.perf_counter() + (math.inf if call.time_limit is None else call.time_limit)
        if time.perf_counter() > end:
            raise OutOfTime(seconds=call.time_limit)
        key, text = _key(row), msgspec.json.encode(view(resource, tagged))
        found[key] = text
        if call.cache:
            call.cache.resources.put(key, row.version, text)
    return [msgspec.Raw(found[key]) for key in keyed]


def _key(row: PageRow) -> str:
    """The owner sees more than others, so its JSON has another key."""
    return f"{row.resource_id}/own" if row.is_own else row.resource_id
