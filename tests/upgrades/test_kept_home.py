"""A region of an earlier release, killed while VMs ran, work was under way and exports waited, is served by this
release, which ends all of it: on SQLite, and with the same records in PostgreSQL.

`before-typed-params.tar.xz` is of the release at commit b343df59 (schema 0025), made by `make_home.py`. It has fourteen
operations: seven that the journal has begun, two of which remember a step, and seven that waited for their turn.
"""

import json
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa

from souche.db import schema
from souche.db.engines.sqlite import Sqlite
from souche.db.store import Store
from tests.objects.server import OPERATOR, seaweedfs
from tests.support.databases import Databases
from tests.support.polling import eventually
from tests.test_main import Served, serving, souche

ARCHIVE: Final = Path(__file__).with_name("before-typed-params.tar.xz")
REVISION: Final = "0025"
END_SECONDS: Final = 120
OPERATIONS: Final = 14
RANDOM: Final = ("version", "api_access_rules.rule_id")


@dataclass(frozen=True)
class Kept:
    """The home, and what was in it: the account and its keys, and ids by what they were made for."""

    home: Path
    account: dict[str, Any]
    ids: dict[str, str]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path)  # noqa: S202  (made by this repository)
    facts = json.loads((tmp_path / "facts.json").read_text())
    return Kept(tmp_path / "home", facts["account"], facts["ids"])


@pytest.fixture
def store_options(tmp_path: Path) -> Iterator[list[str]]:
    """The object store is available again."""
    key = tmp_path / "key"
    key.write_text("\n".join(OPERATOR))
    with seaweedfs(tmp_path / "oos", accounts=()) as server:
        yield ["--oos-listen", "", "--oos-endpoint", server.endpoint, "--oos-key-file", str(key)]


def test_the_home_has_what_the_text_above_says(kept: Kept) -> None:
    with closing(sqlite3.connect(kept.home / "region.sqlite")) as records:
        assert records.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISION,)]
        assert records.execute("SELECT count(*) FROM operations").fetchone() == (OPERATIONS,)
        assert records.execute("SELECT count(*) FROM vms WHERE state = 'running'").fetchone() == (1,)
        assert records.execute("SELECT state FROM export_tasks").fetchall() == [("queued",)] * 2
    with closing(sqlite3.connect(kept.home / "journal.sqlite")) as journal:
        begun = "SELECT workflow_uuid FROM workflow_status WHERE status = 'PENDING'"
        remembered = f"SELECT count(*) FROM operation_outputs WHERE workflow_uuid IN ({begun})"  # noqa: S608
        assert len(journal.execute(begun).fetchall()) == 7
        assert journal.execute(remembered).fetchone() == (2,)


def test_the_work_ends_on_sqlite(kept: Kept, store_options: list[str]) -> None:
    with serving(kept.home, *store_options) as served:
        assert_ended(kept, served)
    checked = souche("fsck", "--home", kept.home)
    assert checked.returncode == 0, checked.stdout


def test_the_work_ends_on_postgresql(kept: Kept, store_options: list[str], databases: Databases) -> None:
    database = databases.empty(kept.home.with_name("records"))
    with closing(Store(database)) as records:
        move_records(kept.home / "region.sqlite", records)
        for file in kept.home.glob("region.sqlite*"):
            file.unlink()
        url = records.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with serving(kept.home, "--database", url, *store_options) as served:
            assert_ended(kept, served)


def test_both_databases_have_the_same_records_after_the_upgrade(
    kept: Kept, tmp_path: Path, databases: Databases
) -> None:
    file = tmp_path / "copy.sqlite"
    shutil.copy(kept.home / "region.sqlite", file)
    shutil.copy(kept.home / "region.sqlite-wal", file.with_name("copy.sqlite-wal"))
    with closing(Store(Sqlite(file))) as here, closing(Store(databases.empty(tmp_path / "records"))) as there:
        move_records(kept.home / "region.sqlite", there)
        for each in (here, there):
            each.migrate()
        for table in schema.metadata.sorted_tables:
            assert rows(here, table) == rows(there, table), table.name


