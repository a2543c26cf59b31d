"""Accounts on the wire."""

from collections.abc import Mapping

from souche.api.protocol.dispatch import Call
from souche.app import accounts
from souche.model.accounts import Account


def read_accounts(call: Call) -> Mapping[str, object]:
    """ReadAccounts: the caller's own account."""
    account = accounts.get(call.region, call.who)
    return {"Accounts": [_account(account)] if account else []}


def _account(account: Account) -> dict[str, object]:
    """The region keeps no postal address and no contact person of an account: those fields are empty."""
    unknown = ("City", "Country", "Email", "FirstName", "LastName", "ZipCode")
    return {
        "AccountId": account.account_id,
        "AdditionalEmails": [],
        "CompanyName": account.name,
        "CustomerId": account.account_id[-8:],  # a customer's ID has 8 digits (reference "Identifiers")
        **dict.fromkeys(unknown, ""),
    }
