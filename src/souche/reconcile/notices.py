"""Notices that are old, or more than an account keeps."""

from datetime import timedelta
from typing import Final

from souche.db import notices
from souche.workflows.parts import Parts

KEPT: Final = timedelta(days=365)


def tidy(parts: Parts) -> None:
    """Erase them."""
    with parts.store.begin() as connection:
        notices.tidy(connection, parts.clock.now() - KEPT)
