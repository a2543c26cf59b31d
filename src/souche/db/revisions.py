"""The revisions of the schema that this release knows."""

import functools
from pathlib import Path
from typing import Final

MIGRATIONS: Final = Path(__file__).parent / "migrations"


@functools.cache
def known() -> tuple[str, ...]:
    """The revisions, the newest first: a migration's file name begins with its own. Alembic says the same, and takes
    a tenth of a second to import."""
    files = (MIGRATIONS / "versions").glob("[0-9]*_*.py")
    return tuple(sorted((file.name.partition("_")[0] for file in files), reverse=True))
