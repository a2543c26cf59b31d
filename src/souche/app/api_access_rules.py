"""API access rules: the addresses from which an account's keys may be used.

A new account has one rule that admits every address. The last rule cannot be deleted (OUTSCALE's description of
DeleteApiAccessRule). A caller may lock itself out; the operator can undo that (`souche account api-access --reset`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_network
from typing import Final

from souche import ids
from souche.app.context.region import Region
from souche.db import api_access_rules
from souche.db.transactions import Transaction
from souche.model.accounts import Account, Principal
from souche.model.api_access_rules import EVERYWHERE, ApiAccessRule, lets_in
from souche.refusals import LastApiAccessRule, NoSuchApiAccessRule
from souche.value_refusals import BadIpRange, BadValue, MissingParameter
from souche.words import Term

LONGEST_DESCRIPTION: Final = 255
MOST_RANGES: Final = 200
"""in all rules of an account; our limit, because each request is compared with all ranges"""
ADDRESSES_KEPT: Final = 64
RULES_BYTES: Final = 256 * (MOST_RANGES + ADDRESSES_KEPT)  # most memory for the rules of an account


@dataclass(frozen=True)
class Changes:
    """The fields to change; None leaves a field as it is."""

    ip_ranges: tuple[str, ...] | None = None
    description: str | None = None


def first(region: Region, account: Account) -> ApiAccessRule:
    """The rule of a new account."""
    return ApiAccessRule(
        region.ids.new(ids.API_ACCESS_RULE), account.account_id, EVERYWHERE, "", account.creation_date
    )


def may_call(region: Region, account_id: str, address: str) -> bool:
    """Whether an account may call from an address. Every request asks this, so the rules are cached until the next
    commit. An account without rules, in a database that was changed by hand, admits every address."""
    is_admitted = region.store.cache.get_or_read(
        ("API access rules", account_id), RULES_BYTES, lambda: _gate(region, account_id)
    )
    return is_admitted(address)


def _gate(region: Region, account_id: str) -> Callable[[str], bool]:
    """Whether the account's rules admit an address. Answers are kept: the library takes 5 us to read an address."""
    with region.store.read() as connection:
        rules = api_access_rules.of_account(connection, account_id)
    networks = tuple(ip_network(ip_range, strict=False) for rule in rules for ip_range in rule.ip_ranges)
    return lru_cache(ADDRESSES_KEPT)(lambda address: not networks or lets_in(networks, address))


def create(region: Region, who: Principal, ip_ranges: tuple[str, ...], description: str) -> ApiAccessRule:
    """Admit the caller's requests from more addresses.

    Raises:
        MissingParameter: there is no range. BadIpRange, BadValue.
    """
    if not ip_ranges:
        raise MissingParameter(parameter=Term.IP_RANGES)
    _check(ip_ranges, description)
    rule = ApiAccessRule(
        region.ids.new(ids.API_ACCESS_RULE), who.account_id, ip_ranges, description, region.clock.now()
    )
    with region.begin() as work:
        api_access_rules.insert(work.connection, rule)
        _check_number(work.connection, who)
    return rule


def find(region: Region, who: Principal) -> list[ApiAccessRule]:
    """The rules of the caller's account, oldest first."""
    return of_account(region, who.account_id)


def of_account(region: Region, account_id: str) -> list[ApiAccessRule]:
    """The rules of an account, oldest first, for the operator's commands too."""
    with region.store.read() as connection:
        return api_access_rules.of_account(connection, account_id)


def update(region: Region, who: Principal, rule_id: str, changes: Changes) -> ApiAccessRule:
    """Replace a rule of the caller's account.

    Raises:
        NoSuchApiAccessRule. BadIpRange, BadValue.
    """
    _check(changes.ip_ranges or (), changes.description or "")
    with region.begin() as work:
        rule = _own(work.connection, who, rule_id)
        if changes.ip_ranges:
            rule = replace(rule, ip_ranges=changes.ip_ranges)
        if changes.description is not None:
            rule = replace(rule, description=changes.description)
        api_access_rules.update(work.connection, rule)
        _check_number(work.connection, who)
    return rule


def delete(region: Region, who: Principal, rule_id: str) -> None:
    """Delete a rule of the caller's account.

    Raises:
        NoSuchApiAccessRule. LastApiAccessRule: it is the last.
    """
    with region.begin() as work:
        _own(work.connection, who, rule_id)
        if len(api_access_rules.of_account(work.connection, who.account_id)) == 1:
            raise LastApiAccessRule(rule_id=rule_id)
        api_access_rules.erase(work.connection, rule_id)


def reset(region: Region, account: Account) -> ApiAccessRule:
    """Replace an account's rules by the one that admits every address. For the operator."""
    rule = replace(first(region, account), creation_date=region.clock.now())
    with region.begin() as work:
        for each in api_access_rules.of_account(work.connection, account.account_id):
            api_access_rules.erase(work.connection, each.rule_id)
        api_access_rules.insert(work.connection, rule)
    return rule


def _own(connection: Transaction, who: Principal, rule_id: str) -> ApiAccessRule:
    for rule in api_access_rules.of_account(connection, who.account_id):
        if rule.rule_id == rule_id:
            return rule
    raise NoSuchApiAccessRule(rule_id=rule_id)


def _check_number(connection: Transaction, who: Principal) -> None:
    rules = api_access_rules.of_account(connection, who.account_id)
    if sum(len(rule.ip_ranges) for rule in rules) > MOST_RANGES:
        reason = f"the rules of an account may have at most {MOST_RANGES} ranges."
        raise BadValue(parameter=Term.IP_RANGES, reason=reason)


def _check(ip_ranges: tuple[str, ...], description: str) -> None:
    if len(ip_ranges) > MOST_RANGES:
        raise BadValue(parameter=Term.IP_RANGES, reason=f"it may have at most {MOST_RANGES} ranges.")
    if len(description) > LONGEST_DESCRIPTION:
        raise BadValue(
            parameter=Term.DESCRIPTION, reason=f"it may have at most {LONGEST_DESCRIPTION} characters."
        )
    for ip_range in ip_ranges:
        try:
            ip_network(ip_range, strict=False)
        except ValueError as error:
            raise BadIpRange(ip_range=ip_range, reason=str(error)) from error
