"""Removes notices that are too old or too many."""

from datetime import timedelta
from typing import Final

from souche.db import notices
from souche.workflows.parts import Records

KEPT: Final = timedelta(days=365)


def tidy(records: Records) -> None:
    """Erase them."""
    with records.store.begin() as connection:
        notices.tidy(connection, records.clock.now() - KEPT)
