"""Accounts: who works in the region."""

from souche.app import access_keys
from souche.app.region import Region
from souche.db import access_keys as key_rows
from souche.db import accounts
from souche.model.accounts import AccessKey, Account, Principal
from souche.refusals import AccountNameTaken, BadValue, NoSuchAccount

NAME_LENGTH = range(1, 255 + 1)


def create(region: Region, name: str, alias: str | None = None) -> tuple[Account, AccessKey, str]:
    """Make an account with its first access key, whose secret is told here and never again.

    `alias` is what others see beside the images that the account publishes; only the operator gives one.

    Raises:
        AccountNameTaken: another account has the name.
        BadValue: the name or the alias is empty or longer than 255 characters.
    """
    _check(name, alias)
    account = Account(region.ids.account_id(), name, alias, region.clock.now())
    key, secret = access_keys.new(region, account.account_id)
    with region.begin() as work:
        if accounts.named(work.connection, name) is not None:
            raise AccountNameTaken(name=name)
        accounts.insert(work.connection, account)
        key_rows.insert(work.connection, key)
    return account, key, secret


def _check(name: str, alias: str | None) -> None:
    if len(name) not in NAME_LENGTH:
        raise BadValue(parameter="name", reason="it takes 1 to 255 characters.")
    if alias is not None and len(alias) not in NAME_LENGTH:
        raise BadValue(parameter="alias", reason="it takes 1 to 255 characters.")


def get(region: Region, who: Principal) -> Account | None:
    """The caller's own account."""
    with region.store.read() as connection:
        return accounts.get(connection, who.account_id)


def named(region: Region, name: str) -> Account | None:
    """The account of this name, for the operator's commands."""
    with region.store.read() as connection:
        return accounts.named(connection, name)


def known(region: Region, account: str) -> Account:
    """The account of this name, or of this id, for the operator's commands.

    Raises:
        NoSuchAccount.
    """
    with region.store.read() as connection:
        found = accounts.named(connection, account) or accounts.get(connection, account)
    if found is None:
        raise NoSuchAccount(account=account)
    return found


def every(region: Region) -> list[Account]:
    """All accounts, oldest first, for the operator's commands."""
    with region.store.read() as connection:
        return accounts.every(connection)
