"""Checks of the two SQLite files: they exist, are undamaged and of this release, and every row refers to existing rows.

These checks come first. If they find a fault, the records are unreliable, and nothing else is checked.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

from souche.db import inspection, revisions
from souche.db.engines.sqlite import ReadOnlySqlite
from souche.db.transactions import DatabaseFailed, Transaction
from souche.fsck.findings import Finding, Level

RESTORE: Final = "stop the region, and put the home back from a backup"
REACH: Final = (
    "no damage is known: make the home readable and writable (SQLite writes beside a database to read it),"
    " or check a copy of it"
)
DAMAGE: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
UPGRADE: Final = "install the release of Souche that made it, or a later one"
Damages: TypeAlias = Callable[[Transaction], Iterator[str]]
BrokenReferences: TypeAlias = Callable[[Transaction], Iterator[tuple[str, str]]]
START: Final = "the next start of `souche serve` upgrades it: check it after that"


def check(database: Path, journal: Path) -> Iterator[Finding]:
    """The faults of a home's databases."""
    yield from _records(database)
    yield from check_journal(journal)


def _records(database: Path) -> Iterator[Finding]:
    if not database.exists():
        yield Finding("DatabaseMissing", database.name, "the records are not there", advice=RESTORE)
        return
    file = ReadOnlySqlite(database)
    try:
        with file.read() as connection:
            yield from found_in_records(
                Transaction(connection), database.name, inspection.damages, inspection.broken_references
            )
    except DatabaseFailed as error:
        yield _unreadable("DatabaseDamaged", database, error)
    finally:
        file.close()


def found_in_records(
    connection: Transaction, name: str, damages: Damages, broken_references: BrokenReferences
) -> Iterator[Finding]:
    """The faults of the records in a database that answers. The last two look for them in this kind of database."""
    for said in damages(connection):
        yield Finding("DatabaseDamaged", name, said, advice=RESTORE)
    known, revision = revisions.known(), inspection.revision(connection)
    if revision is None:
        yield Finding(
            "DatabaseMissing", name, "it is empty: no record of this region is in it", advice=RESTORE
        )
    elif revision not in known:
        what = f"it has the schema {revision}, which this release does not know"
        yield Finding("DatabaseNewer", name, what, advice=UPGRADE)
    elif revision != known[0]:
        what = f"it has the schema {revision}, and this release {known[0]}"
        yield Finding("DatabaseOlder", name, what, Level.LEFTOVER, advice=START)
    else:
        for row, what in broken_references(connection):
            yield Finding("ReferenceBroken", row, what, advice=RESTORE)


def check_journal(journal: Path) -> Iterator[Finding]:
    """The faults of the journal, if there is one."""
    if not journal.exists():
        return
    file = ReadOnlySqlite(journal)
    try:
        with file.read() as connection:
            for said in inspection.damages(connection):
                yield Finding("JournalDamaged", journal.name, said, advice=RESTORE)
    except DatabaseFailed as error:
        yield _unreadable("JournalDamaged", journal, error)
    finally:
        file.close()


def _unreadable(damaged: str, file: Path, error: DatabaseFailed) -> Finding:
    """An error about the file's bytes is damage; an error of access is not: restoring a backup would lose newer
    records."""
    name, text = getattr(error.orig, "sqlite_errorname", ""), f"it cannot be read: {error.orig}"
    if name.startswith(DAMAGE):
        return Finding(damaged, file.name, text, advice=RESTORE)
    return Finding("DatabaseUnreadable", file.name, text, advice=REACH)
