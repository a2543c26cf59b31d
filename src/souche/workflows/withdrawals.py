"""Withdrawals of official images: by the operator, by the date of their deprecation, or by an update of their family;
and the notices about them, and about images of any owner that are unshared or deleted. Each is one transaction, and
idempotent.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from souche.db import image_lives, images, notices
from souche.db.transactions import Transaction
from souche.model.image_lives import Life
from souche.model.images import Image
from souche.model.notices import Announcement, Event

REPLACED: Final = "A newer image of its family replaces it."
UNSHARED: Final = "It is not shared with this account any more."
BY_OWNER: Final = "Its owner deleted it."
GRACE_OVER: Final = "The days for which it could be launched after its withdrawal are over."
VERSION_WITHDRAWN: Final = "The version was withdrawn from the marketplace."
GOING: Final = (Event.DEPRECATED, Event.WITHDRAWN, Event.REPLACED)


def withdraw(connection: Transaction, image: Image, life: Life) -> None:
    """Withdraw an image, according to its life. An image that is already withdrawn is not deleted later than planned.
    If the life is closed, only the owner can use the image."""
    until = life.deletion_date
    assert until is not None
    assert life.withdrawal_date is not None
    until = min(until, image.launchable_until or until)
    date = life.closing_date or life.withdrawal_date
    _tell(connection, image, life, Event.WITHDRAWN, date, life.closing_date or until)
    images.set_launchable_until(connection, image.image_id, until)
    if life.closing_date:
        life = replace(life, public=image.permissions.public, granted=image.permissions.account_ids)
        images.set_public(connection, image.image_id, public=False)
        images.revoke(connection, image.image_id, image.permissions.account_ids)
    image_lives.write(connection, life)


def deprecate(connection: Transaction, image: Image, life: Life, now: datetime) -> None:
    """Record when an image will be withdrawn."""
    until = _usable_until(life)
    assert until is not None
    _tell(connection, image, life, Event.DEPRECATED, now, until)
    image_lives.write(connection, life)


def restore(connection: Transaction, image: Image, life: Life | None, now: datetime) -> None:
    """Undo a withdrawal or a deprecation: its former users can use the image again. Only those who got a notice of it
    are notified."""
    images.set_launchable_until(connection, image.image_id, None)
    if life is not None and life.closing_date:
        images.set_public(connection, image.image_id, public=life.public)
        images.grant(connection, image.image_id, life.granted)
    image_lives.erase(connection, image.image_id)
    told = notices.take_back(connection, image.image_id, GOING)
    restored = images.get(connection, image.image_id)
    able = notices.able(restored, told) if restored else set()
    notices.announce(connection, image, Announcement(Event.RESTORED, now), able)


def replace_former(
    connection: Transaction, account_id: str, family: str, grace_days: int, now: datetime
) -> None:
    """Withdraw all images of the family but the newest, which is their successor."""
    until = now + timedelta(days=grace_days)
    newest, former = images.withdraw_former(connection, account_id, family, until)
    for image_id in former:
        known = image_lives.get(connection, image_id) or Life(image_id, grace_days)
        life = replace(known, grace_days=grace_days, withdrawal_date=now)
        life = replace(life, successor_id=known.successor_id or newest, reason=known.reason or REPLACED)
        image_lives.write(connection, life)
        image = images.get(connection, image_id)
        if image is not None:
            _tell(connection, image, life, Event.REPLACED, now, until)


def withdraw_due(connection: Transaction, image_id: str, now: datetime) -> bool:
    """Withdraw an image whose deprecation date has passed, as of that date. Returns whether it was due."""
    image, life = images.get(connection, image_id), image_lives.get(connection, image_id)
    if image is None or life is None or not life.is_due(now):
        return False
    withdraw(connection, image, replace(life, withdrawal_date=life.deprecation_date))
    return True


def _tell(
    connection: Transaction, image: Image, life: Life, event: Event, date: datetime, until: datetime
) -> None:
    """Notify the users of the image, as it is before the change."""
    said = Announcement(event, date, life.reason, until, life.successor_id)
    told = notices.concerned(connection, image)
    notices.take_back(connection, image.image_id, [Event.RESTORED])
    notices.announce(connection, image, said, told)


def record_use(connection: Transaction, image: Image, account_id: str, now: datetime) -> None:
    """Record that an account launches or copies another account's image, and notify it if the image is deprecated: it
    missed the earlier notice."""
    if notices.record_use(connection, image, account_id):
        tell_new_users(connection, image, [account_id], now)


def tell_new_users(
    connection: Transaction, image: Image, account_ids: Collection[str], now: datetime
) -> None:
    """Notify new users of a deprecated or withdrawn image."""
    life = image_lives.get(connection, image.image_id)
    if life is None or life.closing_date is not None:
        return
    event, date, until = Event.DEPRECATED, now, _usable_until(life)
    if life.withdrawal_date is not None:
        event = Event.REPLACED if life.reason == REPLACED else Event.WITHDRAWN
        date, until = life.withdrawal_date, image.launchable_until
    said = Announcement(event, date, life.reason, until, life.successor_id)
    notices.announce(connection, image, said, set(account_ids) - {image.account_id})


def _usable_until(life: Life) -> datetime | None:
    """The end of the time in which a deprecated image that is not withdrawn yet can be launched."""
    return life.deprecation_date and life.deprecation_date + timedelta(days=life.grace_days)


def tell_of_sharing(connection: Transaction, image: Image, before: Collection[str], now: datetime) -> None:
    """Notify the accounts that could use an image and no longer can. Accounts that can again get no notice."""
    changed = images.get(connection, image.image_id)
    after = notices.concerned(connection, changed) if changed else set()
    lost = set(before) - after
    notices.announce(connection, image, Announcement(Event.UNSHARED, now, UNSHARED), lost)
    if changed is not None and changed.permissions.public:
        notices.take_back(connection, image.image_id, [Event.UNSHARED])
    elif after:
        notices.take_back(connection, image.image_id, [Event.UNSHARED], after)


def tell_of_deletion(connection: Transaction, image: Image, reason: str, now: datetime) -> None:
    """Notify the accounts that could use an image that it is deleted."""
    life = image_lives.get(connection, image.image_id)
    said = Announcement(Event.DELETED, now, reason, successor_id=life.successor_id if life else None)
    notices.announce(connection, image, said, notices.concerned(connection, image))


def tell_of_withdrawn_version(connection: Transaction, image: Image, now: datetime) -> None:
    """Notify a product's subscribers that a version is withdrawn."""
    said = Announcement(Event.WITHDRAWN, now, VERSION_WITHDRAWN)
    notices.announce(connection, image, said, notices.concerned(connection, image))
