"""Accounts of the region."""

from dataclasses import replace
from typing import Any

from souche.app import access_keys, api_access_rules
from souche.app.access_keys import Credentials
from souche.app.context.region import Region
from souche.db import access_keys as key_rows
from souche.db import accounts
from souche.db import api_access_rules as rule_rows
from souche.db.transactions import Transaction
from souche.formats.look_alikes import is_latin, look
from souche.model.accounts import PROVIDER_ALIAS, PROVIDER_NAME, AccessKey, Account, Principal
from souche.refusals import AccessKeyTaken, AccountAliasTaken, AccountNameTaken, NoSuchAccount, ProvidersName
from souche.value_refusals import BadValue
from souche.words import Term

NAME_LENGTH = range(1, 255 + 1)


def create(
    region: Region, name: str, alias: str | None = None, credentials: Credentials | None = None
) -> tuple[Account, AccessKey, str]:
    """Create an account with its first access key. Only this answer shows the secret. `credentials`: the key to use;
    None: a new one. Others see `alias` with the images that the account publishes, and can find images by it. Only the
    operator sets it.

    Raises:
        AccessKeyTaken: there is a key of this id.
        AccountNameTaken: another account has the name.
        AccountAliasTaken: another account has the alias, or one that looks like it.
        ProvidersName: the name or the alias looks like the provider's, which identifies official images.
        BadValue: the name or the alias is empty or longer than 255 characters, or the alias has letters that are not
            Latin.
    """
    _check(name, alias)
    account = Account(region.ids.account_id(), name, alias, region.clock.now())
    key, secret = access_keys.new(region, account.account_id, credentials=credentials)
    with region.begin() as work:
        _check_free(work.connection, key)
        if accounts.named(work.connection, name) is not None:
            raise AccountNameTaken(name=name)
        _check_alias(accounts.every(work.connection), alias)
        accounts.insert(work.connection, account)
        key_rows.insert(work.connection, key)
        rule_rows.insert(work.connection, api_access_rules.first(region, account))
    return account, key, secret


def create_if_missing(
    region: Region, name: str, alias: str | None = None, credentials: Credentials | None = None
) -> tuple[Account, Credentials | None]:
    """The account of this name, and its new credentials. It is made if it is missing. An existing account gets the
    access key of `credentials` unless it has it already; its alias stays.

    Raises:
        As `create`. AccessKeyTaken: a key of this id has another secret, or is another account's.
    """
    found = named(region, name)
    if found is None:
        account, key, secret = create(region, name, alias, credentials)
        return account, Credentials(key.access_key_id, secret)
    if credentials is not None:
        _give(region, found, credentials)
    return found, credentials


def _give(region: Region, account: Account, credentials: Credentials) -> None:
    key, secret = access_keys.new(region, account.account_id, credentials=credentials)
    with region.begin() as work:
        there = key_rows.get(work.connection, key.access_key_id)
        if there is None:
            key_rows.insert(work.connection, key)
        elif there.account_id != account.account_id or region.vault.unseal(there.sealed_secret) != secret:
            raise AccessKeyTaken(access_key_id=key.access_key_id)


def _check_free(connection: Transaction, key: AccessKey) -> None:
    if key_rows.get(connection, key.access_key_id) is not None:
        raise AccessKeyTaken(access_key_id=key.access_key_id)


def rename(region: Region, account: Account, name: str) -> Account:
    """Rename an account. Its id, its alias and its resources stay.

    Raises:
        AccountNameTaken. ProvidersName: the account is the provider's, or the name looks like its. BadValue.
    """
    if account.name == PROVIDER_NAME:
        raise ProvidersName(name=account.name)
    _check(name, account.alias)
    with region.begin() as work:
        other = accounts.named(work.connection, name)
        if other is not None and other.account_id != account.account_id:
            raise AccountNameTaken(name=name)
        return change(work.connection, account, name=name)


def set_disabled(region: Region, account: Account, *, disabled: bool) -> Account:
    """Disable all keys of an account, or enable them again. Its resources stay, and its VMs keep running."""
    with region.begin() as work:
        return change(work.connection, account, disabled=disabled)


def change(connection: Transaction, account: Account, **changes: Any) -> Account:
    """Change some fields of an account; the others stay as they are now.

    Raises:
        NoSuchAccount: it is deleted.
    """
    now = accounts.get(connection, account.account_id)
    if now is None:
        raise NoSuchAccount(account=account.account_id)
    changed = replace(now, **changes)
    accounts.update(connection, changed)
    return changed


def check_texts(name: str, alias: str | None) -> None:
    """Refuse a name and an alias that no account can have.

    Raises:
        BadValue: one is empty or longer than 255 characters, or the alias has letters that are not Latin.
    """
    if len(name) not in NAME_LENGTH:
        raise BadValue(parameter=Term.ACCOUNT_NAME, reason="1 to 255 characters are expected.")
    if alias is not None and len(alias) not in NAME_LENGTH:
        raise BadValue(parameter=Term.ACCOUNT_ALIAS, reason="1 to 255 characters are expected.")
    if alias is not None and not is_latin(alias):
        raise BadValue(
            parameter=Term.ACCOUNT_ALIAS,
            reason="Latin letters, digits, spaces and ASCII punctuation are expected.",
        )


def _check(name: str, alias: str | None) -> None:
    check_texts(name, alias)
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
