"""What was read is told again only while nothing was committed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from souche.db.memo import Memo
from souche.db.store import Store
from tests.support import databases


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(databases.kind().empty(tmp_path / "region.db"))
    with store.begin() as connection:
        connection.execute(sa.text("CREATE TABLE facts (fact TEXT)"))
    yield store
    store.close()


def write(store: Store) -> None:
    with store.begin() as connection:
        connection.execute(sa.text("INSERT INTO facts VALUES ('new')"))


def keep(memo: Memo, key: str, value: object, size: int = 1) -> None:
    memo.put(key, value, memo.version(), size)


def test_kept_until_a_commit(store: Store) -> None:
    keep(store.memo, "key", "value")
    assert store.memo.get("key") == "value"
    write(store)
    assert store.memo.get("key") is None


OTHER_PROCESS = """
import sys, sqlalchemy
with sqlalchemy.create_engine(sys.argv[1]).begin() as connection:
    connection.exec_driver_sql("INSERT INTO facts VALUES ('new')")
"""


def test_a_commit_of_another_process_counts(store: Store) -> None:
    keep(store.memo, "key", "value")
    url = store.engine.url.render_as_string(hide_password=False)
    subprocess.run([sys.executable, "-c", OTHER_PROCESS, url], check=True)
    assert store.memo.get("key") is None


def test_what_was_read_before_a_commit_is_not_kept_after_it(store: Store) -> None:
    version = store.memo.version()
    write(store)
    store.memo.put("key", "old", version, 1)
    assert store.memo.get("key") is None


def test_read_once(store: Store) -> None:
    answers = iter(["first", "second"])
    assert [store.memo.of("key", 1, lambda: next(answers)) for _ in range(2)] == ["first", "first"]
    write(store)
    assert store.memo.of("key", 1, lambda: next(answers)) == "second"


def test_a_reading_that_a_commit_overtakes_is_not_kept(store: Store) -> None:
    def read() -> str:
        write(store)
        return "old"

    assert store.memo.of("key", 1, read) == "old"
    assert store.memo.get("key") is None


def test_it_takes_no_more_than_it_may(store: Store) -> None:
    memo = Memo(store.database.change_mark, most_bytes=10)
    keep(memo, "a", "a", size=6)
    keep(memo, "b", "b", size=6)
    keep(memo, "c", "c", size=11)
    assert [memo.get(key) for key in "abc"] == [None, "b", None]
    memo.close()
