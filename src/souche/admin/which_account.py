"""The account of a command, if the region has several."""

from souche.app import accounts
from souche.app.context.region import Region
from souche.errors import Invalid
from souche.model.accounts import PROVIDER_NAME, Account, Principal


class WhichAccount(Invalid):
    """The account is not known: name it with --account."""


def chosen(region: Region, account: str | None) -> Account:
    """The account with this name or id; None: the only account other than the provider's.

    Raises:
        NoSuchAccount. WhichAccount: there are several, or none.
    """
    if account is not None:
        return accounts.known(region, account)
    users = [each for each in accounts.every(region) if each.name != PROVIDER_NAME]
    if len(users) != 1:
        raise WhichAccount
    return users[0]


def who(region: Region, account: str | None) -> Principal:
    """The same account, as a caller."""
    return Principal(chosen(region, account).account_id)
