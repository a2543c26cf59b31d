"""SQL that databases spell differently. Each database's own file has its spelling."""

from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.ddl import ExecutableDDLElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import NamedFromClause

PATTERNS: Final[dict[str, Callable[[str], str]]] = {}
"""converts text in which `*` stands for any run of characters to a pattern of the dialect"""

MERGING: Final[set[str]] = set()
"""dialects whose database merges the parts of an ordered UNION ALL while its rows are read. They spell `RowNumber`."""

PLAN_EACH: Final = sa.text("/* plan each */")
"""a prefix of statements whose plan depends on the values of their parameters, so that no plan is kept for them"""


def merges(dialect: sa.Dialect) -> bool:
    """Whether the dialect is in `MERGING`."""
    return dialect.name in MERGING


class Pattern(sa.types.TypeDecorator[str]):
    """Text where `*` stands for any run of characters."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else PATTERNS[dialect.name](value)


class Matches(FunctionElement[bool]):
    """A text matches a `Pattern`, with regard to case."""

    type = sa.Boolean()
    inherit_cache = True
    name = "matches"


class Unindexed(FunctionElement[Any]):
    """A column whose index is not used, for a condition that most rows satisfy."""

    inherit_cache = True
    name = "unindexed"

    def __init__(self, column: sa.ColumnElement[Any]) -> None:
        self.type = column.type
        super().__init__(column)


class RowNumber(FunctionElement[int]):
    """The number of a table's row, which every index has too, in dialects of `MERGING`. `table` may be an alias."""

    type = sa.Integer()
    inherit_cache = True
    name = "row_number"

    def __init__(self, table: NamedFromClause) -> None:
        super().__init__(sa.literal_column(table.name))


class JsonOf(FunctionElement[str]):
    """A text that is JSON, as a part of other JSON."""

    type = sa.Text()
    inherit_cache = True
    name = "json_of"


class JsonObject(FunctionElement[str]):
    """A JSON object. SQLite's booleans are 1 and 0."""

    type = sa.Text()
    inherit_cache = True
    name = "json_object"

    def __init__(self, **values: sa.ColumnElement[Any]) -> None:
        parts: list[sa.ColumnElement[Any]] = []
        for name, value in values.items():
            parts += (sa.literal_column(f"'{name}'"), value)
        super().__init__(*parts)


class JsonArray(FunctionElement[str]):
    """The JSON array of a value in each row of a group."""

    type = sa.Text()
    inherit_cache = True
    name = "json_array"


class RandomInteger(FunctionElement[int]):
    """A random signed integer of 64 bits."""

    type = sa.BigInteger()
    inherit_cache = True
    name = "random_integer"


class DatabaseClock(FunctionElement[str]):
    """The date by the database's clock, some seconds from now, in the form of `schema.UtcDate`."""

    type = sa.String()
    inherit_cache = True
    name = "database_clock"

    def __init__(self, seconds: int = 0) -> None:
        super().__init__(sa.literal_column(f"{seconds:+d}", sa.Integer))


class LastNumber(FunctionElement[int]):
    """The last generated number of a column, even if its row is gone. NULL: there was none."""

    type = sa.BigInteger()
    inherit_cache = True
    name = "last_number"

    def __init__(self, column: sa.Column[int]) -> None:
        names = (column.table.name, column.name)
        super().__init__(*(sa.literal_column(f"'{name}'", sa.String) for name in names))


class CreateTrigger(ExecutableDDLElement):
    """A trigger that runs one statement for each row that an event (INSERT, UPDATE, DELETE) changes, if the condition
    holds. Both may name `NEW` and `OLD`."""

    def __init__(
        self, name: str, event: str, table: str, statement: sa.Update, condition: str = "TRUE"
    ) -> None:
        self.name = name
        self.event = event
        self.table = table
        self.statement = statement
        self.condition = condition


class DropTrigger(ExecutableDDLElement):
    """Drop what `CreateTrigger` made on a table."""

    def __init__(self, name: str, table: str) -> None:
        self.name = name
        self.table = table


def spelled(spelling: str) -> Callable[..., str]:
    """A function for SQLAlchemy's compiler. In the spelling, `{0}` is an element's first argument, and `{all}` are all
    arguments, with commas between."""

    def compile_function(element: FunctionElement[Any], compiler: SQLCompiler, **options: Any) -> str:
        arguments = [compiler.process(clause, **options) for clause in element.clauses]
        return spelling.format(*arguments, all=", ".join(arguments))

    return compile_function
