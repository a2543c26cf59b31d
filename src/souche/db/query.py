"""Compiles a `model.query.Query` into SQL, for every noun in the same way. `finder.py` runs the statements.

A noun maps the fields of its conditions to columns, to rows of a child table (`Child`), or to a set of boolean columns
(`BooleanColumns`). A query becomes one statement, whose rows are in the order of pages.

Text is compared with regard to case on every database.
A date is kept as text, so a text value with `*` picks a day or a month (`2026-11-24*`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import sqlalchemy as sa

from souche.db.engines.elements import PLAN_EACH, Matches, Pattern, RowNumber, Unindexed
from souche.model.query import Condition, Query, Value

AnySelect: TypeAlias = sa.Select[*tuple[Any, ...]]
AnyUnion: TypeAlias = sa.CompoundSelect[*tuple[Any, ...]]
AnyColumns: TypeAlias = sa.ColumnCollection[str, sa.ColumnElement[Any]]
Criterion: TypeAlias = sa.ColumnElement[bool]
CALLER: Final = sa.bindparam("caller", "", sa.String)
"""the caller's account"""

Limited = TypeVar("Limited", bound=sa.GenerativeSelect)

LARGEST_INTEGER = 2**63 - 1

# The number of values in a condition is rounded up to one of these steps, so that few statements are compiled. The
# steps are small enough to keep three times the 10,000 values of a request below SQLite's 32,766 parameters.
FEW_VALUES = (1, 2, 4, 8, 16)
VALUES_STEP = 32

