"""Accounts."""

from typing import TypedDict

from souche.admin.action import Administered, action
from souche.app import accounts, api_access_rules
from souche.app.access_keys import Credentials
from souche.model.accounts import Account


class MadeAccount(TypedDict):
    """A new account; an existing one has a key only if one was made."""

    AccountId: str
    AccessKeyId: str | None
    SecretKey: str | None


class AccountFacts(TypedDict):
    """The shown facts of an account."""

    AccountId: str
    Name: str
    Alias: str
    State: str


class RuleFacts(TypedDict):
    """The shown facts of an API access rule."""

    ApiAccessRuleId: str
    IpRanges: list[str]
    Description: str


@action
def create(
    at: Administered,
    name: str,
    alias: str | None,
    *,
    access_key_id: str | None,
    secret: str | None,
    if_missing: bool,
) -> MadeAccount:
    """Create an account with an access key: the given one, or a new one."""
    given = None if access_key_id is None or secret is None else Credentials(access_key_id, secret)
    if if_missing:
        account, made = accounts.create_if_missing(at.region, name, alias, given)
    else:
        account, key, own_secret = accounts.create(at.region, name, alias, given)
        made = Credentials(key.access_key_id, own_secret)
    return {
        "AccountId": account.account_id,
        "AccessKeyId": made.access_key_id if made else None,
        "SecretKey": made.secret if made else None,
    }


@action
def every(at: Administered) -> list[AccountFacts]:
    """The accounts."""
    return [facts(account) for account in accounts.every(at.region)]


@action
def known(at: Administered, account: str) -> AccountFacts:
    """An account by its name or id."""
    return facts(accounts.known(at.region, account))


@action
def api_access(at: Administered, account: str, *, reset: bool) -> list[RuleFacts]:
    """The API access rules of an account. `reset` first replaces them by one that admits every address."""
    found = accounts.known(at.region, account)
    if reset:
        api_access_rules.reset(at.region, found)
    return [
        {
            "ApiAccessRuleId": rule.rule_id,
            "IpRanges": list(rule.ip_ranges),
            "Description": rule.description,
        }
        for rule in api_access_rules.of_account(at.region, found.account_id)
    ]


@action
def rename(at: Administered, account: str, name: str) -> AccountFacts:
    """Rename an account."""
    return facts(accounts.rename(at.region, accounts.known(at.region, account), name))


@action
def set_disabled(at: Administered, account: str, *, disabled: bool) -> AccountFacts:
    """Disable or enable an account."""
    return facts(accounts.set_disabled(at.region, accounts.known(at.region, account), disabled=disabled))


def facts(account: Account) -> AccountFacts:
    """The shown facts of an account."""
    return {
        "AccountId": account.account_id,
        "Name": account.name,
        "Alias": account.alias or "",
        "State": "disabled" if account.disabled else "enabled",
    }
