"""Which account a command is for, where the region may have one only."""

from typing import Annotated, TypeAlias

import typer

from souche.app import accounts
from souche.app.region import Region
from souche.errors import Invalid
from souche.model.accounts import PROVIDER_NAME, Account


class WhichAccount(Invalid):
    """The account is not known: say it by --account."""


AccountFlag: TypeAlias = Annotated[
    str | None, typer.Option("--account", help="Name or ID of the account, where there are several.")
]


def chosen(region: Region, account: str | None) -> Account:
    """The account of a name or an id; None: the only one that there is beside the provider's.

    Raises:
        NoSuchAccount. WhichAccount: there are several, or none.
    """
    if account is not None:
        return accounts.known(region, account)
    users = [each for each in accounts.every(region) if each.name != PROVIDER_NAME]
    if len(users) != 1:
        raise WhichAccount
    return users[0]
