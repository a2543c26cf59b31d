"""The life of official images: deprecated, withdrawn, restored (docs/official-images.md). For the operator."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from souche.app import images
from souche.app.context.region import Region
from souche.app.official_images import check_grace_days
from souche.db import image_boots, image_lives
from souche.db import images as image_records
from souche.db.transactions import Transaction
from souche.model.image_lives import GRACE_DAYS, Life, LifeState, LivingImage
from souche.model.images import Image
from souche.refusals import NoSuchImage, NotOfficial, WrongLife
from souche.value_refusals import BadValue
from souche.words import Term
from souche.workflows import withdrawals

MOST_REASON_CHARACTERS = 255
LAST_DATE = datetime(9900, 1, 1, tzinfo=UTC)
"""Dates after the days of grace must be valid dates too."""


@dataclass(frozen=True)
class Departure:
    """Why an image is withdrawn, its successor, and for how many days it is kept afterwards; None: as stated before,
    else the default."""

    reason: str | None = None
    successor_id: str | None = None
    grace_days: int | None = None


def every(region: Region) -> list[LivingImage]:
    """All official images, of every account, oldest first."""
    with region.store.read() as connection:
        lives = image_lives.every(connection)
        booted = image_boots.passed_on(connection)
        found = image_records.published(connection)
    return [LivingImage(each, lives.get(each.image_id), booted.get(each.image_id)) for each in found]


def of_image(region: Region, image_id: str) -> LivingImage:
    """Any image, with its life if it is official.

    Raises:
        NoSuchImage.
    """
    with region.store.read() as connection:
        image = image_records.get(connection, image_id)
        if image is None:
            raise NoSuchImage(image_id=image_id)
        booted = image_boots.get(connection, image_id)
        verified_on = booted.date if booted and booted.boot.passed else None
        return LivingImage(image, image_lives.get(connection, image_id), verified_on)


def withdraw(region: Region, image_id: str, going: Departure, *, now: bool) -> LivingImage:
    """Withdraw an official image: only its owner lists it, and others can launch it by its id for the days of grace.
    With `now`, only its owner can launch it; it is kept for these days, so that it can be restored.

    Raises:
        NoSuchImage, NotOfficial, WrongImageState, BadValue. WrongLife: it is withdrawn already.
    """
    with region.begin() as work:
        known = _official(work.connection, image_id)
        if known.state == LifeState.WITHDRAWN and (known.is_closed or not now):
            raise WrongLife(image_id=image_id, life=known.state, reason="`souche image undo` restores it.")
        life, present = _life(work.connection, known, going), region.clock.now()
        life = replace(life, withdrawal_date=life.withdrawal_date or present)
        life = replace(life, closing_date=present if now else None)
        withdrawals.withdraw(work.connection, known.image, life)
    return of_image(region, image_id)


def deprecate(region: Region, image_id: str, date: datetime, going: Departure) -> LivingImage:
    """Set the date on which the region withdraws an official image. A later call replaces the date.

    Raises:
        NoSuchImage, NotOfficial, WrongImageState, WrongLife. BadValue: the date is past, or the successor does not
    exist.
    """
    if date <= region.clock.now():
        raise BadValue(
            parameter=Term.DATE, reason="the date is past; `souche image withdraw` withdraws at once."
        )
    if date > LAST_DATE:
        raise BadValue(parameter=Term.DATE, reason=f"the last date is {LAST_DATE:%Y-%m-%d}.")
    with region.begin() as work:
        known = _official(work.connection, image_id)
        if known.state == LifeState.WITHDRAWN:
            raise WrongLife(image_id=image_id, life=known.state, reason="`souche image undo` restores it.")
        life = replace(_life(work.connection, known, going), deprecation_date=date)
        withdrawals.deprecate(work.connection, known.image, life, region.clock.now())
    return of_image(region, image_id)


def undo(region: Region, image_id: str) -> LivingImage:
    """Take a withdrawal or a deprecation back.

    Raises:
        NoSuchImage, NotOfficial, WrongImageState.
        WrongLife: there is neither.
    """
    with region.begin() as work:
        known = _official(work.connection, image_id)
        if known.state == LifeState.AVAILABLE:
            raise WrongLife(image_id=image_id, life=known.state, reason="there is nothing to undo.")
        withdrawals.restore(work.connection, known.image, known.life, region.clock.now())
    return of_image(region, image_id)


def _official(connection: Transaction, image_id: str) -> LivingImage:
    image = image_records.get(connection, image_id)
    if image is None:
        raise NoSuchImage(image_id=image_id)
    if image.family is None:
        raise NotOfficial(image_id=image_id)
    images.check_available(image)
    return LivingImage(image, image_lives.get(connection, image_id))


def _life(connection: Transaction, known: LivingImage, going: Departure) -> Life:
    life = known.life or Life(known.image.image_id, GRACE_DAYS)
    if going.grace_days is not None:
        check_grace_days(going.grace_days)
        life = replace(life, grace_days=going.grace_days)
    if going.successor_id is not None:
        _check_successor(connection, known.image, going.successor_id)
        life = replace(life, successor_id=going.successor_id)
    if going.reason is not None:
        if len(going.reason) > MOST_REASON_CHARACTERS or not going.reason.isprintable():
            reason = f"up to {MOST_REASON_CHARACTERS} printable characters are expected"
            raise BadValue(parameter=Term.LIFE_REASON, reason=reason)
        life = replace(life, reason=going.reason)
    return life


def _check_successor(connection: Transaction, image: Image, successor_id: str) -> None:
    successor = image_records.get(connection, successor_id)
    if successor is None:
        raise NoSuchImage(image_id=successor_id)
    if successor_id == image.image_id:
        raise BadValue(parameter=Term.SUCCESSOR, reason="an image cannot be its own successor.")
    if successor.state != "available" or successor.launchable_until is not None:
        reason = f"{successor_id} is withdrawn, or not available."
        raise BadValue(parameter=Term.SUCCESSOR, reason=reason)
