"""Accounts: who works in the region."""

from souche.app import access_keys
from souche.app.region import Region
from souche.db import access_keys as key_rows
from souche.db import accounts
from souche.formats.look_alikes import is_latin, look
from souche.model.accounts import PROVIDER_ALIAS, PROVIDER_NAME, AccessKey, Account, Principal
from souche.refusals import AccountAliasTaken, AccountNameTaken, BadValue, NoSuchAccount, ProvidersName

NAME_LENGTH = range(1, 255 + 1)


def create(region: Region, name: str, alias: str | None = None) -> tuple[Account, AccessKey, str]:
    """Make an account with its first access key, whose secret is told here and never again.

    `alias` is what others see beside the images that the account publishes, and find them by; only the operator
    gives one.

    Raises:
        AccountNameTaken: another account has the name.
        AccountAliasTaken: another account has the alias, or one that looks like it.
        ProvidersName: the name or the alias looks like the provider's, which official images are found by.
        BadValue: the name or the alias is empty or longer than 255 characters, or the alias has letters that are
            not Latin.
    """
    _check(name, alias)
    account = Account(region.ids.account_id(), name, alias, region.clock.now())
    key, secret = access_keys.new(region, account.account_id)
    with region.begin() as work:
        if accounts.named(work.connection, name) is not None:
            raise AccountNameTaken(name=name)
        _check_alias(accounts.every(work.connection), alias)
        accounts.insert(work.connection, account)
        key_rows.insert(work.connection, key)
    return account, key, secret


def _check(name: str, alias: str | None) -> None:
    if len(name) not in NAME_LENGTH:
        raise BadValue(parameter="name", reason="it takes 1 to 255 characters.")
    if alias is not None and len(alias) not in NAME_LENGTH:
        raise BadValue(parameter="alias", reason="it takes 1 to 255 characters.")
    if alias is not None and not is_latin(alias):
        raise BadValue(parameter="alias", reason="it takes Latin letters, digits, spaces and signs of ASCII.")
    if (name, alias) != (PROVIDER_NAME, PROVIDER_ALIAS):
        for given in (name, alias or ""):
            if look(given) == look(PROVIDER_ALIAS):
                raise ProvidersName(name=given)


def _check_alias(others: list[Account], alias: str | None) -> None:
    for other in others:
        if alias is not None and other.alias is not None and look(other.alias) == look(alias):
            raise AccountAliasTaken(alias=alias, account=other.name, other=other.alias)


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
