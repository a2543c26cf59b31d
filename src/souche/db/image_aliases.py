"""Aliases of images. Aliases that follow a family have no record: they are derived from the family's images."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from souche.db import grants
from souche.db.query import AnyRow, Criterion, batches
from souche.db.schema import accounts, image_grants, images
from souche.db.schema import image_alias_changes as changes
from souche.db.schema import image_aliases as aliases
from souche.db.store import Prepared, Reader
from souche.model.accounts import PROVIDER_NAME
from souche.model.image_aliases import LATEST, AliasChange, AliasName, ImageAlias
from souche.states import ImageState

MOST_CHANGES: Final = 100
"""kept for each alias; older ones are removed"""

_OWNER = sa.bindparam("owner", type_=sa.String)
_CALLER = sa.bindparam("caller", type_=sa.String)
_LIVE = sa.and_(images.c.state == ImageState.AVAILABLE, images.c.launchable_until.is_(None))
_FAMILY = sa.and_(images.c.account_id == _OWNER, sa.func.lower(images.c.family) == sa.bindparam("name"))
_OFFICIAL = (accounts.c.name == PROVIDER_NAME).label("official")
_NEWEST_LAST = (images.c.creation_date, images.c.image_id)


def _usable(account_id: str | sa.BindParameter[str]) -> Criterion:
    return sa.or_(*grants.scopes(images, images.c.image_id, image_grants.c.image_id, account_id))


_ACCOUNT = Prepared(sa.select(accounts.c.account_id).where(accounts.c.name == sa.bindparam("account_name")))
_NAMED = Prepared(sa.select(aliases.c.image_id).where(aliases.c.alias_id == sa.bindparam("alias_id")))
_LIVE_IMAGE = Prepared(
    sa.select(images.c.image_id).where(
        images.c.image_id == sa.bindparam("image_id"), _LIVE, _usable(_CALLER), _usable(_OWNER)
    )
)
# Without pending and failed images: a failed publication does not change an alias of the name.
_FAMILY_IMAGES = Prepared(
    sa.select(images.c.image_id, sa.case((sa.and_(_LIVE, _usable(_CALLER)), 1), else_=0))
    .where(_FAMILY, images.c.state == ImageState.AVAILABLE)
    .order_by(*(column.desc() for column in _NEWEST_LAST))
)


def account_named(reader: Reader, name: str) -> str | None:
    """The id of the account of this name."""
    rows = reader.rows(_ACCOUNT, {"account_name": name})
    return rows[0][0] if rows else None


def resolved(reader: Reader, caller: str, owner: str, name: AliasName) -> tuple[bool, str | None]:
    """Whether an account has the alias, and its image; None: there is no live image that both the caller and the
    alias's owner may use."""
    if name.channel == LATEST:
        of_family = reader.rows(_FAMILY_IMAGES, {"owner": owner, "name": name.key, "caller": caller})
        if of_family:
            return True, next((image_id for image_id, live in of_family if live), None)
    rows = reader.rows(_NAMED, {"alias_id": name.alias_id(owner)})
    if not rows:
        return False, None
    live = reader.rows(_LIVE_IMAGE, {"image_id": rows[0][0], "caller": caller, "owner": owner})
    return True, live[0][0] if live else None


def has_family(connection: sa.Connection, account_id: str, key: str) -> bool:
    """Whether any image of the account, in any state, is of this family (its name in lower case)."""
    statement = sa.select(sa.exists().where(_FAMILY))
    return bool(connection.scalar(statement, {"owner": account_id, "name": key}))


def uses_name(connection: sa.Connection, account_id: str, key: str) -> bool:
    """Whether the account has an alias with this name (in lower case) and any channel."""
    used = sa.exists().where(aliases.c.account_id == account_id, sa.func.lower(aliases.c.name) == key)
    return bool(connection.scalar(sa.select(used)))


