"""The migrations lead to the very schema that the code works with."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from souche.db.schema import metadata
from souche.db.store import Store, sqlite_engine

COMPARED = {"compare_type": True, "compare_server_default": True}


def test_the_migrated_schema_equals_the_metadata(tmp_path: Path) -> None:
    store = Store(sqlite_engine(tmp_path / "region.db"))
    store.migrate()
    with store.read() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts=COMPARED), metadata)
    store.close()
    assert differences == []


def test_to_migrate_again_is_harmless(tmp_path: Path) -> None:
    store = Store(sqlite_engine(tmp_path / "region.db"))
    store.migrate()
    store.migrate()
    store.close()
