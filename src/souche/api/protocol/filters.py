"""Turns the `Filters` of a request into the conditions of a query. `filter_tables.py` has the filters.

Lists are OR inside and AND across; an empty list filters nothing. A value that the domain cannot have matches nothing,
without an error (reference section 2, ReadImages).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from souche.api.protocol import dates
from souche.api.protocol.filter_tables import FILTERS, AnyFilter, Bound, Constant, Filter
from souche.model.query import Condition, Value
from souche.value_refusals import BadValue

# Our limits, far above clients' batches: they keep the statement of one request within SQLite's limits.
MAX_VALUES: Final = 10_000
MAX_PATTERNS: Final = 100

NOTHING: Final = Condition("", ())


def conditions(action: str, request: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The conditions of a request's `Filters`.

    Raises:
        BadValue: there are more values or patterns than one request may have, or a bound is not a date.
    """
    if "Filters" not in request:
        return ()
    return tuple(
        condition
        for name, values in given_values(request).items()
        if values
        for condition in _conditions(name, FILTERS[action][name], values)
    )


def given_values(request: Mapping[str, Any]) -> Mapping[str, list[Any]]:
    """The `Filters` of a request, each with its values.

    Raises:
        BadValue: there are too many values.
    """
    given = {name: _listed(value) for name, value in (request.get("Filters") or {}).items()}
    if sum(map(len, given.values())) > MAX_VALUES:
        raise BadValue(parameter="Filters", reason=f"it has more than {MAX_VALUES} values.")
    return given


def of_fields(request: Mapping[str, Any], fields: Mapping[str, str]) -> tuple[Condition, ...]:
    """Like `conditions`, for an action of Souche's own whose filters each compare a field. A filter without values does
    not count.

    Raises:
        BadValue.
    """
    given = given_values(request)
    return tuple(Condition(fields[name], values) for name, values in given.items() if values)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _conditions(name: str, known: AnyFilter, values: list[Any]) -> Iterator[Condition]:
    match known:
        case Constant(matched):
            if not any(value in matched for value in values):
                yield NOTHING
        case Bound(field, at_least, at_most):
            yield Condition(field, [_bound(name, values[0])], at_least=at_least, at_most=at_most)
        case Filter(field, read, wildcard):
            meant = [value for value in map(read, values) if value is not None]
            _check_patterns(name, meant if wildcard else [])
            yield Condition(field, meant, wildcard=wildcard)


def _bound(name: str, text: str) -> Value:
    instant = dates.read(text)
    if instant is None:
        raise BadValue(parameter=name, reason="it is not a date in ISO 8601 form.")
    return instant


def _check_patterns(name: str, values: list[Value]) -> None:
    if sum(isinstance(value, str) and "*" in value for value in values) > MAX_PATTERNS:
        raise BadValue(parameter=name, reason=f"it has more than {MAX_PATTERNS} values with a wildcard.")
