"""The owners of buckets, and their policies. For an object store without the region's accounts, these records decide.
The embedded one knows the owners itself, and the records follow it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from souche.db.schema import buckets


@dataclass(frozen=True)
class PendingPolicy:
    """A policy that may not be in force yet, in the form that the object store obeys; None: there must be none."""

    bucket: str
    obeyed: str | None


def owner(connection: sa.Connection, name: str) -> str | None:
    """The account that has the bucket; None: none has."""
    return connection.scalar(sa.select(buckets.c.account_id).where(buckets.c.name == name))


def give(connection: sa.Connection, name: str, account_id: str) -> None:
    """Give a bucket that has no owner to an account."""
    connection.execute(buckets.insert().values(name=name, account_id=account_id))


def record(connection: sa.Connection, name: str, account_id: str) -> None:
    """Record a bucket and its account. A record with another account is of a former bucket, and is replaced."""
    known = owner(connection, name)
    if known not in (None, account_id):
        forget(connection, name)
    if known != account_id:
        give(connection, name, account_id)


def forget(connection: sa.Connection, name: str) -> None:
    """Forget a bucket; gone already is success."""
    connection.execute(buckets.delete().where(buckets.c.name == name))


def every(connection: sa.Connection) -> Mapping[str, str]:
    """The account of each bucket, by name."""
    rows = connection.execute(sa.select(buckets.c.name, buckets.c.account_id))
    return {row.name: row.account_id for row in rows}


def policy(connection: sa.Connection, name: str) -> str | None:
    """The policy as its owner has sent it."""
    return connection.scalar(sa.select(buckets.c.policy).where(buckets.c.name == name))


def obeyed_policy(connection: sa.Connection, name: str) -> str | None:
    """The policy in the form that the object store obeys."""
    return connection.scalar(sa.select(buckets.c.obeyed_policy).where(buckets.c.name == name))


def set_policy(connection: sa.Connection, name: str, document: str | None, obeyed: str | None) -> None:
    """Record a policy that is not in force yet."""
    changed = {"policy": document, "obeyed_policy": obeyed, "policy_pending": True}
    connection.execute(buckets.update().where(buckets.c.name == name).values(changed))


def policy_applied(connection: sa.Connection, name: str, obeyed: str | None) -> None:
    """Record that a policy is in force, unless another one was sent since."""
    ours = buckets.c.obeyed_policy.is_(None) if obeyed is None else buckets.c.obeyed_policy == obeyed
    connection.execute(buckets.update().where(buckets.c.name == name, ours).values(policy_pending=False))


def policies(connection: sa.Connection, *, pending_only: bool) -> list[PendingPolicy]:
    """The policies that may not be in force yet; or all, for a store that may be another one."""
    table = buckets
    wanted: sa.ColumnElement[bool] = table.c.policy_pending
    if not pending_only:
        wanted = sa.or_(table.c.policy_pending, table.c.obeyed_policy.is_not(None))
    rows = connection.execute(sa.select(table.c.name, table.c.obeyed_policy).where(wanted))
    return [PendingPolicy(row.name, row.obeyed_policy) for row in rows]
