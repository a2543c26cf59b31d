"""Compiles a `model.query.Query` into SQL, for every noun in the same way.

A noun maps the fields of its conditions to columns, to rows of a child table (`Child`), or to a set of
yes-no columns (`Flags`). Everything becomes one statement, whose rows come in the order that pages go by.

Text is compared with regard to case on every database: SQLite's LIKE has none, so there `*` is GLOB's.
A date is kept as text, so a text value with `*` picks a day or a month (`2026-11-24*`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from souche.model.query import Condition, Position, Query, Value

AnySelect: TypeAlias = sa.Select[*tuple[Any, ...]]
AnyRow: TypeAlias = sa.Row[*tuple[Any, ...]]
AnyUnion: TypeAlias = sa.CompoundSelect[*tuple[Any, ...]]
Criterion: TypeAlias = sa.ColumnElement[bool]
Limited = TypeVar("Limited", bound=sa.GenerativeSelect)

LARGEST_INTEGER = 2**63 - 1


@dataclass(frozen=True)
class Child:
    """A field in the rows of a child table: the noun's row matches when any of its children does.

    `key` of the child names `parent` of the noun. As a rule a value picks few rows: the children are looked
    up first, by the index on `column`. With `common`, where a value is shared by a good part of all rows (a
    device name, a volume type), the rows are walked instead, and the children of each are probed.
    """

    table: sa.FromClause
    column: sa.ColumnElement[Any]
    key: sa.ColumnElement[Any]
    parent: sa.ColumnElement[Any]
    common: bool = False

    def matching(self, criterion: Criterion) -> Criterion:
        """The condition on the noun's row that some child of it satisfies `criterion`."""
        if self.common:
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


def find(
    connection: sa.Connection,
    select: AnySelect,
    fields: Fields,
    query: Query,
    order: Order,
    scopes: Sequence[Criterion] = (),
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


def compiled(
    select: AnySelect, fields: Fields, query: Query, order: Order, scopes: Sequence[Criterion] = ()
) -> AnySelect:
    """The whole statement. One row more than the limit is asked for: it tells whether more remain."""
    wanted = criteria(fields, query.conditions)
    if query.after is not None:
        wanted.append(_beyond(order, query.after))
    if scopes and not any(_picks_few(fields, condition, order) for condition in query.conditions):
        page = _merged(order, wanted, scopes, query).subquery("page")
        statement = select.join(page, page.c.resource_id == order.resource_id)
    else:
        within = [sa.or_(*scopes)] if scopes else []
        statement = _limited(select.where(*wanted, *within), query)
    return statement.order_by(order.creation_date, order.resource_id)


def _picks_few(fields: Fields, condition: Condition, order: Order) -> bool:
    """Whether the condition's values can be looked up, and are few rows' each."""
    if not condition.values:
        return True
    match fields[condition.field]:
        case Child(parent=parent, common=common):
            return parent is order.resource_id and not common
        case sa.Column() as column if not (condition.wildcard or condition.at_least or condition.at_most):
            return column is order.resource_id or any(
                index.columns.keys() == [column.name] for index in column.table.indexes
            )
        case _:
            return False


def _merged(order: Order, wanted: list[Criterion], scopes: Sequence[Criterion], query: Query) -> AnyUnion:
    """The keys of the rows in any of the scopes. SQLite merges the parts of a UNION that is ordered."""
    date, resource_id = order.creation_date.label("creation_date"), order.resource_id.label("resource_id")
    parts = [sa.select(date, resource_id).where(scope, *wanted) for scope in scopes]
    return _limited(sa.union(*parts).order_by("creation_date", "resource_id"), query)


def _limited(statement: Limited, query: Query) -> Limited:
    return statement if query.limit is None else statement.limit(query.limit + 1)


def criteria(fields: Fields, conditions: Collection[Condition]) -> list[Criterion]:
    """The conditions as SQL, all of which must hold. For statements that are not pages."""
    return [_criterion(fields, condition) for condition in conditions]


def batches(values: Collection[str], size: int = 1000) -> Iterator[list[str]]:
    """The values by groups that one statement takes: SQLite's limit is 32,766 parameters as a rule."""
    ordered = list(values)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def _criterion(fields: Fields, condition: Condition) -> Criterion:
    values = [value for value in condition.values if _storable(value)]
    if not values:
        return sa.false()
    match fields[condition.field]:
        case Child() as child:
            return child.matching(_comparison(child.column, condition, values))
        case Flags(columns):
            return sa.or_(sa.false(), *(columns[value] for value in values if value in columns))
        case column:
            return _comparison(column, condition, values)


def _storable(value: Value) -> bool:
    """Whether the database could hold the value at all. What it could not hold equals nothing in it."""
    if isinstance(value, int):
        return abs(value) <= LARGEST_INTEGER
    if isinstance(value, str):
        # A NUL, which PostgreSQL has not, and half a surrogate pair, which UTF-8 has not.
        return "\0" not in value and value.encode(errors="ignore").decode() == value
    return True


def _comparison(column: sa.ColumnElement[Any], condition: Condition, values: list[Value]) -> Criterion:
    if condition.at_least:
        return column >= values[0]
    if condition.at_most:
        return column <= values[0]
    if condition.wildcard:
        return _like_any(column, values)
    return _equal_any(column, values)


def _equal_any(column: sa.ColumnElement[Any], values: Sequence[Value]) -> Criterion:
    return column == values[0] if len(values) == 1 else column.in_(values)


def _like_any(column: sa.ColumnElement[Any], values: Sequence[Value]) -> Criterion:
    patterns = [value for value in values if isinstance(value, str) and "*" in value]
    exact = [value for value in values if value not in patterns]
    likes = [_Matches(column, sa.bindparam(None, pattern, type_=_Pattern())) for pattern in patterns]
    return sa.or_(*likes, *([_equal_any(column, exact)] if exact else []))


def _beyond(order: Order, position: Position) -> Criterion:
    date = sa.bindparam(None, position.creation_date, type_=order.creation_date.type)
    here = sa.tuple_(date, sa.bindparam(None, position.resource_id, type_=sa.String()))
    return sa.tuple_(order.creation_date, order.resource_id) > here


class _Pattern(sa.types.TypeDecorator[str]):
    """Text where `*` stands for any run of characters, as the database at hand spells it."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        if value is None:
            return None
        return _glob(value) if dialect.name == "sqlite" else _like(value)


def _glob(pattern: str) -> str:
    return pattern.replace("[", "[[]").replace("?", "[?]")


def _like(pattern: str) -> str:
    for special in "\\%_":
        pattern = pattern.replace(special, f"\\{special}")
    return pattern.replace("*", "%")


class _Matches(FunctionElement[bool]):
    """`text` matches a `_Pattern`, with regard to case."""

    type = sa.Boolean()
    inherit_cache = True
    name = "matches"


@compiles(_Matches)
def _compile_like(element: _Matches, compiler: SQLCompiler, **options: Any) -> str:
    text, pattern = (compiler.process(clause, **options) for clause in element.clauses)
    return rf"{text} LIKE {pattern} ESCAPE '\'"


@compiles(_Matches, "sqlite")
def _compile_glob(element: _Matches, compiler: SQLCompiler, **options: Any) -> str:
    text, pattern = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{text} GLOB {pattern}"
