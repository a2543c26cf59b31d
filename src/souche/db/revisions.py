"""The revisions of the schema that this release knows. Alembic reads all migrations for each question; here they are
read once in a process."""

import functools
from pathlib import Path
from typing import Final

from alembic.script import ScriptDirectory

MIGRATIONS: Final = Path(__file__).parent / "migrations"


@functools.cache
def known() -> tuple[str, ...]:
    """The revisions, the newest first."""
    return tuple(script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions())
