"""Explicit grants on images and snapshots, kept alike for both: rows of (resource id, account id)."""

from collections import defaultdict
from collections.abc import Collection, Mapping

import sqlalchemy as sa

from souche.db.query import Criterion, batches


def of_resources(
    connection: sa.Connection, id_column: sa.Column[str], ids: Collection[str]
) -> Mapping[str, tuple[str, ...]]:
    """The accounts that each resource is granted to, in ascending order; resources without grants give ()."""
    table = id_column.table
    found: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for batch in batches(ids):
        statement = sa.select(id_column, table.c.account_id).where(id_column.in_(batch))
        for resource_id, account_id in connection.execute(statement.order_by(table.c.account_id)):
            found[resource_id] += (account_id,)
    return found


def add(
    connection: sa.Connection,
    id_column: sa.Column[str],
    resource_id: str,
    account_ids: Collection[str],
    **more: object,
) -> None:
    """Grant to accounts; to grant again changes nothing. `more`: what else the rows have."""
    remove(connection, id_column, resource_id, account_ids)
    for account_id in dict.fromkeys(account_ids):
        row = {id_column.name: resource_id, "account_id": account_id, **more}
        connection.execute(sa.insert(id_column.table).values(row))


def remove(
    connection: sa.Connection, id_column: sa.Column[str], resource_id: str, account_ids: Collection[str]
) -> None:
    """Take grants back; one that is not there is no error."""
    table = id_column.table
    connection.execute(sa.delete(table).where(id_column == resource_id, table.c.account_id.in_(account_ids)))


def scopes(
    resources: sa.Table,
    id_column: sa.Column[str],
    grant_id: sa.Column[str],
    account_id: str | sa.BindParameter[str],
) -> list[Criterion]:
    """What makes a row of `resources` usable by an account, for a `Finder`: its own, which comes first,
    public, or granted."""
    granted = sa.select(grant_id).where(grant_id.table.c.account_id == account_id)
    return [resources.c.account_id == account_id, resources.c.public, id_column.in_(granted)]


def usable(
    resources: sa.Table,
    id_column: sa.Column[str],
    grant_id: sa.Column[str],
    account_id: str | sa.BindParameter[str],
) -> Criterion:
    """The condition under which an account can use a row of `resources`, for the look-up of one. It is in the WHERE
    clause, so that an unusable row is not read, and takes the same time as a missing one."""
    return sa.or_(*scopes(resources, id_column, grant_id, account_id))
