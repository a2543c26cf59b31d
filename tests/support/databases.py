"""The databases of the tests' regions: a SQLite file each, or one each on a PostgreSQL server.

A folder's `conftest.py` selects the kinds that its tests run on (`on_both`); the default is SQLite. A PostgreSQL
database is created once from a template, and emptied for the next test by DELETE, which takes 20 ms; TRUNCATE takes 700
(each index is a file), and CREATE DATABASE 500.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

import psycopg
import pytest
import sqlalchemy as sa

from souche.db.engines.base import Database
from souche.db.engines.postgresql import PostgreSql
from souche.db.engines.sqlite import Sqlite
from souche.db.schema import metadata
from souche.db.store import Store
from tests.support import postgresql

LAWS_ARE_WHOLE = os.environ.get("LAWS") == "whole"
"""Whether the laws of workflows run on PostgreSQL in all variants, including those with `sqlite_alone`."""

REFUSALS = "refused by rules in Python, after look-ups that other files run on both"
RULES = "forms of requests and answers; tests/app and tests/reconcile have the same records on both"
SQLITE_ALONE = {
    "tests/api/test_errors.py": "bodies that the specification refuses: no query",
    "tests/api/test_block_device_refusals.py": REFUSALS,
    "tests/api/test_image_refusals.py": REFUSALS,
    "tests/api/test_vm_refusals.py": REFUSALS,
    "tests/api/test_vm_change_refusals.py": REFUSALS,
    "tests/api/test_unseen.py": "looks up one row by its id and its owner; tests/app does so on both",
    "tests/api/test_signed_imports.py": "files and signatures",
    "tests/api/test_dry_run.py": "each action once more, rolled back",
    "tests/api/test_empty_reads.py": "answers without a query",
    "tests/api/test_regions.py": "answers without a query",
    "tests/api/test_volumes.py": RULES,
    "tests/api/test_volume_updates.py": RULES,
    "tests/api/test_vms.py": RULES,
    "tests/api/test_vm_reads.py": RULES,
    "tests/api/test_block_device_mappings.py": RULES,
    "tests/api/test_snapshot_imports.py": RULES,
    "tests/api/test_image_reports.py": RULES,
    "tests/api/test_product_types.py": RULES,
    "tests/api/test_keypairs.py": RULES,
    "tests/api/test_access_keys.py": RULES,
    "tests/api/test_quotas.py": RULES,
    "tests/reconcile/test_loop.py": "threads without a query",
    "tests/api/test_space.py": "fills SQLite's file by a PRAGMA",
}
"""Files that run on SQLite only, in folders that run on both databases (`on_both`), each with its reason. On PostgreSQL
they would add minutes to a run and send no statements that other files do not. `tests/workflows` is not such a folder:
its laws (`test_laws.py`, `test_third_law.py`), `test_on_both.py` and `test_claims.py` use both themselves."""

_DIALECTS: dict[str, sa.Dialect] = {}
_COMPILED: dict[Any, Any] = {}


Kept = Callable[[Path], None]
"""Copies a kept database's contents into the database of a new path."""


class Kind(Protocol):
    """One kind of database. A path leads to the same database until another test gets that database."""

    def empty(self, path: Path) -> Database: ...

    def migrated(self, path: Path) -> Database:
        """The newest schema, without rows, when it is opened for the first time."""
        ...

    def keep(self, path: Path) -> Kept:
        """Keep the rows of a path's database. Copy the path's folder before you restore them into another."""
        ...


class Files:
    """SQLite."""

    def empty(self, path: Path) -> Database:
        return UnsyncedSqlite(path)

    def migrated(self, path: Path) -> Database:
        if not path.exists():
            path.write_bytes(_migrated_file())
        return UnsyncedSqlite(path)

    def keep(self, path: Path) -> Kept:  # noqa: ARG002  the file goes with the folder
        return _in_the_folder


def _in_the_folder(_path: Path) -> None:
    """Does nothing: the database was copied with the folder."""


class UnsyncedSqlite(Sqlite):
    """Syncs nothing to the medium: no test simulates a power failure on its own database."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        sa.event.listen(self.engine, "connect", _unsynced)
        _share_compiled(self.engine)
        _share_compiled(self._reader)


def _unsynced(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")


@cache
def _migrated_file() -> bytes:
    """An empty database at the newest schema: the migrations run once for all regions of a test run."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "region.db"
        store = Store(Sqlite(path))
        store.migrate()
        store.close()
        return path.read_bytes()


