"""What the errors of a PostgreSQL server mean, by SQLSTATE
(https://www.postgresql.org/docs/current/errcodes-appendix.html)."""

from typing import Final

import psycopg

from souche.errors import Raced, RecordsFull, RecordsUnavailable, SystemFailure, WritersBusy

THROWN_BACK: Final = frozenset({"40001", "40P01"})
"""serialization failure, deadlock"""
LOCKED: Final = "55P03"
DISK_FULL: Final = "53100"
AWAY_CLASSES: Final = ("08", "53", "57", "58")
"""connections, resources, interventions by an administrator, errors of the system"""
AWAY: Final = frozenset({"25P03", "25P04"})
"""an idle transaction was ended, a transaction took too long"""
REFUSED: Final = frozenset({"25006", "42501"})
"""read-only, no right: until an administrator changes it"""
AWAY_REASON: Final = "its server does not answer, or ended the connection or the statement"


def failure(error: Exception, lock_seconds: int) -> SystemFailure | None:
    """What an error of the driver or of SQLAlchemy means; None: it is a defect. `lock_seconds` is how long a writer
    waits for its lock. An error without SQLSTATE, of a connection that failed, is `RecordsUnavailable`."""
    said = getattr(error, "orig", error)
    if not isinstance(said, psycopg.Error):
        return None
    state = said.sqlstate
    if state is None:
        return RecordsUnavailable(reason=AWAY_REASON) if isinstance(said, psycopg.OperationalError) else None
    if state in THROWN_BACK:
        return Raced()
    if state == LOCKED:
        return WritersBusy(seconds=lock_seconds)
    if state == DISK_FULL:
        return RecordsFull(reason="its records cannot be written.")  # operations wait until they can
    if state in REFUSED:
        return RecordsUnavailable(reason=f"its server refuses: {said.diag.message_primary}")
    if state in AWAY or state.startswith(AWAY_CLASSES):
        return RecordsUnavailable(reason=AWAY_REASON)
    return None
