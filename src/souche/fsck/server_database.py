"""As `database.py`, for a region whose records are in PostgreSQL: its server can be used and has the records. Every row
can be read, and refers to existing rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from souche.db import server_inspection
from souche.db.engines.postgresql import PostgreSql
from souche.db.store import Store
from souche.db.transactions import DatabaseFailed
from souche.errors import SystemFailure
from souche.fsck import database
from souche.fsck.findings import Finding

REACH: Final = "no damage is known: set the server up as the region needs it (docs/databases.md)"
DAMAGE: Final = "XX"
"""the class of SQLSTATEs of corrupted data and indexes"""


def check(server: PostgreSql, store: Store, journal: Path) -> Iterator[Finding]:
    """The faults of the records, and of the journal in the home."""
    try:
        server.check()
        with store.read() as connection:
            yield from database.found_in_records(
                connection, server.shown, server_inspection.damages, server_inspection.broken_references
            )
    except SystemFailure as error:
        yield Finding("DatabaseUnreadable", server.shown, str(error), advice=REACH)
    except DatabaseFailed as error:
        yield _unreadable(server.shown, error)
    yield from database.check_journal(journal)


def _unreadable(name: str, error: DatabaseFailed) -> Finding:
    text = f"it cannot be read: {error.orig}"
    if str(getattr(error.orig, "sqlstate", "")).startswith(DAMAGE):
        return Finding("DatabaseDamaged", name, text, advice=database.RESTORE)
    return Finding("DatabaseUnreadable", name, text, advice=REACH)