class Databases:
    """Databases of a server, lent to paths and returned when they are closed."""

    TEMPLATE = "template"

    def __init__(self, server: postgresql.Server) -> None:
        self.server = server
        server.execute(f"CREATE DATABASE {self.TEMPLATE}")
        store = Store(PostgreSql(server.url(self.TEMPLATE)))
        store.migrate()
        _share_compiled(store.engine)  # its dialect knows the server's version
        store.close()
        self._names: dict[Path, str] = {}
        self._free: dict[str, list[str]] = {"template1": [], self.TEMPLATE: []}
        self._made = 0

    def empty(self, path: Path) -> Database:
        return self._given(path, "template1", "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")

    def migrated(self, path: Path) -> Database:
        rows = [str(table.delete()) for table in reversed(metadata.sorted_tables)]
        return self._given(path, self.TEMPLATE, ";".join(rows))

    def keep(self, path: Path) -> Kept:
        """By COPY: to insert row by row takes several times as long, and would change the versions of images."""
        with self.server.connect(self._names[path]) as connection:
            copied = {table.name: _copied(connection, table.name) for table in metadata.sorted_tables}

        def put(to: Path) -> None:
            self.migrated(to)
            with self.server.connect(self._names[to]) as connection:
                connection.execute("SET session_replication_role = replica")  # disables triggers
                for name, rows in copied.items():
                    if rows:
                        with connection.cursor().copy(f"COPY {name} FROM STDIN".encode()) as copying:
                            copying.write(rows)

        return put

    def _given(self, path: Path, template: str, *emptying: str) -> Database:
        free = self._free[template]
        name = self._names.get(path)
        if name is None and free:
            name = free.pop()
            self.server.execute(*emptying, database=name)
        elif name is None:
            self._made += 1
            name = f"region{self._made}"
            self.server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        elif name in free:  # was closed, and is opened again
            free.remove(name)
        self._names = {at: each for at, each in self._names.items() if each != name} | {path: name}
        given = name
        return GivenPostgreSql(self.server.url(name), lambda: free.append(given))


def _copied(connection: psycopg.Connection, table: str) -> bytes:
    with connection.cursor().copy(f"COPY {table} TO STDOUT".encode()) as copying:
        return b"".join(copying)


class GivenPostgreSql(PostgreSql):
    """A database that is returned when it is closed."""

    def __init__(self, url: str, give_back: Callable[[], None]) -> None:
        super().__init__(url)
        _share_compiled(self.engine)
        _share_compiled(self._readers)
        self._give_back = give_back

    def close(self) -> None:
        super().close()
        self._give_back()
        self._give_back = _nothing


def _nothing() -> None:
    """Does nothing: the database was already returned."""


def _share_compiled(engine: sa.Engine) -> None:
    """Share compiled statements among all tests of a run: each test has its own engine, and compiling took a third of a
    test."""
    engine.dialect = _DIALECTS.setdefault(
        engine.dialect.name, engine.dialect
    )  # of the key by which one is found
    engine.update_execution_options(compiled_cache=_COMPILED)


_kind: Kind = Files()


def kind() -> Kind:
    """The kind of database of the running test."""
    return _kind


@contextmanager
def using(chosen: Kind) -> Iterator[None]:
    """Run tests on this kind while the context lives."""
    global _kind
    before, _kind = _kind, chosen
    try:
        yield
    finally:
        _kind = before


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """The databases of a PostgreSQL server that runs for this process of the test run."""
    with postgresql.running() as server:
        yield Databases(server)


@pytest.fixture
def urls(databases: Databases, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Gives the URL of an empty PostgreSQL database by a name."""
    with ExitStack() as stack:

        def url(name: str) -> str:
            database = databases.empty(tmp_path / name)
            stack.callback(database.close)
            return database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)

        yield url


@pytest.fixture
def url(urls: Callable[[str], str]) -> str:
    """The URL of an empty PostgreSQL database."""
    return urls("records")


KINDS: Mapping[str, Callable[[pytest.FixtureRequest], Kind]] = {
    "sqlite": lambda _request: Files(),
    "postgresql": lambda request: cast("Databases", request.getfixturevalue("databases")),
}


@pytest.fixture(scope="module", params=KINDS, autouse=True)
def on_both(request: pytest.FixtureRequest) -> Iterator[str]:
    """For a folder's `conftest.py`: its tests run on each of `KINDS`."""
    with using(KINDS[request.param](request)):
        yield request.param


def drop_sqlite_alone(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the files of `SQLITE_ALONE`, and cases with the mark `sqlite_alone`, on SQLite only."""
    dropped = [item for item in items if _is_dropped(item)]
    config.hook.pytest_deselected(items=dropped)
    items[:] = [item for item in items if not _is_dropped(item)]


def _is_dropped(item: pytest.Item) -> bool:
    given = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    file = item.nodeid.partition("::")[0]
    is_marked = item.get_closest_marker("sqlite_alone") is not None and not LAWS_ARE_WHOLE
    return given.get("on_both") not in (None, "sqlite") and (file in SQLITE_ALONE or is_marked)


@pytest.fixture(scope="module", autouse=True)
def on_sqlite() -> None:
    """Replaces `on_both` for a file of such a folder: its tests run on SQLite only."""
