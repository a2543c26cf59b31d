"""Removes notices that are too old or too many."""

from datetime import timedelta
from typing import Final

from souche.db import notices
from souche.db.query import batches
from souche.workflows.parts import Records

KEPT: Final = timedelta(days=365)


def tidy(records: Records) -> None:
    """Erase them. They are found without the writers' lock, and erased some at a time: a notice only becomes older, and
    only newer ones are added."""
    with records.store.read() as connection:
        found = notices.surplus(connection, records.clock.now() - KEPT)
    for batch in batches(found):
        with records.store.begin() as connection:
            notices.erase(connection, batch)
