"""Rows as JSON made by the database: one statement reads a page with all its children, and one decoder parses it."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from souche.db.engines.elements import JsonArray
from souche.db.query import AnyColumns, AnySelect


def json_rows(
    parent: sa.Table, children: AnySelect, item: Callable[[AnyColumns], sa.ColumnElement[Any]]
) -> sa.ColumnElement[str]:
    """The JSON array of one item for each of the children of a row of `parent`, in their order."""
    ordered = children.correlate(parent).subquery()
    return sa.select(JsonArray(item(ordered.c))).scalar_subquery()
