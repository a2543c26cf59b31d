"""Failed signatures by access key, for processes that share a database."""

import sqlalchemy as sa

from souche.db.schema import failed_signatures
from souche.model.failed_signatures import Failures

_THE_KEY = failed_signatures.c.access_key_id == sa.bindparam("wanted", type_=sa.String)


def get(connection: sa.Connection, access_key_id: str) -> Failures:
    """The failures of a key; none, where none are on record."""
    columns = sa.select(failed_signatures.c.failures, failed_signatures.c.locked_until)
    row = connection.execute(columns.where(_THE_KEY), {"wanted": access_key_id}).one_or_none()
    return Failures() if row is None else Failures(row.failures, row.locked_until)


def put(connection: sa.Connection, access_key_id: str, failures: Failures) -> None:
    """Record the failures of a key that exists."""
    forget(connection, access_key_id)
    connection.execute(
        failed_signatures.insert().values(
            access_key_id=access_key_id, failures=failures.count, locked_until=failures.locked_until
        )
    )


def forget(connection: sa.Connection, access_key_id: str) -> None:
    """The key has no failures any more."""
    connection.execute(failed_signatures.delete().where(_THE_KEY), {"wanted": access_key_id})
