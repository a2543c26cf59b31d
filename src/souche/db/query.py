"""Compiles a `model.query.Query` into SQL, for every noun in the same way.

A noun maps the fields of its conditions to columns, to rows of a child table (`Child`), or to a set of
yes-no columns (`Flags`). Everything becomes one statement, whose rows come in the order that pages go by.

Text is compared with regard to case on every database.
A date is kept as text, so a text value with `*` picks a day or a month (`2026-11-24*`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa

from souche.db.engines.elements import Matches, Pattern, Unindexed
from souche.model.query import Condition, Query, Value

AnySelect: TypeAlias = sa.Select[*tuple[Any, ...]]
AnyRow: TypeAlias = sa.Row[*tuple[Any, ...]]
AnyUnion: TypeAlias = sa.CompoundSelect[*tuple[Any, ...]]
AnyColumns: TypeAlias = sa.ColumnCollection[str, sa.ColumnElement[Any]]
Criterion: TypeAlias = sa.ColumnElement[bool]
Limited = TypeVar("Limited", bound=sa.GenerativeSelect)

LARGEST_INTEGER = 2**63 - 1

# Numbers of values in one condition are rounded up, so that few shapes of statements stand for all. The steps
# are small enough for the 10,000 values of a request, thrice, to stay below SQLite's 32,766 parameters.
FEW_VALUES = (1, 2, 4, 8, 16)
VALUES_STEP = 32


@dataclass(frozen=True)
class Child:
    """A field in the rows of a child table: the noun's row matches when any of its children does.

    `key` of the child names `parent` of the noun. As a rule a value picks few rows: the children are looked
    up first, by the index on `column`. With `common`, where a value is shared by a good part of all rows (a
    device name, a volume type), the rows are walked instead, and the children of each are probed. A `Finder` does
    not go by `common`: it counts.
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
class Flags:
    """A field with several values at once, each a yes-no column of its own (an image's boot modes)."""

    columns: Mapping[Value, sa.ColumnElement[bool]]


Field: TypeAlias = sa.ColumnElement[Any] | Child | Flags
Fields: TypeAlias = Mapping[str, Field]


@dataclass(frozen=True)
class Order:
    """The keyset of a noun: oldest first, then by id (reference "Pagination")."""

    creation_date: sa.ColumnElement[Any]
    resource_id: sa.ColumnElement[Any]


@dataclass(frozen=True)
class Linked:
    """A scope whose rows are named by rows of another table (grants), which repeat what the noun is ordered by and
    have an index along it: a walk goes by that. `order` has the other table's columns, `which` tells which of its
    rows count, and `also` what has to hold of the noun's row besides."""

    order: Order
    which: Criterion
    also: Criterion

    def criterion(self, noun: Order) -> Criterion:
        """The scope as a condition on the noun's row alone."""
        return sa.and_(noun.resource_id.in_(sa.select(self.order.resource_id).where(self.which)), self.also)


Scope: TypeAlias = Criterion | Linked


def find(
    connection: sa.Connection,
    select: AnySelect,
    fields: Fields,
    query: Query,
    order: Order,
    scopes: Sequence[Scope] = (),
) -> tuple[Sequence[AnyRow], bool]:
    """The rows of `select` that satisfy `query`, in order, and whether more remain after them.

    With `scopes`, only rows that are in one of them: what the caller owns, what is public and so on. Where a
    condition picks few rows, those are looked up and checked. Otherwise each scope is read in order along its
    own index and the results are merged, so that a page costs a page however much the caller may see.

    Raises:
        KeyError: a condition names a field that is not in `fields`.
    """
    rows = connection.execute(compiled(select, fields, query, order, scopes)).all()
    if query.limit is None or len(rows) <= query.limit:
        return rows, False
    return rows[: query.limit], True


def sorted_out(condition: Condition) -> tuple[list[str], list[Value]]:
    """A condition's values: the patterns, and those to be equal to, of which the last may come repeatedly."""
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
    scopes: Sequence[Scope] = (),
    few: Sequence[bool | None] | None = None,
) -> AnySelect:
    """The whole statement. One row more than the limit is asked for: it tells whether more remain.

    `few` says of each condition whether few rows satisfy it, where that was counted (None: it was not).
    """
    wanted = criteria(fields, query.conditions, few)
    if not scopes:
        statement = _limited(select.where(*wanted, *_beyond(order, query)), query)
        return statement.order_by(order.creation_date, order.resource_id)
    keys: sa.SelectBase
    if few is None:
        few = [_picks_few(fields, condition, order) for condition in query.conditions]
    if any(few):
        seen = sa.or_(*(each.criterion(order) if isinstance(each, Linked) else each for each in scopes))
        looked_up = _keys(order).where(*wanted, *_beyond(order, query), Unindexed(seen))
        keys = _limited(looked_up.order_by(*_KEYS), query)
    else:
        keys = _merged(order, wanted, scopes, query)
    page = keys.subquery("page")
    statement = select.join(page, page.c.resource_id == order.resource_id)
    return statement.order_by(page.c.creation_date, page.c.resource_id)


