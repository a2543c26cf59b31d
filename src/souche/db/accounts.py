"""Accounts. Those that were deleted are in no answer."""

from dataclasses import asdict

import sqlalchemy as sa

from souche.db.query import AnyRow
from souche.db.schema import accounts
from souche.model.accounts import Account

_LIVE = accounts.select().where(accounts.c.deletion_date.is_(None))


def insert(connection: sa.Connection, account: Account) -> None:
    """Write a new account."""
    connection.execute(accounts.insert().values(asdict(account)))


def update(connection: sa.Connection, account: Account) -> None:
    """Write an account's present attributes over the old ones."""
    here = accounts.c.account_id == account.account_id
    connection.execute(accounts.update().where(here).values(asdict(account)))


def get(connection: sa.Connection, account_id: str) -> Account | None:
    """The account of this id."""
    row = connection.execute(_LIVE.where(accounts.c.account_id == account_id)).one_or_none()
    return None if row is None else _account(row)


def named(connection: sa.Connection, name: str) -> Account | None:
    """The account of this name."""
    row = connection.execute(_LIVE.where(accounts.c.name == name)).one_or_none()
    return None if row is None else _account(row)


def id_of(connection: sa.Connection, account: str) -> str | None:
    """The id of the account of this id or name; None: there is none."""
    found = get(connection, account) or named(connection, account)
    return None if found is None else found.account_id


def aliased(connection: sa.Connection, alias: str) -> Account | None:
    """The oldest account of this alias."""
    oldest = _LIVE.order_by(accounts.c.creation_date, accounts.c.account_id)
    row = connection.execute(oldest.where(accounts.c.alias == alias).limit(1)).one_or_none()
    return None if row is None else _account(row)


def every(connection: sa.Connection) -> list[Account]:
    """All accounts of the region, oldest first."""
    rows = connection.execute(_LIVE.order_by(accounts.c.creation_date, accounts.c.account_id))
    return [_account(row) for row in rows]


def _account(row: AnyRow) -> Account:
    return Account(row.account_id, row.name, row.alias, row.creation_date, row.disabled)
