"""Aliases of images: create, change, roll back, delete and find (docs/aliases.md). `image_names.py` resolves them."""

from collections.abc import Collection
from dataclasses import replace

from souche.app import quotas
from souche.app.context import lookup
from souche.app.context.page import Page
from souche.app.context.region import Region, Work
from souche.app.images import check_available
from souche.db import accounts, image_aliases
from souche.db import images as image_records
from souche.db.transactions import Transaction
from souche.model.accounts import PROVIDER_NAME, Principal
from souche.model.image_aliases import AliasName, ImageAlias, parsed
from souche.model.images import Image
from souche.model.query import Position, Query
from souche.refusals import (
    AliasFollowsFamily,
    ImageAliasTaken,
    NoFormerImage,
    NoSuchImageAlias,
    ReservedAliasName,
    WrongImageState,
)
from souche.value_refusals import BadAliasName


def create(region: Region, who: Principal, alias: str, image_id: str) -> ImageAlias:
    """Make an alias for an image that the caller may use.

    Raises:
        BadAliasName, ImageAliasTaken, ReservedAliasName, AliasFollowsFamily, NoSuchImage, WrongImageState,
    QuotaExceeded.
    """
    with region.begin() as work:
        name = _own_name(who, alias)
        if image_aliases.get(work.connection, who.account_id, name):
            raise ImageAliasTaken(alias=alias)
        return _create(region, work, who, name, image_id)


def assign(region: Region, who: Principal, alias: str, image_id: str) -> ImageAlias:
    """Point an alias to this image; make the alias if it is missing.

    Raises:
        As `create`, but for ImageAliasTaken.
    """
    with region.begin() as work:
        name = _own_name(who, alias)
        if image_aliases.get(work.connection, who.account_id, name):
            return _change(region, work, who, name, image_id)
        return _create(region, work, who, name, image_id)


def update(region: Region, who: Principal, alias: str, image_id: str) -> ImageAlias:
    """Point an alias of the caller's to another image. If it names that image already, nothing changes.

    Raises:
        NoSuchImageAlias, AliasFollowsFamily, NoSuchImage, WrongImageState.
    """
    with region.begin() as work:
        return _change(region, work, who, _settable(work, who, alias), image_id)


def roll_back(region: Region, who: Principal, alias: str) -> ImageAlias:
    """Point an alias of the caller's to its previous image. Repeating it goes back further.

    Raises:
        NoSuchImageAlias, AliasFollowsFamily. NoFormerImage: there is none, or it cannot be used any more.
    """
    with region.begin() as work:
        name = _settable(work, who, alias)
        alias_id = name.alias_id(who.account_id)
        former = image_aliases.former(work.connection, alias_id)
        if former is None:
            raise NoFormerImage(alias=alias, reason="no earlier image of it is on record.")
        image_id, before = former
        image = image_records.get_usable(work.connection, image_id, who.account_id)
        if image is None or not image.is_live:
            raise NoFormerImage(alias=alias, reason=f"its earlier image {image_id} can no longer be used.")
        image_aliases.roll_back(work.connection, alias_id, image_id, before, region.clock.now())
        return _get(work.connection, who, name)


def delete(region: Region, who: Principal, alias: str) -> None:
    """Delete an alias of the caller's, with its history. The image stays.

    Raises:
        NoSuchImageAlias, AliasFollowsFamily.
    """
    with region.begin() as work:
        name = _settable(work, who, alias)
        image_aliases.erase(work.connection, name.alias_id(who.account_id))


def find(region: Region, who: Principal, names: Collection[str] | None, query: Query) -> Page[ImageAlias]:
    """The caller's own aliases, and those of images that it may use, oldest first; with these names (None: all). The
    history of another account's alias only shows images that the caller may use."""
    with region.store.read() as connection:
        found = image_aliases.visible(connection, who.account_id)
        former = {each.image_id for alias in found for each in alias.history}
        usable = image_records.usable_ids(connection, who.account_id, sorted(former))
    wanted = None if names is None else {shown.lower() for shown in names}
    seen = [_seen_by(who, alias, usable) for alias in found]
    chosen = [each for each in seen if wanted is None or not wanted.isdisjoint(_names(each, who))]
    return _page(chosen, query)


