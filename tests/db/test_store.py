"""Connections: a reader goes past the writers, however many there are."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from souche.db.engines.sqlite import CONNECTIONS_KEPT
from souche.db.store import Prepared, Store
from souche.errors import OutOfTime
from tests.support import databases

things = sa.Table("things", sa.MetaData(), sa.Column("thing", sa.String), sa.Column("blue", sa.Boolean))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(databases.kind().empty(tmp_path / "region.db"))
    with store.begin() as connection:
        things.create(connection)
        connection.execute(things.insert(), [{"thing": "one", "blue": True}, {"thing": "two", "blue": False}])
    yield store
    store.close()


def read(store: Store, statement: sa.Select[tuple[str]], **parameters: object) -> list[str]:
    with store.reader() as reader:
        return [thing for (thing,) in reader.rows(Prepared(statement), parameters)]


def test_a_reader_waits_for_no_connection(store: Store) -> None:
    with ExitStack() as held:
        for _ in range(CONNECTIONS_KEPT * 4):
            held.enter_context(store.read())
        assert read(store, sa.select(things.c.thing)) == ["one", "two"]


def test_a_reader_waits_for_no_writer_and_sees_nothing_uncommitted(store: Store) -> None:
    with store.begin() as connection:
        connection.execute(things.delete())
        assert read(store, sa.select(things.c.thing)) == ["one", "two"]
    assert read(store, sa.select(things.c.thing)) == []


def test_the_space_of_the_records_grows_with_them(store: Store) -> None:
    def size() -> int:
        with store.read() as connection:
            return store.database.size_bytes(connection)

    before = size()
    with store.begin() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE other (thing integer)")
        assert store.database.size_bytes(connection) > 0
    with store.begin() as connection:
        connection.execute(things.insert(), [{"thing": "x" * 1000, "blue": True}] * 1000)
    assert size() > before + 500_000


def test_a_prepared_statement_takes_its_values_with_each_call(store: Store) -> None:
    wanted = sa.select(things.c.thing).where(things.c.thing == sa.bindparam("wanted", type_=sa.String))
    statement = Prepared(wanted)
    with store.reader() as reader:
        found = [reader.rows(statement, {"wanted": each}) for each in ("two", "one", "absent")]
    assert found == [[("two",)], [("one",)], []]


def test_a_list_of_values_has_the_length_that_the_statement_was_made_with(store: Store) -> None:
    some = things.c.thing.in_(sa.bindparam("some", ["", ""], sa.String, expanding=True))
    statement = sa.select(things.c.thing).where(some)
    assert read(store, statement, some_1="two", some_2="absent") == ["two"]


def test_values_are_converted_as_their_type_wants(store: Store) -> None:
    statement = sa.select(things.c.thing).where(things.c.blue == sa.bindparam("blue", type_=sa.Boolean))
    assert read(store, statement, blue=True) == ["one"]


def test_all_statements_of_a_reader_see_the_same_state(store: Store) -> None:
    statement = Prepared(sa.select(things.c.thing))
    with store.reader() as reader:
        assert reader.rows(statement, {}) == [("one",), ("two",)]
        with store.begin() as connection:
            connection.execute(things.delete())
        assert reader.rows(statement, {}) == [("one",), ("two",)]
    assert read(store, sa.select(things.c.thing)) == []


def test_what_takes_too_long_is_broken_off(store: Store) -> None:
    numbers = sa.select(sa.literal(1).label("number")).cte("numbers", recursive=True)
    numbers = numbers.union_all(sa.select(numbers.c.number + 1))  # without an end
    with pytest.raises(OutOfTime), store.reader(0.01) as reader:
        reader.rows(Prepared(sa.select(sa.func.count()).select_from(numbers)), {})


def test_a_read_of_sqlalchemy_is_broken_off_too(store: Store) -> None:
    numbers = sa.select(sa.literal(1).label("number")).cte("numbers", recursive=True)
    numbers = numbers.union_all(sa.select(numbers.c.number + 1))  # without an end
    with pytest.raises(OutOfTime), store.read(0.01) as connection:
        connection.scalar(sa.select(sa.func.count()).select_from(numbers))


def test_the_next_reader_has_all_the_time_that_it_takes(store: Store) -> None:
    many = [{"thing": str(number), "blue": False} for number in range(20_000)]
    with store.begin() as connection:
        connection.execute(things.insert(), many)
    everything = Prepared(sa.select(things.c.thing).order_by(things.c.thing))
    with pytest.raises(OutOfTime), store.reader(0) as reader:
        reader.rows(everything, {})
    for most_seconds in (None, 60):
        with store.reader(most_seconds) as reader:
            assert len(reader.rows(everything, {})) == 20_002
