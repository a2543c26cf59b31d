"""Whose a bucket is, for object stores that do not know the region's accounts."""

import sqlalchemy as sa

from souche.db.schema import buckets


def owner(connection: sa.Connection, name: str) -> str | None:
    """The account that the bucket was given to; None: to none."""
    return connection.scalar(sa.select(buckets.c.account_id).where(buckets.c.name == name))


def give(connection: sa.Connection, name: str, account_id: str) -> None:
    """Give a bucket that has no owner to an account."""
    connection.execute(buckets.insert().values(name=name, account_id=account_id))