def _names(alias: ImageAlias, who: Principal) -> set[str]:
    """The names that the caller may use for it, in lower case."""
    return {alias.alias_id, alias.told_to(who.account_id).lower()}


def _seen_by(who: Principal, alias: ImageAlias, usable: Collection[str]) -> ImageAlias:
    if alias.account_id == who.account_id:
        return alias
    return replace(alias, history=tuple(each for each in alias.history if each.image_id in usable))


def position(alias: ImageAlias) -> Position:
    """The position of the page after it."""
    return Position(alias.creation_date, alias.alias_id)


def _page(found: list[ImageAlias], query: Query) -> Page[ImageAlias]:
    after = query.after
    if after is not None:
        beyond = (after.creation_date, after.resource_id)
        found = [each for each in found if (each.creation_date, each.alias_id) > beyond]
    limit = len(found) if query.limit is None else query.limit
    return Page(found[:limit], {}, len(found) > limit)


def every(region: Region) -> list[ImageAlias]:
    """All aliases of the region, for the operator."""
    with region.store.read() as connection:
        return image_aliases.every(connection)


def _own_name(who: Principal, alias: str) -> AliasName:
    name = parsed(alias)
    if name is None or name.account_id not in (None, who.account_id) or not name.is_well_formed:
        raise BadAliasName(alias=alias)
    return name


def _settable(work: Work, who: Principal, alias: str) -> AliasName:
    name = parsed(alias)
    owned = name is not None and name.account_id in (None, who.account_id)
    known = image_aliases.get(work.connection, who.account_id, name) if name and owned else None
    if name is None or known is None:
        raise NoSuchImageAlias(alias=alias)
    if known.follows_family:
        raise AliasFollowsFamily(alias=alias)
    return name


def _create(region: Region, work: Work, who: Principal, name: AliasName, image_id: str) -> ImageAlias:
    _check_reserved(work, who, name)
    image = _nameable(work, who, image_id)
    quotas.check(work, who, quotas.of_image_alias())
    image_aliases.insert(work.connection, who.account_id, name, image.image_id, region.clock.now())
    return _get(work.connection, who, name)


def _change(region: Region, work: Work, who: Principal, name: AliasName, image_id: str) -> ImageAlias:
    known = _get(work.connection, who, name)
    if known.follows_family:
        raise AliasFollowsFamily(alias=f"{name.name}@{name.channel}")
    image = _nameable(work, who, image_id)
    if image.image_id == known.image_id:
        return known
    image_aliases.change(work.connection, known.alias_id, image.image_id, region.clock.now())
    return _get(work.connection, who, name)


def _check_reserved(work: Work, who: Principal, name: AliasName) -> None:
    provider = accounts.named(work.connection, PROVIDER_NAME)
    if provider is None or provider.account_id == who.account_id:
        return
    has = image_aliases.has_family(work.connection, provider.account_id, name.key)
    is_provider = name.key in {PROVIDER_NAME, (provider.alias or PROVIDER_NAME).lower()}
    if has or is_provider or image_aliases.uses_name(work.connection, provider.account_id, name.key):
        raise ReservedAliasName(name=name.name)


def _nameable(work: Work, who: Principal, image_id: str) -> Image:
    image = lookup.usable_image(work.connection, who, image_id)
    check_available(image)
    if not image.is_live:
        raise WrongImageState(
            image_id=image_id, state="withdrawn", reason="an alias needs an image that can be launched"
        )
    return image


def _get(connection: Transaction, who: Principal, name: AliasName) -> ImageAlias:
    found = image_aliases.get(connection, who.account_id, name)
    assert found is not None
    return found
