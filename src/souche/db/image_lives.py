"""Records of official images that are deprecated or withdrawn."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from souche.db.query import AnyRow
from souche.db.schema import image_lives
from souche.model.image_lives import Life


def get(connection: sa.Connection, image_id: str) -> Life | None:
    """The life of an image; None: it was neither deprecated nor withdrawn."""
    row = connection.execute(image_lives.select().where(image_lives.c.image_id == image_id)).one_or_none()
    return None if row is None else _life(row)


def every(connection: sa.Connection) -> Mapping[str, Life]:
    """All that are recorded, by the ids of their images."""
    return {row.image_id: _life(row) for row in connection.execute(image_lives.select())}


def due(connection: sa.Connection, now: datetime) -> list[Life]:
    """The lives of images whose deprecation date has passed and that are not withdrawn yet."""
    reached = sa.and_(image_lives.c.deprecation_date <= now, image_lives.c.withdrawal_date.is_(None))
    return [_life(row) for row in connection.execute(image_lives.select().where(reached))]


def write(connection: sa.Connection, life: Life) -> None:
    """Record a life, replacing the former one."""
    erase(connection, life.image_id)
    connection.execute(image_lives.insert().values({**asdict(life), "granted": list(life.granted)}))


def erase(connection: sa.Connection, image_id: str) -> None:
    """Erase it: the image is an ordinary one again."""
    connection.execute(image_lives.delete().where(image_lives.c.image_id == image_id))


def _life(row: AnyRow) -> Life:
    return Life(**{**row._asdict(), "granted": tuple(row.granted)})
