"""Which processes work on the records of a PostgreSQL database: one server, and any number that only answer the API; or
one that replaces the records. By advisory locks of sessions, because the processes may be on several machines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from souche.db.engines.server_lock import Connect, ServerLock
from souche.errors import Conflict

WRITERS_LOCK: Final = 0x50_75_63_68_65
"""the advisory lock of writers; such locks belong to one database"""
SERVER_LOCK: Final = WRITERS_LOCK + 1
API_LOCK: Final = WRITERS_LOCK + 2
"""shared by the processes that only answer the API"""


class RecordsInUse(Conflict):
    """Another process serves the region whose records are in {database}."""


class ApiRuns(Conflict):
    """`souche api` answers requests with the records in {database}: stop each such process first. Nothing was
    changed."""


class RecordsBeingReplaced(Conflict):
    """The records in {database} are being saved as a state, replaced by one, or removed: try again when that has
    ended."""


class Processes:
    """The locks, on connections that `connect` makes. `database` is its name for people."""

    def __init__(self, connect: Connect, database: str) -> None:
        self._connect = connect
        self._database = database

    @contextmanager
    def served(self, taken: Callable[[], None] | None) -> Iterator[None]:
        """`Database.served`."""
        with ServerLock(self._connect, SERVER_LOCK, taken).held() as is_held:
            if not is_held:
                raise RecordsInUse(database=self._database)
            yield

    @contextmanager
    def answered(self, taken: Callable[[], None]) -> Iterator[None]:
        """Be one of the processes that only answer the API. `taken` is called in a thread if another process has begun
        to replace the records (`replaced`) while the database was unavailable to this one.

        Raises:
            RecordsBeingReplaced.
        """
        with ServerLock(self._connect, API_LOCK, taken, shared=True).held() as is_held:
            if not is_held:
                raise RecordsBeingReplaced(database=self._database)
            yield

    @contextmanager
    def replaced(self) -> Iterator[None]:
        """Be the only process: no server runs, and none that answers the API. It does not matter if the locks are lost:
        what replaces the records is one transaction, which has the writers' lock.

        Raises:
            RecordsInUse, ApiRuns.
        """
        lock = ServerLock(self._connect, API_LOCK, None)
        with self.served(None), lock.held() as is_held:
            if not is_held:
                raise ApiRuns(database=self._database)
            yield
