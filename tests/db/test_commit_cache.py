"""A `CommitCache` gives what was read while nothing was committed."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from souche.cache import CommitCache
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


def keep(cache: CommitCache, key: str, value: object, size: int = 1) -> None:
    cache.put(key, value, cache.mark(), size)


def test_kept_until_a_commit(store: Store) -> None:
    keep(store.cache, "key", "value")
    assert store.cache.get("key") == "value"
    write(store)
    assert store.cache.get("key") is None


OTHER_PROCESS = """
import sys, sqlalchemy
with sqlalchemy.create_engine(sys.argv[1]).begin() as connection:
    connection.exec_driver_sql("INSERT INTO facts VALUES ('new')")
"""


def test_a_commit_of_another_process_counts(store: Store) -> None:
    keep(store.cache, "key", "value")
    url = store.engine.url.render_as_string(hide_password=False)
    subprocess.run([sys.executable, "-c", OTHER_PROCESS, url], check=True)
    assert store.cache.get("key") is None


def test_what_was_read_before_a_commit_is_not_kept_after_it(store: Store) -> None:
    mark = store.cache.mark()
    write(store)
    store.cache.put("key", "old", mark, 1)
    assert store.cache.get("key") is None


def test_read_once(store: Store) -> None:
    answers = iter(["first", "second"])
    assert [store.cache.get_or_read("key", 1, lambda: next(answers)) for _ in range(2)] == ["first", "first"]
    write(store)
    assert store.cache.get_or_read("key", 1, lambda: next(answers)) == "second"


def test_a_reading_that_a_commit_overtakes_is_not_kept(store: Store) -> None:
    def read() -> str:
        write(store)
        return "old"

    assert store.cache.get_or_read("key", 1, read) == "old"
    assert store.cache.get("key") is None


def test_it_takes_no_more_than_it_may(store: Store) -> None:
    cache = CommitCache(store.change_mark, most_bytes=10)
    keep(cache, "a", "a", size=6)
    keep(cache, "b", "b", size=6)
    keep(cache, "c", "c", size=11)
    assert [cache.get(key) for key in "abc"] == [None, "b", None]


def test_a_store_that_is_opened_again_has_other_marks(store: Store) -> None:
    """SQLite counts the commits that a connection has seen: another connection may count as many."""
    keep(store.cache, "key", "value")
    store.close()
    assert store.cache.get("key") is None


def test_a_thread_that_keeps_one_mark_asks_once_until_it_writes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    ask = store.database.change_mark

    def counted() -> object:
        asked.append(None)
        return ask()

    monkeypatch.setattr(store.database, "change_mark", counted)
    keep(store.cache, "key", "old")
    asked.clear()

    def work() -> None:
        assert [store.cache.get("key") for _ in range(3)] == ["old"] * 3
        assert len(asked) == 1
        with ThreadPoolExecutor(1) as another:
            another.submit(write, store).result()
        assert store.cache.get("key") == "old"  # new enough: it was so when the thread first asked
        write(store)
        assert store.cache.get("key") is None
        keep(store.cache, "key", "new")

    store.with_mark(None, work)
    assert store.cache.get("key") == "new"
    write(store)
    assert store.cache.get("key") is None
