"""A process notices that another release has upgraded the schema."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from souche.db import schema_watch
from souche.db.store import Store
from tests.support.databases import kind


class Ended(Exception):
    """Stands for the end of the process."""


def end() -> None:
    raise Ended


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(kind().empty(tmp_path / "records"))
    store.migrate()
    yield store
    store.close()


def test_an_upgrade_is_noticed_before_a_write_and_by_a_look(store: Store) -> None:
    schema_watch.check_writes(store, end)
    schema_watch.check(store, end)
    upgrade = sa.text("UPDATE alembic_version SET version_num = '9999'")
    with store.begin() as connection:
        connection.execute(upgrade)
    with pytest.raises(Ended), store.begin():
        pytest.fail("the transaction began")
    with pytest.raises(Ended):
        schema_watch.check(store, end)