def insert(
    connection: sa.Connection, account_id: str, name: AliasName, image_id: str, date: datetime
) -> None:
    """Write a new alias.

    Raises:
        sqlalchemy.exc.IntegrityError: the account has it already.
    """
    alias_id = name.alias_id(account_id)
    row = {
        "alias_id": alias_id,
        "account_id": account_id,
        "name": name.name,
        "channel": name.channel,
        "image_id": image_id,
        "number": 0,
        "creation_date": date,
    }
    connection.execute(aliases.insert().values(row))
    _note(connection, alias_id, 0, image_id, None, date)


def change(connection: sa.Connection, alias_id: str, image_id: str, date: datetime) -> None:
    """Point the alias to another image."""
    number = _number(connection, alias_id)
    _write(connection, alias_id, image_id, number, date)


def former(connection: sa.Connection, alias_id: str) -> tuple[str, int | None] | None:
    """The image of a rollback, and the number of the change before it; None: there is none."""
    here = sa.and_(changes.c.alias_id == alias_id, changes.c.number == _number(connection, alias_id))
    number = connection.scalar(sa.select(changes.c.former).where(here))
    before = sa.and_(changes.c.alias_id == alias_id, changes.c.number == number)
    row = connection.execute(sa.select(changes.c.image_id, changes.c.former).where(before)).one_or_none()
    return None if row is None else (row.image_id, row.former)


def roll_back(
    connection: sa.Connection, alias_id: str, image_id: str, former: int | None, date: datetime
) -> None:
    """Point the alias to a former image; the next rollback continues before that one."""
    _write(connection, alias_id, image_id, former, date)


def erase(connection: sa.Connection, alias_id: str) -> None:
    """Delete the alias and its history."""
    connection.execute(aliases.delete().where(aliases.c.alias_id == alias_id))


def _number(connection: sa.Connection, alias_id: str) -> int:
    return connection.scalar(sa.select(aliases.c.number).where(aliases.c.alias_id == alias_id)) or 0


def _write(
    connection: sa.Connection, alias_id: str, image_id: str, former: int | None, date: datetime
) -> None:
    number = _number(connection, alias_id) + 1
    here = aliases.update().where(aliases.c.alias_id == alias_id)
    connection.execute(here.values(image_id=image_id, number=number))
    _note(connection, alias_id, number, image_id, former, date)
    too_old = changes.c.number <= number - MOST_CHANGES
    connection.execute(changes.delete().where(changes.c.alias_id == alias_id, too_old))


def _note(
    connection: sa.Connection, alias_id: str, number: int, image_id: str, former: int | None, date: datetime
) -> None:
    row = {"alias_id": alias_id, "number": number, "image_id": image_id, "former": former, "date": date}
    connection.execute(changes.insert().values(row))


def get(connection: sa.Connection, account_id: str, name: AliasName) -> ImageAlias | None:
    """The alias of an account, live or not; or the alias of a family, if there is one."""
    of_family = images.c.account_id == account_id, sa.func.lower(images.c.family) == name.key
    families = _of_families(connection, *of_family) if name.channel == LATEST else []
    found = families or _recorded(connection, aliases.c.alias_id == name.alias_id(account_id))
    return found[0] if found else None


def every(connection: sa.Connection) -> list[ImageAlias]:
    """All aliases of the region: oldest first."""
    return _sorted(_recorded(connection), _of_families(connection))


def visible(connection: sa.Connection, account_id: str) -> list[ImageAlias]:
    """The account's own aliases, and those with an image that both the account and the alias's owner may use, oldest
    first."""
    usable = sa.exists().where(
        images.c.image_id == aliases.c.image_id, _LIVE, _usable(account_id), _usable_by_owner()
    )
    usable = usable.correlate(aliases)
    recorded = _recorded(connection, sa.or_(aliases.c.account_id == account_id, usable))
    return _sorted(recorded, _of_families(connection, _usable(account_id)))