_KEYS = ("creation_date", "resource_id")


def _keys(order: Order) -> AnySelect:
    """What a page is picked by: the rest of its rows is read only once it stands."""
    return sa.select(order.creation_date.label("creation_date"), order.resource_id.label("resource_id"))


def _picks_few(fields: Fields, condition: Condition, order: Order) -> bool:
    """Whether the condition's values can be looked up, and are few rows' each, as far as its field tells."""
    if not condition.values:
        return True
    match fields[condition.field]:
        case Child(parent=parent, common=common):
            return parent is order.resource_id and not common
        case sa.Column() as column if not (condition.at_least or condition.at_most or _patterns(condition)):
            return column is order.resource_id or any(
                index.columns.keys() == [column.name] for index in column.table.indexes
            )
        case _:
            return False


def indexed(fields: Fields, condition: Condition, order: Order) -> sa.ColumnElement[Any] | None:
    """The column by whose index the rows can be looked up that satisfy the condition; None when there is none."""
    if condition.at_least or condition.at_most or _patterns(condition):
        return None
    field = fields[condition.field]
    column = field.column if isinstance(field, Child) and field.parent is order.resource_id else field
    if isinstance(column, sa.Column) and any(index.columns[0] is column for index in column.table.indexes):
        return column
    return None


def counting(column: sa.ColumnElement[Any], condition: Condition, number: int, most: int) -> AnySelect:
    """How many entries the column's index has for the condition's values, up to `most`."""
    found = _comparison(column, condition, number)
    entries: AnySelect = sa.select(sa.literal_column("1")).where(found).limit(most)
    return sa.select(sa.func.count()).select_from(entries.subquery())


def _merged(order: Order, wanted: list[Criterion], scopes: Sequence[Scope], query: Query) -> AnyUnion:
    """The keys of the rows in any of the scopes. SQLite merges the parts of a UNION that is ordered."""
    parts = [_part(order, scope, query).where(*wanted) for scope in scopes]
    return _limited(sa.union(*parts).order_by(*_KEYS), query)


def _part(order: Order, scope: Scope, query: Query) -> AnySelect:
    if not isinstance(scope, Linked):
        return _keys(order).where(scope, *_beyond(order, query))
    named = scope.order.resource_id == order.resource_id
    return _keys(scope.order).where(scope.which, named, scope.also, *_beyond(scope.order, query))


def _limited(statement: Limited, query: Query) -> Limited:
    if query.limit is None:
        return statement
    return statement.limit(sa.bindparam("row_limit", query.limit + 1, sa.Integer))


def criteria(
    fields: Fields, conditions: Collection[Condition], few: Sequence[bool | None] | None = None
) -> list[Criterion]:
    """The conditions as SQL, all of which must hold. For statements that are not pages."""
    counted = few or [None] * len(conditions)
    return [
        _criterion(fields, condition, number, few=counted[number])
        for number, condition in enumerate(conditions)
    ]


def is_wanted(column: sa.ColumnElement[str]) -> Criterion:
    """The column has the value of the parameter `wanted`: for statements that are built once. To build one for each
    call takes as long as to execute it."""
    return column == sa.bindparam("wanted", type_=column.type)


def is_among(column: sa.ColumnElement[str]) -> Criterion:
    """The column has one of the values of the parameter `among`: for statements that are built once."""
    return column.in_(sa.bindparam("among", type_=column.type, expanding=True))


def batches(values: Collection[str], size: int = 1000) -> Iterator[list[str]]:
    """The values by groups that one statement takes: SQLite's limit is 32,766 parameters as a rule."""
    ordered = list(values)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def _criterion(fields: Fields, condition: Condition, number: int, *, few: bool | None) -> Criterion:
    if not any(map(_storable, condition.values)):
        return sa.false()
    match fields[condition.field]:
        case Child() as child:
            common = child.common if few is None else not few
            return child.matching(_comparison(child.column, condition, number), common=common)
        case Flags(columns):
            return sa.or_(sa.false(), *(columns[value] for value in condition.values if value in columns))
        case column:
            return _comparison(Unindexed(column) if few is False else column, condition, number)


def _storable(value: Value) -> bool:
    """Whether the database could hold the value at all. What it could not hold equals nothing in it."""
    if isinstance(value, int):
        return abs(value) <= LARGEST_INTEGER
    if isinstance(value, str):
        # A NUL, which PostgreSQL has not, and half a surrogate pair, which UTF-8 has not.
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
