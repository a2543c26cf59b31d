"""Queries on a real database, against what plain Python says."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from souche.db import query as engine
from souche.db.engines import postgresql_elements
from souche.db.finder import Finder
from souche.db.schema import UtcDate
from souche.db.store import Store
from souche.model.query import Condition, Position, Query, Value
from tests.support import databases

metadata = sa.MetaData()
things = sa.Table(
    "things",
    metadata,
    sa.Column("thing_id", sa.String, primary_key=True),
    sa.Column("name", sa.String, index=True),
    sa.Column("size", sa.Integer),
    sa.Column("red", sa.Boolean),
    sa.Column("blue", sa.Boolean),
    sa.Column("creation_date", UtcDate),
    sa.Index("ix_order", "creation_date", "thing_id"),
)
parts = sa.Table(
    "parts",
    metadata,
    sa.Column("thing_id", sa.String, primary_key=True),
    sa.Column("part", sa.String, primary_key=True, index=True),
)
links = sa.Table(
    "links",
    metadata,
    sa.Column("thing_id", sa.String, primary_key=True),
    sa.Column("who", sa.String, primary_key=True),
    sa.Column("creation_date", UtcDate),
    sa.Index("ix_links", "who", "creation_date", "thing_id"),
)
FIELDS: engine.Fields = {
    "thing_id": things.c.thing_id,
    "name": things.c.name,
    "size": things.c.size,
    "red": things.c.red,
    "colours": engine.BooleanColumns({"red": things.c.red, "blue": things.c.blue}),
    "creation_date": things.c.creation_date,
    "part": engine.Child(parts, parts.c.part, parts.c.thing_id, things.c.thing_id),
    "common_part": engine.Child(parts, parts.c.part, parts.c.thing_id, things.c.thing_id, common=True),
}
ORDER = engine.Order(things.c.creation_date, things.c.thing_id)
FINDER = Finder(sa.select(things), FIELDS, ORDER)
DAY = datetime(2026, 11, 24, tzinfo=UTC)

Find = Callable[..., list[str]]


def thing(thing_id: str, name: str, size: int, colours: str, days: int) -> dict[str, object]:
    dated = DAY + timedelta(days=days, milliseconds=1)
    flags = {"red": "r" in colours, "blue": "b" in colours}
    return {"thing_id": thing_id, "name": name, "size": size, "creation_date": dated, **flags}


THINGS = [
    thing("t-1", "Ubuntu-22.04", 1, "r", 2),
    thing("t-2", "Ubuntu-24.04", 2, "rb", 1),
    thing("t-3", "ubuntu", 3, "b", 1),
    thing("t-4", "100% [o]_k?\\", 4, "", 0),
]
LINKS = [
    {"thing_id": each["thing_id"], "who": who, "creation_date": each["creation_date"]}
    for each, who in zip(THINGS, ("alice", "bob", "alice", "bob"), strict=True)
]
PARTS = [("t-1", "a"), ("t-1", "b"), ("t-2", "b"), ("t-4", "c")]


@pytest.fixture(scope="module")
def connection(on_both: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Connection]:
    path: Path = tmp_path_factory.mktemp("query") / "things.db"
    store = Store(databases.kind().empty(path))
    with store.begin() as connection:
        metadata.create_all(connection)
        connection.execute(things.insert(), THINGS)
        connection.execute(links.insert(), LINKS)
        connection.execute(parts.insert(), [{"thing_id": one, "part": part} for one, part in PARTS])
    with store.read() as connection:
        yield connection
    store.close()


@pytest.fixture(scope="module")
def find(connection: sa.Connection) -> Find:
    def found(*conditions: Condition) -> list[str]:
        rows, _ = FINDER.find(connection, Query(conditions))
        return [row.thing_id for row in rows]

    return found


def test_all_in_order_of_date_then_id(find: Find) -> None:
    assert find() == ["t-4", "t-2", "t-3", "t-1"]


@pytest.mark.parametrize(
    ("field", "values", "expected"),
    [
        ("name", ["ubuntu"], ["t-3"]),
        ("name", ["Ubuntu*"], []),
        ("name", ["ubuntu", "Ubuntu-22.04", "absent"], ["t-3", "t-1"]),
        ("size", [2, 2**70], ["t-2"]),
        ("size", [2**70, -(2**70)], []),
        ("red", [True], ["t-2", "t-1"]),
        ("red", [False, True], ["t-4", "t-2", "t-3", "t-1"]),
        ("colours", ["blue"], ["t-2", "t-3"]),
        ("colours", ["blue", "red"], ["t-2", "t-3", "t-1"]),
        ("colours", ["green"], []),
        ("creation_date", [DAY + timedelta(days=1, milliseconds=1)], ["t-2", "t-3"]),
        ("part", ["b"], ["t-2", "t-1"]),
        ("part", ["a", "c"], ["t-4", "t-1"]),
        ("part", ["absent"], []),
        ("common_part", ["b"], ["t-2", "t-1"]),
        ("common_part", ["absent"], []),
        ("name", [], []),
        ("unheard of", [], []),
        ("name", ["\0", "\ud800"], []),
    ],
)
def test_values_are_alternatives(find: Find, field: str, values: list[Value], expected: list[str]) -> None:
    assert find(Condition(field, values)) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("Ubuntu*", ["t-2", "t-1"]),
        ("*24*", ["t-2"]),
        ("*buntu*", ["t-2", "t-3", "t-1"]),
        ("U*04", ["t-2", "t-1"]),
        ("*", ["t-4", "t-2", "t-3", "t-1"]),
        ("*%*", ["t-4"]),
        ("*_k*", ["t-4"]),
        ("*[o]*", ["t-4"]),
        ("*k?*", ["t-4"]),
        ("*?*", ["t-4"]),
        ("*\\", ["t-4"]),
        ("*[a-z]*", []),
        ("ubuntu", ["t-3"]),
    ],
)
def test_only_the_star_is_special_and_case_counts(find: Find, pattern: str, expected: list[str]) -> None:
    assert find(Condition("name", [pattern], wildcard=True)) == expected


def test_patterns_and_plain_values_are_alternatives(find: Find) -> None:
    assert find(Condition("name", ["*22*", "ubuntu", "*%*"], wildcard=True)) == ["t-4", "t-3", "t-1"]


def test_a_pattern_on_a_date_picks_a_day(find: Find) -> None:
    assert find(Condition("creation_date", ["2026-11-25*"], wildcard=True)) == ["t-2", "t-3"]


def test_bounds_include_their_date(find: Find) -> None:
    middle = DAY + timedelta(days=1, milliseconds=1)
    assert find(Condition("creation_date", [middle], at_least=True)) == ["t-2", "t-3", "t-1"]
    assert find(Condition("creation_date", [middle], at_most=True)) == ["t-4", "t-2", "t-3"]


def test_conditions_all_hold(find: Find) -> None:
    conditions = (Condition("part", ["b"]), Condition("red", [True]), Condition("size", [1, 3]))
    assert find(*conditions) == ["t-1"]


def test_an_unknown_field_is_a_programming_error(find: Find) -> None:
    with pytest.raises(KeyError):
        find(Condition("unheard of", ["x"]))


def test_thousands_of_values_are_one_statement(find: Find) -> None:
    assert find(Condition("thing_id", [f"t-{number}" for number in range(10_000)])) == find()


def test_rows_have_columns_by_name_and_values_of_their_types(connection: sa.Connection) -> None:
    rows, _ = FINDER.find(connection, Query((Condition("thing_id", ["t-1"]),)))
    assert [row._asdict() for row in rows] == [THINGS[0]]
    assert rows[0].red is True


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_pages_join_to_the_whole(connection: sa.Connection, limit: int) -> None:
    seen: list[str] = []
    after: Position | None = None
    more = True
    while more:
        rows, more = FINDER.find(connection, Query((), limit, after))
        assert len(rows) <= limit
        seen += [row.thing_id for row in rows]
        after = Position(rows[-1].creation_date, rows[-1].thing_id)
    assert seen == ["t-4", "t-2", "t-3", "t-1"]


BY_LINKS = engine.Order(links.c.creation_date, links.c.thing_id)
SCOPES = [things.c.red, things.c.size > 2, things.c.thing_id.in_(["t-1"])]
LINKED: list[engine.Scope] = [
    *SCOPES[:2],
    engine.GrantScope(BY_LINKS, links.c.who == "alice", things.c.size < 3),
]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ((), ["t-4", "t-2", "t-3", "t-1"]),
        ((Condition("size", [1, 2]),), ["t-2", "t-1"]),
        ((Condition("common_part", ["b", "c"]),), ["t-4", "t-2", "t-1"]),
        ((Condition("thing_id", ["t-2", "t-3"]),), ["t-2", "t-3"]),
        ((Condition("part", ["a"]), Condition("red", [True])), ["t-1"]),
        ((Condition("name", []),), []),
    ],
)
@pytest.mark.parametrize("limit", [1, 10, None])
@pytest.mark.parametrize("scopes", [SCOPES, LINKED])
def test_scopes_are_alternatives_and_no_row_comes_twice(
    connection: sa.Connection,
    conditions: tuple[Condition, ...],
    expected: list[str],
    limit: int | None,
    scopes: Sequence[engine.Scope],
) -> None:
    query = Query(conditions, limit)
    rows, more = Finder(sa.select(things), FIELDS, ORDER, scopes).find(connection, query)
    assert [row.thing_id for row in rows] == expected[:limit]
    assert more == (limit is not None and len(expected) > limit)


def test_what_is_in_no_scope_is_not_found(connection: sa.Connection) -> None:
    finder = Finder(sa.select(things), FIELDS, ORDER, [things.c.size == 1])
    for condition in (Condition("size", [2]), Condition("thing_id", ["t-2"])):
        rows, _ = finder.find(connection, Query((condition,)))
        assert rows == []


@pytest.mark.parametrize("scopes", [SCOPES, LINKED])
def test_pages_of_scopes_join_to_the_whole(connection: sa.Connection, scopes: Sequence[engine.Scope]) -> None:
    finder = Finder(sa.select(things), FIELDS, ORDER, scopes)
    first, more = finder.find(connection, Query((), 3))
    after = Position(first[-1].creation_date, first[-1].thing_id)
    last, none = finder.find(connection, Query((), 3, after))
    assert [row.thing_id for row in [*first, *last]] == ["t-4", "t-2", "t-3", "t-1"]
    assert (more, none) == (True, False)


def test_postgresql_gets_like_with_its_specials_escaped() -> None:
    condition = Condition("name", ["50%_\\*"], wildcard=True)
    (criterion,) = engine.criteria(FIELDS, [condition], [None])
    dialect = sa.make_url(f"{postgresql_elements.NAME}+psycopg://").get_dialect()()
    compiled = criterion.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    assert str(compiled) == r"things.name LIKE '50\%%\_\\%%' ESCAPE '\'"


@settings(deadline=None)
@given(text=st.text("aA*%_?[]\\^-", max_size=6), pattern=st.text("aA*%_?[]\\^-", max_size=6))
def test_glob_agrees_with_its_definition(text: str, pattern: str) -> None:
    assert matches_in_sqlite(text, pattern) == matches_by_definition(text, pattern)


def matches_by_definition(text: str, pattern: str) -> bool:
    head, star, rest = pattern.partition("*")
    if not star:
        return text == pattern
    return text.startswith(head) and any(
        matches_by_definition(text[start:], rest) for start in range(len(head), len(text) + 1)
    )


MEMORY = sa.create_engine("sqlite://").connect()


def matches_in_sqlite(text: str, pattern: str) -> bool:
    fields: engine.Fields = {"text": sa.literal(text)}
    (criterion,) = engine.criteria(fields, [Condition("text", [pattern], wildcard=True)], [None])
    return bool(MEMORY.scalar(sa.select(criterion)))
