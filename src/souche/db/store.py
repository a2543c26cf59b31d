"""The database as a whole: transactions, prepared statements, migrations."""

import threading
from collections import namedtuple
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.sql.compiler import SQLCompiler

from souche.cache import CommitCache
from souche.db import inspection, revisions
from souche.db.engines.base import Database
from souche.db.shared_results import SharedResults
from souche.db.transactions import Transaction
from souche.db.writers import Writers
from souche.errors import OutOfTime
from souche.room import full

MOST_WAITING_SECONDS: Final = 30.0
"""longest wait of a transaction for its turn to write"""

Answer = TypeVar("Answer")
AnyStatement: TypeAlias = sa.Select[Any] | sa.CompoundSelect[Any]


class Prepared:
    """A statement that is compiled once, and then goes to the driver as it is.

    Its parameters are named. One that expands (IN) has as many values as it was made with, named `NAME_1` and
    so on.
    """

    def __init__(self, statement: AnyStatement) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def on(self, dialect: sa.Dialect) -> "_Compiled":
        """Its text in the dialect of a database."""
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = _Compiled(self._statement, dialect)
        return self._compiled[dialect.name]


class _Compiled:
    def __init__(self, statement: AnyStatement, dialect: sa.Dialect) -> None:
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        assert isinstance(compiled, SQLCompiler)
        self.text = compiled.string
        self._order = compiled.positiontup
        self._processors = {
            name: processor
            for name, bind in compiled.binds.items()
            if (processor := bind.type.dialect_impl(dialect).bind_processor(dialect))
        }
        self._constants = {
            each: self._processed(each, value)
            for name, bind in compiled.binds.items()
            if not bind.required
            for each, value in _values(name, bind)
        }
        columns = statement.selected_columns
        self._record = _record_type(columns.keys())
        self._converters = [
            (place, converter)
            for place, column in enumerate(columns)
            if (converter := column.type.dialect_impl(dialect).result_processor(dialect, None))
        ]

    def arguments(self, parameters: Mapping[str, object]) -> Any:
        """The parameters as the driver takes them: by position or by name."""
        given = {name: self._processed(name, value) for name, value in parameters.items()}
        values = {**self._constants, **given}
        return values if self._order is None else [values[name] for name in self._order]

    def record(self, row: Sequence[Any]) -> Any:
        """A row as SQLAlchemy gives it: columns by name, each of its Python type."""
        values = list(row)
        for place, converter in self._converters:
            values[place] = converter(values[place])
        return self._record._make(values)

    def _processed(self, name: str, value: object) -> object:
        processor = self._processors.get(name) or self._processors.get(name.rpartition("_")[0])
        return processor(value) if processor else value


def _values(name: str, bind: sa.BindParameter[Any]) -> Iterable[tuple[str, Any]]:
    """The parameter by its name; one that expands, by the names of its values."""
    if not bind.expanding:
        return [(name, bind.value)]
    return [(f"{name}_{number}", value) for number, value in enumerate(bind.value or (), 1)]


def _record_type(columns: Sequence[str]) -> Any:
    return namedtuple("Record", columns, rename=True)  # noqa: PYI024  the columns are known only now


class Reader:
    """Runs prepared statements in one transaction that only reads: all see one consistent state."""

    def __init__(self, connection: DBAPIConnection, dialect: sa.Dialect) -> None:
        self._connection = connection
        self.dialect = dialect

    @classmethod
    def of(cls, connection: sa.Connection) -> "Reader":
        """In the transaction of a connection."""
        return cls(connection.connection, connection.dialect)

    def records(self, statement: Prepared, parameters: Mapping[str, object]) -> list[Any]:
        """All rows of a statement, with columns by name, each of its Python type."""
        record = statement.on(self.dialect).record
        return list(map(record, self.cursor(statement, parameters).fetchall()))

    def rows(self, statement: Prepared, parameters: Mapping[str, object]) -> Sequence[tuple[Any, ...]]:
        """All rows of a statement as the driver gives them: dates are text, and SQLite's booleans are 1 and 0."""
        rows: Sequence[tuple[Any, ...]] = self.cursor(statement, parameters).fetchall()
        return rows

    def stream(
        self, statement: Prepared, parameters: Mapping[str, object]
    ) -> Generator[tuple[Any, ...], None, None]:
        """As `rows`, one at a time on demand."""
        with closing(self.cursor(statement, parameters)) as cursor:
            yield from iter(cursor.fetchone, None)

    def cursor(self, statement: Prepared, parameters: Mapping[str, object]) -> Any:
        """The driver's cursor, which reads the rows. Close it."""
        compiled = statement.on(self.dialect)
        cursor = self._connection.cursor()
        cursor.execute(compiled.text, compiled.arguments(parameters))
        return cursor


@dataclass
class _KeptMark:
    """The change mark of a store that the running function keeps. None: it was not read yet, or the function wrote."""

    store: "Store"
    mark: Hashable


_kept: Final[ContextVar[_KeptMark | None]] = ContextVar("kept mark", default=None)


