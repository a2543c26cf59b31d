"""Whether the records are a continuation of those seen before, or an older copy: a failover to a standby that was
behind, a restored backup."""

import threading
from collections.abc import Hashable
from typing import Any, Final

# The system identifier belongs to a cluster of databases. A promoted standby and a recovery to a point in time begin
# another timeline, which is the first part of the name of a file of the log. CREATE DATABASE gives another oid.
# https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES
STATEMENT: Final = """
    SELECT system_identifier, left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        (pg_current_wal_flush_lsn() - '0/0')::bigint
    FROM pg_control_system() WHERE NOT pg_is_in_recovery()
"""


class History:
    """Numbers the histories that a process has seen. Threads may use it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._place: Hashable = None
        self._position = 0
        self._number = 0

    def seen(self, row: Any) -> int:
        """The number of the history of a row of `STATEMENT`. A log that is shorter than before is of another one: what
        was flushed survives a crash."""
        *place, position = row
        with self._guard:
            if tuple(place) != self._place or position < self._position:
                self._number += 1
            self._place, self._position = tuple(place), position
            return self._number
