"""The data removed from clean images."""

from collections.abc import Collection
from dataclasses import asdict

import sqlalchemy as sa

from souche.db import query as engine
from souche.db.schema import image_cleanings as cleanings
from souche.model.image_cleanings import Cleaning, CleaningResult


def store(connection: sa.Connection, cleaning: Cleaning) -> None:
    """Write the changes, replacing former ones."""
    erase(connection, cleaning.image_id)
    connection.execute(cleanings.insert().values(**asdict(cleaning)))


def erase(connection: sa.Connection, image_id: str) -> None:
    """Erase them: the image was not made."""
    connection.execute(cleanings.delete().where(cleanings.c.image_id == image_id))


def of_images(connection: sa.Connection, image_ids: Collection[str]) -> dict[str, Cleaning]:
    """The changes of those of the images that are clean ones, by their ids."""
    found: dict[str, Cleaning] = {}
    for batch in engine.batches(image_ids):
        for row in connection.execute(cleanings.select().where(cleanings.c.image_id.in_(batch))):
            done = tuple(CleaningResult(**each) for each in row.done)
            found[row.image_id] = Cleaning(row.image_id, row.source_image_id, row.date, row.engine, done)
    return found
