"""The statements sent to the database."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from souche.app.context.region import Region

BEGINNINGS = ("BEGIN IMMEDIATE", "SELECT pg_advisory_xact_lock")
"""of write transactions"""


def statements(region: Region, action: Callable[[], object]) -> list[str]:
    """The statements that an action sends to the database. A statement that is sent once per row of its parameters
    occurs as often."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        repeated = isinstance(parameters, list) and not region.store.database.is_local
        seen.extend([statement] * (len(parameters) if repeated else 1))

    sa.event.listen(region.store.engine, "before_cursor_execute", note)
    try:
        action()
    finally:
        sa.event.remove(region.store.engine, "before_cursor_execute", note)
    return seen


def transactions(sent: list[str]) -> int:
    """The number of write transactions among the statements."""
    return sum(statement.startswith(BEGINNINGS) for statement in sent)
