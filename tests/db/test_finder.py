"""Whichever statement a `Finder` chooses, it finds what plain Python finds."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from souche.db import finder as finders
from souche.db import query as engine
from souche.db.finder import MOST_PARAMETERS, PARAMETERS_KEPT, Finder
from souche.db.store import Store
from souche.model.query import Condition, Position, Query, Value
from tests.db.test_query import (
    BY_LINKS,
    FIELDS,
    LINKS,
    ORDER,
    PARTS,
    THINGS,
    links,
    matches_by_definition,
    metadata,
    parts,
    things,
)
from tests.support import databases

BIGGEST = sa.bindparam("biggest", 0, sa.Integer)
WHO = sa.bindparam("who", "", sa.String)
SCOPES: list[engine.Scope] = [
    things.c.size <= BIGGEST,
    things.c.blue,
    engine.GrantScope(BY_LINKS, links.c.who == WHO, things.c.red),
]
SELECT = sa.select(things.c.thing_id)
PAGE_ROWS = engine.page_rows(ORDER, things.c.size, things.c.blue)

VALUES: dict[str, st.SearchStrategy[Value]] = {
    "thing_id": st.sampled_from(["t-1", "t-2", "t-3", "t-4", "absent"]),
    "name": st.sampled_from(["ubuntu", "Ubuntu-22.04", "Ubuntu-*", "*[o]*", "absent", "\0"]),
    "size": st.sampled_from([1, 2, 3, 4, 5, 2**70]),
    "red": st.booleans(),
    "colours": st.sampled_from(["red", "blue", "green"]),
    "part": st.sampled_from(["a", "b", "c", "absent"]),
    "common_part": st.sampled_from(["a", "b", "c", "absent"]),
}


def conditions(field: str) -> st.SearchStrategy[Condition]:
    values = st.lists(VALUES[field], max_size=3)
    return st.builds(Condition, st.just(field), values, wildcard=st.just(field == "name"))


@pytest.fixture(scope="module")
def store(on_both: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path: Path = tmp_path_factory.mktemp("finder") / "things.db"
    store = Store(databases.kind().empty(path))
    with store.begin() as connection:
        metadata.create_all(connection)
        connection.execute(things.insert(), THINGS)
        connection.execute(links.insert(), LINKS)
        connection.execute(parts.insert(), [{"thing_id": one, "part": part} for one, part in PARTS])
    yield store
    store.close()


def found(store: Store, finder: Finder, query: Query, biggest: int) -> tuple[list[str], bool]:
    with store.reader() as reader:
        rows, more = finder.find(reader, query, biggest=biggest, who="bob")
    return [row.thing_id for row in rows], more


def found_page(store: Store, finder: Finder, query: Query, biggest: int) -> tuple[list[str], bool]:
    with store.reader() as reader:
        rows, more = finder.find_page(reader, query, biggest=biggest, who="bob")
    by_id = {thing["thing_id"]: thing for thing in THINGS}
    for row in rows:
        thing = by_id[row.resource_id]
        assert (row.version, bool(row.is_own)) == (thing["size"], thing["blue"])
        assert datetime.fromisoformat(row.creation_date) == thing["creation_date"]
    return [row.resource_id for row in rows], more


def expected(query: Query, biggest: int) -> tuple[list[str], bool]:
    found = [
        thing
        for thing in sorted(THINGS, key=_place)
        if _is_in_scope(thing, biggest)
        and (query.after is None or _place(thing) > (query.after.creation_date, query.after.resource_id))
        and all(_holds(condition, thing) for condition in query.conditions)
    ]
    ids = [str(thing["thing_id"]) for thing in found]
    return ids[: query.limit], query.limit is not None and len(ids) > query.limit


def _place(thing: dict[str, Any]) -> tuple[datetime, str]:
    return thing["creation_date"], thing["thing_id"]


def _is_in_scope(thing: dict[str, Any], biggest: int) -> bool:
    bobs = [each["thing_id"] for each in LINKS if each["who"] == "bob"]
    return thing["size"] <= biggest or thing["blue"] or (thing["thing_id"] in bobs and thing["red"])


def _holds(condition: Condition, thing: dict[str, Any]) -> bool:
    match condition.field:
        case "colours":
            has = [colour for colour in ("red", "blue") if thing[colour]]
        case "part" | "common_part":
            has = [part for thing_id, part in PARTS if thing_id == thing["thing_id"]]
        case field:
            has = [thing[field]]
    return any(_equals(value, wanted, condition) for value in has for wanted in condition.values)


def _equals(value: object, wanted: Value, condition: Condition) -> bool:
    if condition.wildcard:
        return matches_by_definition(str(value), str(wanted))
    return value == wanted


FINDERS = {rare_rows: Finder(SELECT, FIELDS, ORDER, SCOPES, rare_rows) for rare_rows in (0, 2, 100)}
PAGE_FINDERS = {rare_rows: Finder(PAGE_ROWS, FIELDS, ORDER, SCOPES, rare_rows) for rare_rows in (0, 2, 100)}


@settings(deadline=None, max_examples=300)
@given(
    given_conditions=st.lists(st.sampled_from(sorted(VALUES)).flatmap(conditions), max_size=3),
    limit=st.one_of(st.none(), st.integers(1, 4)),
    start=st.one_of(st.none(), st.sampled_from(THINGS)),
    biggest=st.integers(0, 5),
    rare_rows=st.sampled_from(sorted(FINDERS)),
)
def test_it_finds_the_same_whatever_it_counts(
    store: Store,
    given_conditions: list[Condition],
    limit: int | None,
    start: dict[str, object] | None,
    biggest: int,
    rare_rows: int,
) -> None:
    after = None if start is None else Position(start["creation_date"], start["thing_id"])  # type: ignore[arg-type]
    query = Query(tuple(given_conditions), limit, after)
    assert found(store, FINDERS[rare_rows], query, biggest) == expected(query, biggest)
    assert found_page(store, PAGE_FINDERS[rare_rows], query, biggest) == expected(query, biggest)


def test_an_unknown_field_is_a_programming_error(store: Store) -> None:
    with pytest.raises(KeyError):
        found(store, FINDERS[100], Query((Condition("weight", [1]),)), 1)


def test_long_statements_do_not_stay_beside_one_another(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """256 statements of 1,024 parameters took 98 MB."""
    made: list[int] = []

    def counted(*arguments: Any, **named: Any) -> Any:
        made.append(len(arguments[2].conditions[0].values))
        return engine.compiled(*arguments, **named)

    monkeypatch.setattr(finders, "compiled", counted)
    finder = Finder(SELECT, FIELDS, ORDER, SCOPES)
    lengths = [*range(MOST_PARAMETERS, 0, -32)]
    first = lengths[:16]
    assert sum(first) < PARAMETERS_KEPT < sum(lengths)

    def compiled_for(lengths: list[int]) -> list[int]:
        made.clear()
        for length in lengths:
            values = [f"t-{number}" for number in range(length)]
            found(store, finder, Query((Condition("thing_id", values),)), 5)
        return [*made]

    assert compiled_for(first) == first
    assert compiled_for(first) == []
    assert compiled_for(lengths[16:]) == lengths[16:]
    assert compiled_for(first[:1]) == first[:1]