def rows(records: Store, table: sa.Table) -> list[tuple[object, ...]]:
    """All of a table, without what is made at random."""
    columns = [column for column in table.columns if not {column.name, str(column)} & set(RANDOM)]
    with records.read() as connection:
        return sorted((tuple(row) for row in connection.execute(sa.select(*columns))), key=repr)


def move_records(file: Path, to: Store) -> None:
    """Give an empty database the schema of the file, and its rows."""
    to.migrate(REVISION)
    tables = sa.MetaData()
    with to.engine.begin() as connection, closing(sqlite3.connect(file)) as records:
        tables.reflect(connection)
        connection.exec_driver_sql("SET session_replication_role = replica")  # no trigger, no order of tables
        for table in tables.sorted_tables:
            found = records.execute(f"SELECT {', '.join(table.columns.keys())} FROM {table.name}")  # noqa: S608
            connection.execute(table.delete())
            for row in found:
                values = zip(table.columns, row, strict=True)
                connection.execute(
                    table.insert().values({column: _as(column, value) for column, value in values})
                )
            for column in table.primary_key:
                _go_on_after(connection, table, column)
        connection.exec_driver_sql("SET session_replication_role = DEFAULT")


def _as(column: sa.Column[Any], value: Any) -> Any:
    """SQLite has no booleans, and JSON as text."""
    if isinstance(column.type, sa.Boolean):
        return None if value is None else bool(value)
    if isinstance(column.type, sa.JSON):
        return None if value is None else json.loads(value)
    return value


def _go_on_after(connection: sa.Connection, table: sa.Table, column: sa.Column[Any]) -> None:
    """The database's numbers continue after the existing ones."""
    sequence = connection.scalar(sa.select(sa.func.pg_get_serial_sequence(table.name, column.name)))
    if sequence is not None:
        last = connection.scalar(sa.select(sa.func.max(column)))
        connection.execute(sa.select(sa.func.setval(sequence, last or 1)))


def assert_ended(kept: Kept, served: Served) -> None:
    """Wait for the end of all work, and read its results."""

    def read(action: str) -> list[dict[str, Any]]:
        answer = served.call(kept.account, action)
        found: list[dict[str, Any]] = answer[next(key for key in answer if key != "ResponseContext")]
        return found

    def states(action: str, key: str) -> dict[str, str]:
        return {each[key]: each["State"] for each in read(action)}

    eventually(
        lambda: (
            set(states("ReadImageExportTasks", "TaskId").values()) == {"completed"}
            and set(states("ReadSnapshotExportTasks", "TaskId").values()) == {"completed"}
            and set(states("ReadImages", "ImageId").values()) == {"available"}
            and set(states("ReadSnapshots", "SnapshotId").values()) == {"completed"}
            and set(states("ReadVolumes", "VolumeId").values()) == {"available", "in-use"}
            and set(states("ReadVms", "VmId").values()) == {"running", "stopped", "terminated"}
        ),
        END_SECONDS,
    )
    ids = kept.ids
    images = {each["ImageName"] for each in read("ReadImages")}
    assert images == {"system", "of a VM at rest", "of a running VM", "a copy"}
    vms = states("ReadVms", "VmId")
    ended = {"alive": "running", "at rest": "running", "stopping": "stopped", "deleted VM": "terminated"}
    assert {name: vms[ids[name]] for name in ended} == ended
    assert len(vms) == len(ended) + 1
    volumes = {each["VolumeId"]: each for each in read("ReadVolumes")}
    assert volumes[ids["linked"]]["LinkedVolumes"][0]["VmId"] == ids["alive"]
    assert volumes[ids["grown"]]["Size"] == 2
    assert ids["deleted"] not in volumes
    assert ids["deleted snapshot"] not in states("ReadSnapshots", "SnapshotId")
