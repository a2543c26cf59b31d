"""The contract of a database."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection

from souche.errors import SystemFailure

Answer = TypeVar("Answer")


class Loader(Protocol):
    """Loads rows of another database into the tables of the newest schema."""

    def load(self, table: sa.Table, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Load rows, which may be more than memory holds. JSON and dates are text."""
        ...

    def continue_after(self, column: sa.Column[int], number: int) -> None:
        """Generated numbers of this column begin after `number`."""
        ...


class Database(Protocol):
    """One database. Threads may share it, except for `change_mark`.

    The rules of use-cases cross rows: a use-case looks, then writes. They hold because one transaction writes at a
    time, in all processes (`begin`), and because everything that it reads after its first statement was committed.
    """

    engine: sa.Engine
    """opens connections whose transactions write, like those of `begin`"""

    is_local: bool
    """Whether a short read takes microseconds, without a server in between. Then the event loop may read directly;
    otherwise only by `on_event_loop`."""

    is_shared: bool
    """Whether processes without the lock on this home may work on the records. If so, workers write heartbeats
    (`db/claims.py`)."""

    def begin(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that may write. Waits until no other one writes; committed at the end, rolled back on an
        exception."""
        ...

    def read(self, most_seconds: float | None = None) -> AbstractContextManager[sa.Connection]:
        """A transaction that only reads. All of its statements see one state; it waits for no writer. None: without a
        bound.

        Raises:
            OutOfTime: a statement was under way when `most_seconds` were over.
        """
        ...

    def bounded_read(
        self, most_seconds: float | None, *, once: bool = False
    ) -> AbstractContextManager[DBAPIConnection]:
        """As `read`, with the driver's own connection: much cheaper. `once`: most callers run one statement, which is
        cheaper still. On the event loop a second one may be refused (OutOfTime)."""
        ...

    def change_mark(self) -> Hashable:
        """Two equal marks: nothing was committed in between, by any process. One thread at a time."""
        ...

    async def next_mark(self) -> Hashable:
        """As `change_mark`, on the event loop, which does other things meanwhile. One at a time."""
        ...

    async def on_event_loop(self, work: Callable[[], Answer]) -> Answer:
        """Run a function on the event loop, which does other things while the function reads. It must not write, ask
        for a mark, or wait in any other way.

        Raises:
            RecordsUnavailable: the database takes no connection.
        """
        ...

    def is_on_event_loop(self) -> bool:
        """Whether the caller must not wait, because `on_event_loop` runs it."""
        ...

    def history(self) -> Hashable:
        """Another value: the records may be an older copy of those seen before. Commits may be lost.

        Raises:
            RecordsUnavailable: the server is a standby.
        """
        ...

    def size_bytes(self, connection: sa.Connection) -> int:
        """The space that the records take, with their indexes."""
        ...

    def failure(self, error: Exception) -> SystemFailure | None:
        """Converts the driver's error, or SQLAlchemy's around it, into one of our errors, if the database is the cause
        and not the statement: `Raced`, `WritersBusy`, `RecordsUnavailable` (for a commit: it may have succeeded),
        `OutOfSpace`. None for any other error."""
        ...

    def served(self, taken: Callable[[], None]) -> AbstractContextManager[None]:
        """Be the only server of the records, if they can be reached from outside of their home. `taken` is called in a
        thread if another process has become the server while the database was unavailable to this one.

        Raises:
            RecordsInUse: there is another server.
        """
        ...

    def alone(self, name: str) -> AbstractContextManager[bool]:
        """Whether no other process holds this name, from now until the context ends."""
        ...

    def announce(self, connection: sa.Connection) -> None:
        """Wake the server of the records when this transaction is committed: it requests operations."""
        ...

    def announcements(self, heard: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `heard` after each `announce` of another process, in a thread, until the context ends. Announcements may
        be lost (with a connection): they only save time, and a sweep finds everything."""
        ...

    def allow_pauses(self, connection: sa.Connection) -> None:
        """Let a transaction that reads do nothing for as long as it likes. Call it before its first statement."""
        ...

    def loading(self, connection: sa.Connection) -> AbstractContextManager[Loader]:
        """Load rows as they are: no trigger runs until the context ends."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...
