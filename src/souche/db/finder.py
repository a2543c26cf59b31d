"""Pages of a noun that is read often and has many rows: statements are compiled once, and chosen by counting."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from souche.db.query import (
    AnySelect,
    Fields,
    Flags,
    Order,
    Scope,
    compiled,
    counting,
    indexed,
    sorted_out,
)
from souche.db.store import Prepared, Reader
from souche.model.query import Condition, Query, Value

# The statements that are kept: how many, and up to how many parameters each.
STATEMENTS_KEPT: Final = 256
PARAMETERS_KEPT: Final = 1024

# A condition that fewer rows satisfy is looked up by its index: that takes some milliseconds at most. With more,
# the caller's rows are walked in their order, and a page of those that satisfy it is found soon.
FEW_ROWS: Final = 4000


class Finder:
    """`query.find` for one select and its scopes.

    The scopes have named parameters, whose values come with each call. The select's columns must come from
    the driver as they are wanted (see `Prepared`): text, or JSON as text.

    Whether few rows or many have the value of a condition, no schema tells (`Tags: env=prod`, `VolumeType: io1`):
    for a column with an index its entries are counted, up to `few_rows`, before the statement is chosen.
    """

    def __init__(
        self,
        select: AnySelect,
        fields: Fields,
        order: Order,
        scopes: Sequence[Scope],
        few_rows: int = FEW_ROWS,
    ) -> None:
        self._select = select
        self._fields = fields
        self._order = order
        self._scopes = scopes
        self._few_rows = few_rows
        self._prepared: dict[object, Prepared] = {}

    def find(
        self, reader: Reader, query: Query, parameters: Mapping[str, object]
    ) -> tuple[Sequence[tuple[Any, ...]], bool]:
        """The rows that satisfy `query` and are in a scope, in order, and whether more remain after them.

        Raises:
            KeyError: a condition names a field that is not in `fields`.
        """
        few = [self._is_few(reader, condition, number) for number, condition in enumerate(query.conditions)]
        wanted = _parameters(query)
        rows = reader.rows(self._statement(query, wanted, few), {**parameters, **wanted})
        if query.limit is None or len(rows) <= query.limit:
            return rows, False
        return rows[: query.limit], True

    def _is_few(self, reader: Reader, condition: Condition, number: int) -> bool | None:
        """Whether few rows satisfy the condition; None where no index tells."""
        values = _values(condition, number)
        if not values or self._fields.get(condition.field) is self._order.resource_id:
            return True
        column = indexed(self._fields, condition, self._order)
        if column is None:
            return None
        shape = ("count", condition.field, *values)
        statement = self._prepared.get(shape)
        if statement is None:
            statement = Prepared(counting(column, condition, number, self._few_rows))
            self._keep(shape, statement, len(values))
        ((count,),) = reader.rows(statement, values)
        return bool(count < self._few_rows)

    def _statement(
        self, query: Query, parameters: Mapping[str, object], few: Sequence[bool | None]
    ) -> Prepared:
        """The statement for queries of this shape: all that it depends on, beside its parameters' values."""
        flags = [_flags(self._fields, condition) for condition in query.conditions]
        kinds = [(each.field, each.wildcard, each.at_least, each.at_most) for each in query.conditions]
        shape = (*kinds, *flags, *few, *parameters)
        found = self._prepared.get(shape)
        if found is None:
            found = Prepared(compiled(self._select, self._fields, query, self._order, self._scopes, few))
            self._keep(shape, found, len(parameters))
        return found

    def _keep(self, shape: object, statement: Prepared, parameters: int) -> None:
        if parameters > PARAMETERS_KEPT:
            return
        if len(self._prepared) >= STATEMENTS_KEPT:
            self._prepared.clear()
        self._prepared[shape] = statement


def _flags(fields: Fields, condition: Condition) -> tuple[Value, ...]:
    """The values that are no parameters, as they choose columns. Unknown ones choose none."""
    field = fields.get(condition.field)
    return tuple(filter(field.columns.__contains__, condition.values)) if isinstance(field, Flags) else ()


def _parameters(query: Query) -> dict[str, object]:
    """What a query puts into the parameters of its statement."""
    found: dict[str, object] = {}
    for number, condition in enumerate(query.conditions):
        found.update(_values(condition, number))
    if query.after is not None:
        found.update(after_date=query.after.creation_date, after_id=query.after.resource_id)
    if query.limit is not None:
        found.update(row_limit=query.limit + 1)
    return found


def _values(condition: Condition, number: int) -> dict[str, Value]:
    """A condition's values, by the names of their parameters."""
    patterns, exact = sorted_out(condition)
    found: dict[str, Value] = {f"like{number}_{place}": pattern for place, pattern in enumerate(patterns, 1)}
    found.update((f"value{number}_{place}", value) for place, value in enumerate(exact, 1))
    return found
