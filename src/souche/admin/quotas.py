"""Quotas of accounts."""

from typing import TypedDict

from souche.admin.action import Administered, action
from souche.app import accounts, quotas


class QuotaFacts(TypedDict):
    """A quota, and how much of it the account uses."""

    Name: str
    MaxValue: int
    UsedValue: int


@action
def of_account(at: Administered, account: str) -> list[QuotaFacts]:
    """The quotas of an account."""
    found = accounts.known(at.region, account)
    return [
        {"Name": usage.quota.name, "MaxValue": usage.limit, "UsedValue": usage.used}
        for usage in quotas.usage(at.region, found.account_id)
    ]


@action
def set_limit(at: Administered, account: str, name: str, value: int) -> QuotaFacts:
    """Set a quota of an account."""
    quotas.set_limit(at.region, accounts.known(at.region, account), name, value)
    return next(each for each in of_account(at, account) if each["Name"] == name)
