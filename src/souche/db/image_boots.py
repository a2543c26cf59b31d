"""The last boot of each image that was verified."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from souche.db.query import AnyRow
from souche.db.schema import image_boots, images
from souche.model.image_boots import Boot, Verification


def write(connection: sa.Connection, image_id: str, date: datetime, boot: Boot) -> None:
    """Record a boot, replacing the former one. Does nothing for a deleted image."""
    connection.execute(image_boots.delete().where(image_boots.c.image_id == image_id))
    if connection.scalar(sa.select(images.c.image_id).where(images.c.image_id == image_id)) is not None:
        values = {"image_id": image_id, "date": date, "passed": boot.passed, **asdict(boot)}
        connection.execute(image_boots.insert().values(values))


def get(connection: sa.Connection, image_id: str) -> Verification | None:
    """The last boot of an image."""
    row = connection.execute(image_boots.select().where(image_boots.c.image_id == image_id)).one_or_none()
    return None if row is None else _verification(row)


def passed_on(connection: sa.Connection) -> Mapping[str, datetime]:
    """When each passed image was verified last, by its id."""
    wanted = sa.select(image_boots.c.image_id, image_boots.c.date).where(image_boots.c.passed)
    return {row.image_id: row.date for row in connection.execute(wanted)}


def _verification(row: AnyRow) -> Verification:
    boot = Boot(row.boot_mode, row.reached, row.seconds, row.reason, row.log, row.screenshot)
    return Verification(row.image_id, row.date, boot)
