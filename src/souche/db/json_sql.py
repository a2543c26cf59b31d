"""Rows as JSON made by the database: one statement reads a page with all that belongs to it, one decoder makes it."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from souche.db.query import AnyColumns, AnySelect


class JsonOf(FunctionElement[str]):
    """A text that is JSON, to be a part of other JSON."""

    type = sa.Text()
    inherit_cache = True
    name = "json_of"


class JsonObject(FunctionElement[str]):
    """A JSON object. On SQLite its yes and no are 1 and 0."""

    type = sa.Text()
    inherit_cache = True
    name = "json_object"

    def __init__(self, **values: sa.ColumnElement[Any]) -> None:
        parts: list[sa.ColumnElement[Any]] = []
        for name, value in values.items():
            parts += (sa.literal_column(f"'{name}'"), value)
        super().__init__(*parts)


class _JsonArray(FunctionElement[str]):
    """The JSON array of a value in each row of a group."""

    type = sa.Text()
    inherit_cache = True
    name = "json_array"


def json_rows(
    parent: sa.Table, children: AnySelect, item: Callable[[AnyColumns], sa.ColumnElement[Any]]
) -> sa.ColumnElement[str]:
    """The JSON array of one item for each of the children of a row of `parent`, in their order."""
    ordered = children.correlate(parent).subquery()
    return sa.select(_JsonArray(item(ordered.c))).scalar_subquery()


def _spelled(spelling: str) -> Callable[..., str]:
    def compile_function(element: FunctionElement[Any], compiler: SQLCompiler, **options: Any) -> str:
        arguments = ", ".join(compiler.process(clause, **options) for clause in element.clauses)
        return spelling.format(arguments)

    return compile_function


for _element, _postgresql, _sqlite in (
    (JsonOf, "CAST({} AS json)", "json({})"),
    (JsonObject, "json_build_object({})", "json_object({})"),
    (_JsonArray, "coalesce(json_agg({}), '[]')", "json_group_array({})"),
):
    compiles(_element)(_spelled(_postgresql))
    compiles(_element, "sqlite")(_spelled(_sqlite))