class Store:
    """Opens transactions on the region's database. `cache` keeps records that every request reads (keys, rules of
    access) until something is committed. `writers` is the queue before the transactions that write."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.cache = CommitCache(self.change_mark)
        self.writers = Writers(MOST_WAITING_SECONDS)
        self._marking = threading.Lock()
        self._closings = 0
        self._marks = SharedResults(self._next_mark)

    @property
    def engine(self) -> sa.Engine:
        """Opens connections whose transactions write."""
        return self.database.engine

    def migrate(self, revision: str = "head") -> None:
        """Migrate the database to the newest schema, or to `revision`. Does nothing if it already has it.

        Raises:
            RecordsUnavailable: the role has no right to it. OutOfSpace, WritersBusy: as of `begin`.
        """
        if revision == "head" and self.is_newest():
            return
        import alembic.command  # imported here: most processes find the newest schema
        import alembic.config

        config = alembic.config.Config()
        config.set_main_option("script_location", str(revisions.MIGRATIONS))
        with self._explained(), self.engine.connect() as connection:
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, revision)

    def is_newest(self) -> bool:
        """Whether the database has the schema of this release."""
        with self.read() as connection:
            return inspection.revision(connection) == revisions.known()[0]

    @contextmanager
    def begin(
        self, *, dry_run: bool = False, request: bool = False, account_id: str = ""
    ) -> Iterator[Transaction]:
        """A transaction that may write: committed at the end, but rolled back after an exception, and in a dry run. It
        waits for its turn (`db/writers`): among requests, in which accounts take turns, or among the work of workflows.

        Raises:
            OutOfTime: on the event loop. WritersBusy: the turn did not come. OutOfSpace: the medium of the database is
            full. Raced, RecordsUnavailable: as the database reports; after the latter it may have been committed.
        """
        if self.database.is_on_event_loop():
            raise OutOfTime(seconds=0)
        turn = self.writers.turn(request=request, account_id=account_id)
        try:
            with self._explained(), turn, self.database.begin() as connection:
                yield Transaction(connection)
                if dry_run:
                    connection.rollback()
        finally:
            if kept := self._kept():
                kept.mark = None

    def ping(self) -> None:
        """Check that the database answers.

        Raises:
            Unavailable: it does not.
        """
        with self.read() as connection:
            connection.execute(sa.text("SELECT 1")).scalar()

    @contextmanager
    def read(self, most_seconds: float | None = None) -> Iterator[Transaction]:
        """A transaction that only reads, on one consistent state; it never waits for writers.

        Raises:
            OutOfTime: a statement was under way when `most_seconds` were over.
        """
        with self._explained(), self.database.read(most_seconds) as connection:
            yield Transaction(connection)

    @contextmanager
    def reader(self, most_seconds: float | None = None, *, once: bool = False) -> Iterator[Reader]:
        """As `read`, for prepared statements: much cheaper. `once`: most callers run one statement, which is cheaper
        still; on the event loop a second one may raise OutOfTime."""
        try:
            with self.database.bounded_read(most_seconds, once=once) as connection:
                yield Reader(connection, self.engine.dialect)
        except Exception as error:
            self._explain(error)
            raise

    def change_mark(self) -> Hashable:
        """Two equal marks: nothing was committed in between, by any process. Threads may call this."""
        kept = self._kept()
        if kept is None:
            return self._ask_for_mark()
        if kept.mark is None:
            kept.mark = self._ask_for_mark()
        return kept.mark

    async def next_mark(self) -> Hashable:
        """As `change_mark`, on the event loop. One query serves all who wait for it.

        Raises:
            RecordsUnavailable: the database does not answer.
        """
        return await self._marks.next()

    async def on_event_loop(self, work: Callable[[], Answer]) -> Answer:
        """Run a function on the event loop, which does other things while the function reads. It has to keep a mark.

        Raises:
            OutOfTime: a statement took too long, or the function writes: run it in a thread.
        """
        return await self.database.on_event_loop(work)

    def with_mark(self, mark: Hashable, work: Callable[[], Answer]) -> Answer:
        """Run a function for which the change mark is `mark`, until it writes. None: the mark is read at most once: a
        request needs only the commits before its first look-up. Reading the mark takes as long as a small read."""
        if mark is None and self._kept():
            return work()
        token = _kept.set(_KeptMark(self, mark))
        try:
            return work()
        finally:
            _kept.reset(token)

    def with_this_mark(self, work: Callable[[], Answer]) -> Callable[[], Answer]:
        """A function that runs another one later, with the mark of now."""
        return partial(self.with_mark, self.change_mark(), work)

    def history(self) -> Hashable:
        """Another value: the records may be an older copy of those seen before.

        Raises:
            RecordsUnavailable: the database does not answer, or is a standby.
        """
        with self._explained():
            return self.database.history()

    def _kept(self) -> _KeptMark | None:
        kept = _kept.get()
        return kept if kept and kept.store is self else None

    def _ask_for_mark(self) -> Hashable:
        assert not self.database.is_on_event_loop(), "the event loop would wait for the lock"
        with self._marking:
            return self._closings, self.database.change_mark()

    async def _next_mark(self) -> Hashable:
        closings = self._closings
        return closings, await self.database.next_mark()

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Whether no other process of the region holds this name, from now until the context ends."""
        with self._explained(), self.database.alone(name) as is_alone:
            yield is_alone

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._explain(error)
            raise

    def _explain(self, error: Exception) -> None:
        """Raise what an error of the database means, if it is known.

        Raises:
            OutOfSpace: the medium is full. SystemFailure: as the database says.
        """
        meaning = self.database.failure(error) or full(error)
        if meaning is not None and meaning is not error:
            raise meaning from error

    def close(self) -> None:
        """Close every connection. The store can be used again, with other marks."""
        with self._marking:
            self._closings += 1
            self.database.close()
