"""Finds images by names that may be aliases (`ImageNames: ["debian-12@latest"]`, docs/aliases.md). An image's own name
cannot contain `@`, so only names with it are looked up as aliases."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from souche.db import image_aliases, images
from souche.db.store import Reader
from souche.model.accounts import PROVIDER_NAME, Principal
from souche.model.image_aliases import is_alias, parsed
from souche.model.query import Condition, PageRow, Query
from souche.value_refusals import BadValue
from souche.words import Term

NAME: Final = "name"
MOST_ALIASES: Final = 100
"""that one request may name"""


def find(reader: Reader, who: Principal, query: Query) -> tuple[list[PageRow], bool]:
    """Like `db/images.find`; aliases find their current images.

    Raises:
        BadValue: there are too many aliases.
    """
    place = next((at for at, each in enumerate(query.conditions) if _has_aliases(each)), None)
    if place is None:
        return images.find(reader, who.account_id, query)
    condition = query.conditions[place]
    aliases = [str(value) for value in condition.values if is_alias(str(value))]
    names = [value for value in condition.values if not is_alias(str(value))]
    if len(aliases) > MOST_ALIASES:
        raise BadValue(parameter=Term.IMAGE_NAMES, reason=f"it has more than {MOST_ALIASES} aliases.")
    wanted = [Condition("image_id", _resolved(reader, who, aliases))]
    if names:
        wanted.append(replace(condition, values=names))
    pages = [images.find(reader, who.account_id, _with(query, place, each)) for each in wanted if each.values]
    return _merged(pages, query.limit)


def _has_aliases(condition: Condition) -> bool:
    return condition.field == NAME and any(is_alias(str(value)) for value in condition.values)


def _resolved(reader: Reader, who: Principal, aliases: Sequence[str]) -> list[str]:
    """The images of the aliases that the caller may use."""
    provider = image_aliases.account_named(reader, PROVIDER_NAME)
    found = {image_id for each in aliases if (image_id := _image(reader, who, provider, each))}
    return sorted(found)


def _image(reader: Reader, who: Principal, provider: str | None, alias: str) -> str | None:
    """The image of one alias. The caller's own alias comes before the provider's; another account's needs the account's
    id."""
    name = parsed(alias)
    if name is None:
        return None
    owners = [name.account_id] if name.account_id else [who.account_id, *filter(None, [provider])]
    for owner in owners:
        known, image_id = image_aliases.resolved(reader, who.account_id, owner, name)
        if known:
            return image_id
    return None


def _with(query: Query, place: int, condition: Condition) -> Query:
    conditions = list(query.conditions)
    conditions[place] = condition
    return replace(query, conditions=tuple(conditions))


def _merged(pages: Sequence[tuple[list[PageRow], bool]], limit: int | None) -> tuple[list[PageRow], bool]:
    """Merges pages that each have up to `limit` rows into one."""
    rows = {each.resource_id: each for page, _ in pages for each in page}
    ordered = sorted(rows.values(), key=lambda each: (each.creation_date, each.resource_id))
    more = any(more for _, more in pages)
    if limit is None or len(ordered) <= limit:
        return ordered, more
    return ordered[:limit], True
