"""The users of other accounts' images, and the notices that they get.

An account that launched, copied or was granted an image gets its notices if it could use the image until then. No
account learns of an image that it could not see.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from souche.db import query as engine
from souche.db.finder import Finder
from souche.db.schema import accounts, image_users, notices
from souche.model.images import Image
from souche.model.notices import Announcement, Event, Notice
from souche.model.query import Query

MOST_OF_OWNER: Final = 100
"""most notices of an account about one owner's images: an owner who shares and unshares in a loop cannot fill the
database, or crowd out other owners' notices"""
MOST_OF_ACCOUNT: Final = 1000

FIELDS: engine.Fields = {"image_id": notices.c.image_id, "event": notices.c.event}
_ORDER = engine.Order(notices.c.date, notices.c.notice_id)
_FINDER = Finder(notices.select().where(notices.c.account_id == engine.CALLER), FIELDS, _ORDER)


def record_use(connection: sa.Connection, image: Image, account_id: str) -> bool:
    """Note that an account launches or copies an image of another account's; whether it is the first time."""
    if image.account_id == account_id:
        return False
    known = (image_users.c.image_id == image.image_id, image_users.c.account_id == account_id)
    if connection.scalar(sa.select(sa.exists().where(*known))):
        return False
    connection.execute(image_users.insert().values(image_id=image.image_id, account_id=account_id))
    return True


def concerned(connection: sa.Connection, image: Image) -> set[str]:
    """The accounts, but its owner, that launched, copied or were granted an image and can use it as it is."""
    granted = set(image.permissions.account_ids)
    if image.permissions.public:
        used = sa.select(image_users.c.account_id).where(image_users.c.image_id == image.image_id)
        granted |= set(connection.scalars(used))
    return granted - {image.account_id}


def able(image: Image, among: Collection[str]) -> set[str]:
    """Those of some accounts that can use an image as it is."""
    return set(among) if image.permissions.public else set(among) & set(image.permissions.account_ids)


def announce(
    connection: sa.Connection, image: Image, said: Announcement, account_ids: Collection[str]
) -> None:
    """Notify accounts about an image; ids that are no account's are ignored. A notice replaces an earlier one of the
    same event of the image. An account keeps the last hundred notices about one owner's images."""
    for batch in engine.batches(sorted(account_ids)):
        known = connection.scalars(sa.select(accounts.c.account_id).where(accounts.c.account_id.in_(batch)))
        made = [_row(image, said, account_id) for account_id in known]
        if not made:
            continue
        ids = [row["notice_id"] for row in made]
        connection.execute(notices.delete().where(notices.c.notice_id.in_(ids)))
        connection.execute(notices.insert(), made)
        mine = (notices.c.owner_id == image.account_id, notices.c.account_id.in_(batch))
        beyond = _beyond(MOST_OF_OWNER, *mine)
        connection.execute(notices.delete().where(notices.c.notice_id.in_(beyond)))


def _row(image: Image, said: Announcement, account_id: str) -> dict[str, object]:
    return {
        "notice_id": f"{account_id}/{image.image_id}/{said.event}",
        "account_id": account_id,
        "event": said.event.value,
        "image_id": image.image_id,
        "image_name": image.name,
        "owner_id": image.account_id,
        "date": said.date,
        "usable_until": said.usable_until,
        "reason": said.reason,
        "successor_id": said.successor_id,
    }


def take_back(
    connection: sa.Connection, image_id: str, events: Collection[Event], among: Collection[str] | None = None
) -> set[str]:
    """Erase notices that are no longer true, for some accounts or (None) for all. Returns the accounts that had
    them."""
    told: set[str] = set()
    about = (notices.c.image_id == image_id, notices.c.event.in_([each.value for each in events]))
    for batch in [None] if among is None else engine.batches(sorted(among)):
        here = about if batch is None else (*about, notices.c.account_id.in_(batch))
        told |= set(connection.scalars(sa.select(notices.c.account_id).where(*here)))
        connection.execute(notices.delete().where(*here))
    return told


def surplus(connection: sa.Connection, before: datetime) -> list[str]:
    """The ids of the notices older than a date, and of all but the last thousand of each account. Reads all notices."""
    old = sa.select(notices.c.notice_id).where(notices.c.date < before)
    return list(connection.scalars(sa.union(old, _beyond(MOST_OF_ACCOUNT))))


def erase(connection: sa.Connection, notice_ids: Collection[str]) -> None:
    """Erase notices."""
    connection.execute(notices.delete().where(notices.c.notice_id.in_(notice_ids)))


def _beyond(most: int, *wanted: engine.Criterion) -> engine.AnySelect:
    """The ids of all but the last notices of each account."""
    newest = (notices.c.date.desc(), notices.c.notice_id.desc())
    place = sa.func.row_number().over(partition_by=notices.c.account_id, order_by=newest).label("place")
    ranked = sa.select(notices.c.notice_id, place).where(*wanted).subquery()
    return sa.select(ranked.c.notice_id).where(ranked.c.place > most)


def find(connection: sa.Connection, account_id: str, query: Query) -> tuple[list[Notice], bool]:
    """An account's notices, oldest first; and whether more remain."""
    rows, more = _FINDER.find(connection, query, caller=account_id)
    return [Notice(**{**row._asdict(), "event": Event(row.event)}) for row in rows], more
