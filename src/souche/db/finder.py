"""Finds pages: the one engine that runs queries. Statements are compiled once, and chosen by counting rows."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from souche.db.engines import elements
from souche.db.query import (
    AnyRow,
    AnySelect,
    BooleanColumns,
    Fields,
    Order,
    Scope,
    compiled,
    counting,
    indexed,
    most_rows,
    sorted_out,
    walked,
)
from souche.db.store import Prepared, Reader
from souche.model.query import Condition, PageRow, Query, Value

Row = TypeVar("Row")

# Limits of a finder's compiled statements: their number, the parameters of each, and the parameters of all. A parameter
# takes about 400 bytes.
STATEMENTS_KEPT: Final = 256
MOST_PARAMETERS: Final = 1024
PARAMETERS_KEPT: Final = 16 * 1024

# A condition that fewer rows satisfy is rare: its index finds the rows, within milliseconds. For a common condition,
# the caller's rows are read in their order, which soon fills a page.
RARE_ROWS: Final = 4000


class Finder:
    """Finds pages of one select. Each noun creates its own once. Threads may share it.

    Without scopes, the select itself restricts the rows to the caller's. Select and scopes may have named parameters
    (`CALLER`), whose values come with each call.

    No schema shows whether the value of a condition is rare (`Tags: env=prod`, `VolumeType: io1`). If its column has an
    index, the entries are counted, up to `rare_rows`, before the statement is chosen.
    """

    def __init__(
        self,
        select: AnySelect,
        fields: Fields,
        order: Order,
        scopes: Sequence[Scope] = (),
        rare_rows: int = RARE_ROWS,
    ) -> None:
        self._select = select
        self._fields = fields
        self._order = order
        self._scopes = scopes
        self._rare_rows = rare_rows
        self._prepared: dict[object, Prepared] = {}
        self._parameters = 0
        self._keeping = threading.Lock()

    def find(
        self, transaction: Reader | sa.Connection, query: Query, **parameters: object
    ) -> tuple[Sequence[AnyRow], bool]:
        """The rows that satisfy `query` and are in a scope, in order, and whether more remain after them.
        `parameters`: those of the select and the scopes.

        Raises:
            KeyError: a condition names a field that is not in `fields`.
        """
        reader = transaction if isinstance(transaction, Reader) else Reader.of(transaction)
        rare = self._rare(reader, query)
        return _page(reader.records(*self._chosen(query, parameters, rare)), query)

    def find_page(
        self, transaction: Reader | sa.Connection, query: Query, **parameters: object
    ) -> tuple[list[PageRow], bool]:
        """As `find`, of a select by `query.page_rows`. Most reads need nothing but these rows, so the values are as the
        driver gives them: SQLite's booleans are 1 and 0."""
        reader = transaction if isinstance(transaction, Reader) else Reader.of(transaction)
        rare = self._rare(reader, query)
        if not self._scopes or any(rare) or not elements.merges(reader.dialect):
            found = list(map(PageRow._make, reader.rows(*self._chosen(query, parameters, rare))))
        else:
            walk = self._chosen(query, parameters, rare, walking=True)
            with closing(reader.cursor(*walk)) as rows:
                found = _first(rows, None if query.limit is None else query.limit + 1)
        return _page(found, query)

    def _rare(self, reader: Reader, query: Query) -> Sequence[bool | None]:
        return [self._is_rare(reader, condition, number) for number, condition in enumerate(query.conditions)]

    def _chosen(
        self,
        query: Query,
        parameters: Mapping[str, object],
        rare: Sequence[bool | None],
        *,
        walking: bool = False,
    ) -> tuple[Prepared, Mapping[str, object]]:
        """The statement for a query, and all its parameters. `walking`: by `query.walked`."""
        wanted = _parameters(query)
        return self._statement(query, wanted, rare, walking=walking), {**parameters, **wanted}

    def _is_rare(self, reader: Reader, condition: Condition, number: int) -> bool | None:
        """Whether few rows satisfy the condition; None if there is no index to count by."""
        values = _values(condition, number)
        if not values or self._fields.get(condition.field) is self._order.resource_id:
            return True
        column = indexed(self._fields, condition, self._order)
        if column is None:
            return None
        shape = ("count", condition.field, *values)
        statement = self._prepared.get(shape)
        if statement is None:
            statement = Prepared(counting(column, condition, number, self._rare_rows))
            self._keep(shape, statement, len(values))
        ((count,),) = reader.rows(statement, values)
        return bool(count < self._rare_rows)

    def _statement(
        self, query: Query, parameters: Mapping[str, object], rare: Sequence[bool | None], *, walking: bool
    ) -> Prepared:
        """The statement for queries of this shape: all that it depends on but its parameters' values."""
        chosen = [_chosen_columns(self._fields, condition) for condition in query.conditions]
        kinds = [(each.field, each.wildcard, each.at_least, each.at_most) for each in query.conditions]
        rows = "walk" if walking else most_rows(query)
        shape = (*kinds, *chosen, *rare, *parameters, rows)
        found = self._prepared.get(shape)
        if found is None:
            make = walked if walking else compiled
            found = Prepared(make(self._select, self._fields, query, self._order, self._scopes, rare))
            self._keep(shape, found, len(parameters))
        return found

    def _keep(self, shape: object, statement: Prepared, parameters: int) -> None:
        if parameters > MOST_PARAMETERS:
            return
        with self._keeping:
            if len(self._prepared) >= STATEMENTS_KEPT or self._parameters + parameters > PARAMETERS_KEPT:
                self._prepared.clear()
                self._parameters = 0
            self._prepared[shape] = statement
            self._parameters += parameters


def _page(rows: list[Row], query: Query) -> tuple[list[Row], bool]:
    """Without the rows that only show whether more remain."""
    if query.limit is None or len(rows) <= query.limit:
        return rows, False
    return rows[: query.limit], True


def _first(rows: Iterable[Sequence[Any]], most: int | None) -> list[PageRow]:
    """The first `most` rows (None: all), each once."""
    found: list[PageRow] = []
    last = None
    for row in rows:
        if row[0] == last:
            continue
        last = row[0]
        found.append(tuple.__new__(PageRow, row))  # as `_make`, in half its time
        if len(found) == most:
            break
    return found


def _chosen_columns(fields: Fields, condition: Condition) -> tuple[Value, ...]:
    """The values that are no parameters, because they choose columns. Unknown ones choose none."""
    field = fields.get(condition.field)
    return (
        tuple(filter(field.columns.__contains__, condition.values))
        if isinstance(field, BooleanColumns)
        else ()
    )


def _parameters(query: Query) -> dict[str, object]:
    """The values of a query for the parameters of its statement."""
    found: dict[str, object] = {}
    for number, condition in enumerate(query.conditions):
        found.update(_values(condition, number))
    if query.after is not None:
        found.update(after_date=query.after.creation_date, after_id=query.after.resource_id)
    return found


def _values(condition: Condition, number: int) -> dict[str, Value]:
    """A condition's values, by the names of their parameters."""
    patterns, exact = sorted_out(condition)
    found: dict[str, Value] = {f"like{number}_{place}": pattern for place, pattern in enumerate(patterns, 1)}
    found.update((f"value{number}_{place}", value) for place, value in enumerate(exact, 1))
    return found