def naming(connection: sa.Connection, image_id: str) -> list[ImageAlias]:
    """The aliases of an image, live or not."""
    row = connection.execute(sa.select(images).where(images.c.image_id == image_id)).one_or_none()
    families = []
    if row is not None and row.family is not None:
        of_family = (
            images.c.account_id == row.account_id,
            sa.func.lower(images.c.family) == row.family.lower(),
        )
        families = _of_families(connection, *of_family)
    recorded = _recorded(connection, aliases.c.image_id == image_id)
    return _sorted(recorded, [each for each in families if each.image_id == image_id])


def _sorted(recorded: list[ImageAlias], families: list[ImageAlias]) -> list[ImageAlias]:
    hidden = {each.alias_id for each in families}
    found = [*families, *(each for each in recorded if each.alias_id not in hidden)]
    return sorted(found, key=lambda each: (each.creation_date, each.alias_id))


def _usable_by_owner() -> Criterion:
    """Whether the alias's owner may use the image."""
    granted = sa.exists().where(
        image_grants.c.image_id == images.c.image_id, image_grants.c.account_id == aliases.c.account_id
    )
    granted = granted.correlate(images, aliases)
    return sa.or_(images.c.account_id == aliases.c.account_id, images.c.public, granted)


def _recorded(connection: sa.Connection, *which: Criterion) -> list[ImageAlias]:
    live = sa.exists().where(images.c.image_id == aliases.c.image_id, _LIVE, _usable_by_owner())
    live = live.correlate(aliases)
    joined = sa.select(aliases, live.label("live"), _OFFICIAL).join(
        accounts, accounts.c.account_id == aliases.c.account_id
    )
    rows = connection.execute(joined.where(*which)).all()
    history = _history(connection, [row.alias_id for row in rows])
    return [_alias(row, history.get(row.alias_id, [])) for row in rows]


def _alias(row: AnyRow, history: Sequence[AliasChange]) -> ImageAlias:
    name = AliasName(row.name, row.channel)
    return ImageAlias(
        account_id=row.account_id,
        name=name,
        image_id=row.image_id,
        live=bool(row.live),
        creation_date=row.creation_date,
        history=tuple(history),
        official=bool(row.official),
    )


def _history(connection: sa.Connection, alias_ids: Sequence[str]) -> dict[str, list[AliasChange]]:
    found: dict[str, list[AliasChange]] = {}
    for batch in batches(alias_ids):
        ordered = changes.select().where(changes.c.alias_id.in_(batch)).order_by(changes.c.number)
        for row in connection.execute(ordered):
            found.setdefault(row.alias_id, []).append(AliasChange(row.image_id, row.date))
    return found


def _of_families(connection: sa.Connection, *which: Criterion) -> list[ImageAlias]:
    """The aliases that follow families, of these images: each family has the name that it was last published by."""
    made = images.c.state == ImageState.AVAILABLE
    columns = (images.c.account_id, images.c.family, images.c.image_id, images.c.creation_date)
    statement = sa.select(*columns, _LIVE.label("live"), _OFFICIAL).join(
        accounts, accounts.c.account_id == images.c.account_id
    )
    statement = statement.where(images.c.family.is_not(None), made, *which)
    families: dict[tuple[str, str], list[AnyRow]] = {}
    for row in connection.execute(statement.order_by(*_NEWEST_LAST)):
        families.setdefault((row.account_id, row.family.lower()), []).append(row)
    return list(map(_of_family, families.values()))


def _of_family(rows: Sequence[AnyRow]) -> ImageAlias:
    newest = next((row.image_id for row in reversed(rows) if row.live), None)
    return ImageAlias(
        account_id=rows[-1].account_id,
        name=AliasName(rows[-1].family, LATEST),
        image_id=newest,
        live=newest is not None,
        creation_date=rows[0].creation_date,
        history=tuple(AliasChange(row.image_id, row.creation_date) for row in rows),
        follows_family=True,
        official=bool(rows[-1].official),
    )
