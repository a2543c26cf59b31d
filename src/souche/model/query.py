"""The query of a Read action, in the domain's own words."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias

Value: TypeAlias = str | int | bool | datetime


@dataclass(frozen=True)
class Condition:
    """`field` must equal one of `values` (OR inside, AND across conditions).

    With `wildcard`, `*` in a text value stands for any run of characters. `at_least` and `at_most` are bounds
    and take one value.
    """

    field: str
    values: Collection[Value]
    wildcard: bool = False
    at_least: bool = False
    at_most: bool = False


@dataclass(frozen=True)
class Position:
    """The last row of the former page: rows are sorted by creation date, then id."""

    creation_date: datetime
    resource_id: str


@dataclass(frozen=True)
class Query:
    """Conditions, and the page of the rows that satisfy them all. `limit` is None for everything."""

    conditions: tuple[Condition, ...] = ()
    limit: int | None = None
    after: Position | None = None


class PageRow(NamedTuple):
    """A resource in a page. While its version is the same, its answer is the same: one for its owner (`is_own`), one
    for everyone else. `creation_date`: ISO 8601."""

    resource_id: str
    version: int
    creation_date: str
    is_own: bool
