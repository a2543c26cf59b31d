"""Notices that another release has upgraded the schema under a running process.

A `souche api` does not have the lock that an upgrade takes, so it may still run after one. Its writes would follow the
rules of its own release.
"""

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from souche.db import revisions
from souche.db.store import Store

_REVISION: Final = "SELECT version_num FROM alembic_version"


def check_writes(store: Store, upgraded: Callable[[], None]) -> None:
    """Call `upgraded` in each transaction that may write, before its first statement, if the schema is not this
    release's. The upgrade cannot happen later in that transaction: it waits for the writers' lock. It costs a round
    trip to the server."""

    def check(connection: sa.Connection) -> None:
        if not _is_ours(connection):
            upgraded()

    sa.event.listen(store.engine, "begin", check)


def check(store: Store, upgraded: Callable[[], None]) -> None:
    """Call `upgraded` if the schema is not this release's.

    Raises:
        RecordsUnavailable.
    """
    with store.read() as connection:
        if not _is_ours(connection):
            upgraded()


def _is_ours(connection: sa.Connection) -> bool:
    return connection.exec_driver_sql(_REVISION).scalar_one_or_none() == revisions.known()[0]