# So is the number of rows, which is a constant in the statement: for an unknown LIMIT, PostgreSQL assumes a tenth of
# all rows, and so plans the statement again for each execution. Planning takes three times as long as executing it.
ROW_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class AnyRow(Protocol):
    """A row with its columns by name: SQLAlchemy's, or one of `store.Reader.records`."""

    def __getattr__(self, column: str) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def _asdict(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Child:
    """A field in the rows of a child table: the noun's row matches if any of its children does.

    `key` of the child refers to `parent` of the noun. A rare value is looked up among the children, by the index on
    `column`. For a common one (a device name, a volume type) the noun's rows are read in order, and the children of
    each are checked. `common` says which values are common if there is no index to count by.
    """

    table: sa.FromClause
    column: sa.ColumnElement[Any]
    key: sa.ColumnElement[Any]
    parent: sa.ColumnElement[Any]
    common: bool = False

    def matching(self, criterion: Criterion, *, common: bool) -> Criterion:
        """The condition on the noun's row that some child of it satisfies `criterion`."""
        if common:
            return sa.exists().select_from(self.table).where(self.key == self.parent, criterion)
        return self.parent.in_(sa.select(self.key).select_from(self.table).where(criterion))


@dataclass(frozen=True)
class BooleanColumns:
    """A field with several values at once, each a boolean column of its own (an image's boot modes)."""

    columns: Mapping[Value, sa.ColumnElement[bool]]


Field: TypeAlias = sa.ColumnElement[Any] | Child | BooleanColumns
Fields: TypeAlias = Mapping[str, Field]


@dataclass(frozen=True)
class Order:
    """The keyset of a noun: oldest first, then by id (reference "Pagination")."""

    creation_date: sa.ColumnElement[Any]
    resource_id: sa.ColumnElement[Any]


@dataclass(frozen=True)
class GrantScope:
    """A scope whose rows are named by rows of another table (grants). That table repeats the noun's order, and has an
    index in that order, by which pages are read. `order`: the other table's columns. `which`: the rows of it that
    count. `also`: an additional condition on the noun's row."""

    order: Order
    which: Criterion
    also: Criterion

    def criterion(self, noun: Order) -> Criterion:
        """The scope as a condition on the noun's row alone."""
        return sa.and_(noun.resource_id.in_(sa.select(self.order.resource_id).where(self.which)), self.also)


def page_rows(order: Order, version: sa.ColumnElement[int], is_own: Criterion) -> AnySelect:
    """The columns of `model.query.PageRow`."""
    date = sa.type_coerce(order.creation_date, sa.String)
    return sa.select(
        order.resource_id.label("resource_id"),
        version.label("version"),
        date.label("creation_date"),
        is_own.label("is_own"),
    )


Scope: TypeAlias = Criterion | GrantScope


def sorted_out(condition: Condition) -> tuple[list[str], list[Value]]:
    """A condition's patterns, and its exact values, the last of them repeated up to a rounded number."""
    values = [value for value in condition.values if _storable(value)]
    patterns = _patterns(condition)
    exact = [value for value in values if value not in patterns] if patterns else values
    return patterns, exact + exact[-1:] * (_rounded(len(exact)) - len(exact))


def _patterns(condition: Condition) -> list[str]:
    if not condition.wildcard:
        return []
    return [each for each in condition.values if isinstance(each, str) and "*" in each and _storable(each)]


def _rounded(count: int) -> int:
    return next((few for few in FEW_VALUES if count <= few), -(-count // VALUES_STEP) * VALUES_STEP)


def compiled(
    select: AnySelect,
    fields: Fields,
    query: Query,
    order: Order,
    scopes: Sequence[Scope],
    rare: Sequence[bool | None],
) -> AnySelect:
    """The statement of a query. It reads one row more than the limit or some more, to detect that more remain.

    With `scopes`, only rows in one of them: the caller's own, public ones and so on. `rare`: whether few rows satisfy
    each condition (None: not counted). The rows of a rare condition are looked up and checked. Otherwise each scope is
    read in order along its own index and the results are merged: a page costs the same for any number of visible rows.

    The plan depends on how many rows have the values, except for ids and without conditions.
    """
    wanted = criteria(fields, query.conditions, rare)
    # A condition without values names no field (`filters.NOTHING`).
    if any(each.values and fields[each.field] is not order.resource_id for each in query.conditions):
        select = select.prefix_with(PLAN_EACH)
    if not scopes:
        statement = _limited(select.where(*wanted, *_beyond(order, query)), query)
        return statement.order_by(order.creation_date, order.resource_id)
    keys: sa.SelectBase
    if any(rare):
        seen = sa.or_(*(each.criterion(order) if isinstance(each, GrantScope) else each for each in scopes))
        looked_up = _keys(order).where(*wanted, *_beyond(order, query), Unindexed(seen))
        # PostgreSQL would rather read all rows in order until enough of them are found, which takes seconds.
        found = looked_up.cte("found").prefix_with("MATERIALIZED", dialect="postgresql")
        keys = _limited(sa.select(found.c.creation_date, found.c.resource_id).order_by(*_KEYS), query)
    else:
        keys = _merged(order, wanted, scopes, query)
    page = keys.subquery("page")
    statement = select.join(page, page.c.resource_id == order.resource_id)
    return statement.order_by(page.c.creation_date, page.c.resource_id)


def walked(
    select: AnySelect,
    fields: Fields,
    query: Query,
    order: Order,
    scopes: Sequence[Scope],
    rare: Sequence[bool | None],
) -> AnyUnion:
    """As `compiled`, for a select by `page_rows`, scopes, no rare condition, and a dialect of
    `engines/elements.MERGING`: the rows of all scopes in order, without a limit. A row in several scopes comes once for
    each, in succession.

    The caller reads until its page is full (`finder.Finder.find_page`). To find the keys of a page first, and then its
    rows, takes 1.7 times as long.
    """
    wanted = criteria(fields, query.conditions, rare)
    columns = select.selected_columns
    parts = []
    for scope in scopes:
        by, is_in_scope = _in_scope(scope, order)
        # Many rows may be checked for each one in the page: they are read in the index alone, which has no versions.
        covered = query.conditions and not isinstance(scope, GrantScope)
        version = _looked_up(columns.version) if covered else columns.version
        rows = page_rows(by, version, columns.is_own)
        parts.append(rows.where(*is_in_scope, *_beyond(by, query), *wanted))
    return sa.union_all(*parts).order_by(*_KEYS)


def _looked_up(labelled: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """The value of the column in the same row, found by the row's number."""
    (column,) = labelled.base_columns
    assert isinstance(column, sa.Column)
    again = column.table.alias("again")
    is_same = RowNumber(again) == RowNumber(column.table)
    return sa.select(again.c[column.name]).where(is_same).scalar_subquery()


_KEYS = ("creation_date", "resource_id")


def _keys(order: Order) -> AnySelect:
    """The columns that select a page: the other columns of its rows are read once the page is complete."""
    return sa.select(order.creation_date.label("creation_date"), order.resource_id.label("resource_id"))


def indexed(fields: Fields, condition: Condition, order: Order) -> sa.ColumnElement[Any] | None:
    """The column whose index finds the rows that satisfy the condition; None if there is none."""
    if condition.at_least or condition.at_most or _patterns(condition):
        return None
    field = fields[condition.field]
    column = field.column if isinstance(field, Child) and field.parent is order.resource_id else field
    if not isinstance(column, sa.Column) or not isinstance(column.table, sa.Table):
        return None
    return column if any(index.columns[0] is column for index in column.table.indexes) else None


def counting(column: sa.ColumnElement[Any], condition: Condition, number: int, most: int) -> AnySelect:
    """How many entries the column's index has for the condition's values, up to `most`."""
    found = _comparison(column, condition, number)
    entries: AnySelect = sa.select(sa.literal_column("1")).where(found).limit(_constant(most))
    return sa.select(sa.func.count()).select_from(entries.subquery()).prefix_with(PLAN_EACH)


def _merged(order: Order, wanted: list[Criterion], scopes: Sequence[Scope], query: Query) -> AnyUnion:
    """The keys of the rows in any of the scopes. Each part has its own limit: otherwise PostgreSQL would read and sort
    all rows of every scope."""
    parts = []
    for scope in scopes:
        by, is_in_scope = _in_scope(scope, order)
        rows = _keys(by).where(*is_in_scope, *_beyond(by, query), *wanted)
        parts.append(_limited(rows.order_by(by.creation_date, by.resource_id), query).subquery())
    union = sa.union(*(sa.select(part.c.creation_date, part.c.resource_id) for part in parts))
    return _limited(union.order_by(*_KEYS), query)


def _in_scope(scope: Scope, noun: Order) -> tuple[Order, list[Criterion]]:
    """The order in which the rows of a scope are read, and the conditions on them."""
    if isinstance(scope, GrantScope):
        return scope.order, [scope.which, scope.order.resource_id == noun.resource_id, scope.also]
    return noun, [scope]


def _limited(statement: Limited, query: Query) -> Limited:
    rows = most_rows(query)
    return statement if rows is None else statement.limit(_constant(rows))


def most_rows(query: Query) -> int | None:
    """How many rows the statement of a query reads; None: all."""
    if query.limit is None:
        return None
    step = next((step for step in ROW_STEPS if query.limit <= step), query.limit)
    return step + 1


def _constant(number: int) -> sa.ColumnElement[int]:
    return sa.literal_column(str(number), sa.Integer)


def criteria(fields: Fields, conditions: Sequence[Condition], rare: Sequence[bool | None]) -> list[Criterion]:
    """The conditions as SQL, all of which must hold."""
    return [
        _criterion(fields, condition, number, rare=rare[number])
        for number, condition in enumerate(conditions)
    ]


def is_wanted(column: sa.ColumnElement[str]) -> Criterion:
    """The column equals the parameter `wanted`: for statements that are built once. Building a statement for each call
    takes as long as executing it."""
    return column == sa.bindparam("wanted", type_=column.type)


def is_among(column: sa.ColumnElement[str]) -> Criterion:
    """The column has one of the values of the parameter `among`: for statements that are built once."""
    return column.in_(sa.bindparam("among", type_=column.type, expanding=True))


def batches(values: Collection[str], size: int = 1000) -> Iterator[list[str]]:
    """The values by groups that one statement takes: SQLite's limit is 32,766 parameters as a rule."""
    ordered = list(values)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def among(
    connection: sa.Connection, statement: AnySelect, key: sa.Column[str], values: Collection[str]
) -> set[str]:
    """What a statement of one column finds where the key is one of the values. Sends one statement for each batch."""
    found: set[str] = set()
    for batch in batches(values):
        found.update(connection.scalars(statement.where(key.in_(batch))))
    return found


def _criterion(fields: Fields, condition: Condition, number: int, *, rare: bool | None) -> Criterion:
    if not any(map(_storable, condition.values)):
        return sa.false()
    match fields[condition.field]:
        case Child() as child:
            common = child.common if rare is None else not rare
            return child.matching(_comparison(child.column, condition, number), common=common)
        case BooleanColumns(columns):
            return sa.or_(sa.false(), *(columns[value] for value in condition.values if value in columns))
        case column:
            return _comparison(Unindexed(column) if rare is False else column, condition, number)


def _storable(value: Value) -> bool:
    """Whether the database could store the value at all. If it could not, the value equals nothing in it."""
    if isinstance(value, int):
        return abs(value) <= LARGEST_INTEGER
    if isinstance(value, str):
        # PostgreSQL's text cannot contain NUL, and UTF-8 cannot encode half a surrogate pair.
        return "\0" not in value and value.encode(errors="ignore").decode() == value
    return True


def _comparison(column: sa.ColumnElement[Any], condition: Condition, number: int) -> Criterion:
    patterns, exact = sorted_out(condition)
    first = sa.bindparam(f"value{number}_1", exact[0] if exact else None, column.type)
    if condition.at_least:
        return column >= first
    if condition.at_most:
        return column <= first
    alternatives: list[Criterion] = [
        Matches(column, sa.bindparam(f"like{number}_{place}", pattern, Pattern()))
        for place, pattern in enumerate(patterns, 1)
    ]
    if len(exact) == 1:
        alternatives.append(column == first)
    elif exact:
        alternatives.append(column.in_(sa.bindparam(f"value{number}", exact, column.type, expanding=True)))
    return sa.or_(*alternatives)


def _beyond(order: Order, query: Query) -> list[Criterion]:
    """That a row comes after the query's position, if it has one."""
    if query.after is None:
        return []
    date = sa.bindparam("after_date", query.after.creation_date, order.creation_date.type)
    here = sa.tuple_(date, sa.bindparam("after_id", query.after.resource_id, sa.String()))
    return [sa.tuple_(order.creation_date, order.resource_id) > here]
