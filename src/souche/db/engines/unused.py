"""Pooled connections that were unused for some time, whose server may have restarted since."""

import math
import time
from typing import Any, Final

import sqlalchemy as sa

USED: Final = "used"  # key of the time when a pooled connection was last used
UNUSED_SECONDS: Final = 1.0


def check(engine: sa.Engine) -> None:
    """Have the pool replace a connection that was unused for `UNUSED_SECONDS` and does not answer. SQLAlchemy's
    `pool_pre_ping` would check before each use, which is a round trip to the server."""

    def note(_connection: object, record: sa.pool.ConnectionPoolEntry) -> None:
        record.info[USED] = time.monotonic()

    def ask(connection: Any, record: sa.pool.ConnectionPoolEntry, _proxy: object) -> None:
        if time.monotonic() - record.info.get(USED, math.inf) < UNUSED_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise sa.exc.DisconnectionError from error

    sa.event.listen(engine, "checkin", note)
    sa.event.listen(engine, "checkout", ask)
