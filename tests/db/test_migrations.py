"""The migrations lead to the very schema that the code works with."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from souche.db import operations, revisions
from souche.db.schema import metadata
from souche.db.store import Store
from souche.operations.images import CreateImage
from tests.support import databases

COMPARED = {"compare_type": True, "compare_server_default": True}


def test_the_migrated_schema_equals_the_metadata(tmp_path: Path) -> None:
    store = Store(databases.kind().empty(tmp_path / "region.db"))
    store.migrate()
    with store.read() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts=COMPARED), metadata)
    store.close()
    assert differences == [], "db/tables and db/migrations differ: add a migration, or mend the newest one"


def test_to_migrate_again_is_harmless(tmp_path: Path) -> None:
    store = Store(databases.kind().empty(tmp_path / "region.db"))
    store.migrate()
    store.migrate()
    store.close()


def test_grants_get_the_dates_of_their_images(tmp_path: Path) -> None:
    store = Store(databases.kind().empty(tmp_path / "region.db"))
    store.migrate("0006")
    date = "2026-11-24T10:00:00.000Z"
    grant = {"image_id": "ami-12345678", "account_id": "2"}
    account = {"account_id": "1", "name": "alice", "creation_date": date}
    image = {**_row(store, "images"), "image_id": "ami-12345678", "creation_date": date}
    with store.engine.begin() as connection:
        for table, row in (("accounts", account), ("images", image), ("image_grants", grant)):
            columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in row]
            connection.execute(sa.table(table, *columns).insert(), row)
    store.migrate()
    with store.read() as connection:
        granted = connection.execute(sa.text("SELECT * FROM image_grants")).all()
    store.close()
    assert granted == [("ami-12345678", "2", date)]


class Killed(Exception):
    """The process ends here."""


def test_migrations_that_are_broken_off_leave_the_database_as_it_was(tmp_path: Path) -> None:
    store = Store(databases.kind().empty(tmp_path / "region.db"))
    left = 60

    @sa.event.listens_for(store.engine, "before_cursor_execute")
    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    with pytest.raises(Killed):
        store.migrate()
    assert objects(store) == set()
    store.migrate()
    assert "region" in objects(store)
    store.close()


def objects(store: Store) -> set[str]:
    """The names of all tables."""
    with store.read() as connection:
        return set(sa.inspect(connection).get_table_names())


def test_operations_that_are_outstanding_keep_their_order(tmp_path: Path) -> None:
    """By a former version: what they lock is worked out from what they are about."""
    store = Store(databases.kind().empty(tmp_path / "region.db"))
    store.migrate("0010")
    requested = [
        ("create_image:ami-1", "create_image", "ami-1", '{"vm_id": "i-1", "restart": true}', "01.000Z"),
        ("delete_vm:i-1:2", "delete_vm", "i-1", "{}", "02.000Z"),
        ("create_snapshot:snap-1", "create_snapshot", "snap-1", '{"volume_id": "vol-1"}', "03.000Z"),
        ("delete_volume:vol-1", "delete_volume", "vol-1", "{}", "04.000Z"),
    ]
    names = ("operation_id", "workflow", "subject_id", "arguments", "creation_date")
    columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
    former = sa.table("operations", *columns)
    with store.engine.begin() as connection:
        for row in reversed(requested):
            values = dict(zip(names, (*row[:4], f"2026-11-24T10:00:{row[4]}"), strict=True))
            connection.execute(former.insert(), values)
    store.migrate()
    with store.read() as connection:
        found = operations.outstanding(connection)
        waiting = [operations.is_next(connection, each.operation_id) for each in found]
    store.close()
    assert [each.operation_id for each in found] == [row[0] for row in requested]
    assert found[0].params == CreateImage("i-1", restart=True)
    assert waiting == [True, False, True, False]


def test_the_names_of_files_are_the_revisions_in_their_order() -> None:
    """They are read without Alembic."""
    walked = ScriptDirectory(str(revisions.MIGRATIONS)).walk_revisions()
    assert revisions.known() == tuple(script.revision for script in walked)


def test_an_image_whose_snapshot_has_no_record_is_failed(tmp_path: Path) -> None:
    store = Store(databases.kind().empty(tmp_path / "region.db"))
    store.migrate("0026")
    date = "2026-11-24T10:00:00.000Z"
    rows: list[tuple[str, dict[str, object]]] = [
        ("accounts", {"account_id": "1", "name": "alice", "creation_date": date}),
        ("snapshots", {**_row(store, "snapshots"), "snapshot_id": "snap-1", "creation_date": date}),
    ]
    for image_id, snapshot_id in (("ami-1", "snap-1"), ("ami-2", "snap-2")):
        image = {**_row(store, "images"), "image_id": image_id, "name": image_id, "creation_date": date}
        mapping = {**_row(store, "image_mappings"), "image_id": image_id, "snapshot_id": snapshot_id}
        rows += [("images", image), ("image_mappings", mapping)]
    with store.engine.begin() as connection:
        for table, row in rows:
            columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in row]
            connection.execute(sa.table(table, *columns).insert(), row)
    store.migrate()
    with store.read() as connection:
        query = sa.text("SELECT image_id, state, state_message FROM images ORDER BY image_id")
        found = connection.execute(query).all()
        mapped = connection.scalars(sa.text("SELECT snapshot_id FROM image_mappings")).all()
    delete = sa.text("DELETE FROM snapshots")
    with pytest.raises(sa.exc.IntegrityError), store.begin() as connection:
        connection.execute(delete)
    store.close()
    message = "snap-2 had no record when the region was upgraded"
    assert found == [("ami-1", "x", None), ("ami-2", "failed", message)]
    assert mapped == ["snap-1"]


def _row(store: Store, table: str) -> dict[str, object]:
    """A row for the store's present schema, with a value in each column that needs one; of the account "1"."""
    values: dict[type, object] = {sa.Boolean: True, sa.Integer: 1, sa.Float: 1.0, sa.JSON: "[]"}
    with store.read() as connection:
        columns = sa.inspect(connection).get_columns(table)
    row = {
        column["name"]: next((v for kind, v in values.items() if isinstance(column["type"], kind)), "x")
        for column in columns
        if not column["nullable"] and column["default"] is None
    }
    return row | ({"account_id": "1"} if "account_id" in row else {})
