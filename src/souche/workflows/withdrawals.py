"""How an official image is withdrawn: by the operator, by the date of its deprecation, or by the update of its family.

All of it is of one transaction, and to do it again changes nothing.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from souche.db import image_lives, images
from souche.model.image_lives import Life
from souche.model.images import Image

REPLACED = "A newer image of its family replaces it."


def withdraw(connection: sa.Connection, image: Image, life: Life) -> None:
    """Withdraw an image, as its life says. One that was withdrawn before is deleted no later than it would have been.
    Where the life is closed, nobody but the owner can use the image any more."""
    until = life.deletion_date
    assert until is not None
    images.set_launchable_until(connection, image.image_id, min(until, image.launchable_until or until))
    if life.closing_date:
        life = replace(life, public=image.permissions.public, granted=image.permissions.account_ids)
        images.set_public(connection, image.image_id, public=False)
        images.revoke(connection, image.image_id, image.permissions.account_ids)
    image_lives.write(connection, life)


def restore(connection: sa.Connection, image: Image, life: Life | None) -> None:
    """Take a withdrawal or a deprecation back: who could use the image can again."""
    images.set_launchable_until(connection, image.image_id, None)
    if life is not None and life.closing_date:
        images.set_public(connection, image.image_id, public=life.public)
        images.grant(connection, image.image_id, life.granted)
    image_lives.erase(connection, image.image_id)


def replace_former(
    connection: sa.Connection, account_id: str, family: str, grace_days: int, now: datetime
) -> None:
    """Withdraw all images of the family but the newest, which is their successor."""
    until = now + timedelta(days=grace_days)
    newest, former = images.withdraw_former(connection, account_id, family, until)
    for image_id in former:
        known = image_lives.get(connection, image_id) or Life(image_id, grace_days)
        life = replace(known, grace_days=grace_days, withdrawal_date=now)
        life = replace(life, successor_id=known.successor_id or newest, reason=known.reason or REPLACED)
        image_lives.write(connection, life)


def withdraw_due(connection: sa.Connection, image_id: str, now: datetime) -> bool:
    """Withdraw an image whose date of deprecation is reached, as of that date; whether it still was to be."""
    image, life = images.get(connection, image_id), image_lives.get(connection, image_id)
    if image is None or life is None or not life.is_due(now):
        return False
    withdraw(connection, image, replace(life, withdrawal_date=life.deprecation_date))
    return True
