"""From which addresses an account's keys may be used."""

import pytest

from souche.app import accounts, api_access_rules
from souche.app.api_access_rules import MOST_RANGES, Changes
from souche.app.context.region import Region
from souche.model.accounts import Principal
from souche.model.api_access_rules import EVERYWHERE
from souche.refusals import LastApiAccessRule, NoSuchApiAccessRule
from souche.value_refusals import BadIpRange, BadValue, MissingParameter
from tests.support.resources import make_api_access_rule


def may(region: Region, who: Principal, *addresses: str) -> list[bool]:
    return [api_access_rules.may_call(region, who.account_id, address) for address in addresses]


def the_first(region: Region, who: Principal) -> str:
    rules = api_access_rules.find(region, who)
    return next(rule.rule_id for rule in rules if rule.ip_ranges == EVERYWHERE)


def test_an_account_begins_with_one_rule_that_lets_everybody_in(region: Region, alice: Principal) -> None:
    (rule,) = api_access_rules.find(region, alice)
    assert rule.ip_ranges == EVERYWHERE
    assert may(region, alice, "203.0.113.9", "2001:db8::1") == [True, True]


def test_requests_come_from_the_ranges_of_any_rule(region: Region, alice: Principal, bob: Principal) -> None:
    make_api_access_rule(region, alice, "192.0.2.0/24", "198.51.100.7/32")
    make_api_access_rule(region, alice, "2001:db8::/32")
    api_access_rules.delete(region, alice, the_first(region, alice))
    asked = ("192.0.2.255", "192.0.3.0", "198.51.100.7", "198.51.100.8", "2001:db8::1", "2001:db9::1")
    assert may(region, alice, *asked) == [True, False, True, False, True, False]
    assert may(region, bob, *asked) == [True] * len(asked)


def test_an_ipv4_address_is_known_on_an_ipv6_socket_and_nonsense_comes_from_nowhere(
    region: Region, alice: Principal
) -> None:
    make_api_access_rule(region, alice, "192.0.2.0/24", "fe80::/10")
    api_access_rules.delete(region, alice, the_first(region, alice))
    asked = ("::ffff:192.0.2.1", "::ffff:192.0.3.1", "fe80::1%eth0", "", "unix")
    assert may(region, alice, *asked) == [True, False, True, False, False]


def test_a_change_counts_from_the_next_request_on(region: Region, alice: Principal) -> None:
    rule_id = the_first(region, alice)
    assert may(region, alice, "203.0.113.9") == [True]
    changed = api_access_rules.update(region, alice, rule_id, Changes(("192.0.2.0/24",), None))
    assert (changed.ip_ranges, changed.description) == (("192.0.2.0/24",), "")
    assert may(region, alice, "203.0.113.9") == [False]
    changed = api_access_rules.update(region, alice, rule_id, Changes(None, "the office"))
    assert (changed.ip_ranges, changed.description) == (("192.0.2.0/24",), "the office")
    assert api_access_rules.find(region, alice) == [changed]


def test_the_last_rule_stays(region: Region, alice: Principal) -> None:
    with pytest.raises(LastApiAccessRule):
        api_access_rules.delete(region, alice, the_first(region, alice))
    assert may(region, alice, "203.0.113.9") == [True]


def test_a_rule_of_another_account_is_unknown(region: Region, alice: Principal, bob: Principal) -> None:
    theirs = make_api_access_rule(region, bob).rule_id
    for refused in (
        lambda: api_access_rules.delete(region, alice, theirs),
        lambda: api_access_rules.update(region, alice, theirs, Changes(description="mine")),
    ):
        with pytest.raises(NoSuchApiAccessRule):
            refused()


@pytest.mark.parametrize("bad", ["", "x", "192.0.2.0/33", "192.0.2.1-192.0.2.9", "300.0.0.1"])
def test_a_range_that_is_none_is_refused(region: Region, alice: Principal, bad: str) -> None:
    with pytest.raises(BadIpRange):
        make_api_access_rule(region, alice, "192.0.2.0/24", bad)
    with pytest.raises(BadIpRange):
        api_access_rules.update(region, alice, the_first(region, alice), Changes(ip_ranges=(bad,)))


def test_what_is_too_much_is_refused(region: Region, alice: Principal) -> None:
    with pytest.raises(MissingParameter):
        api_access_rules.create(region, alice, (), "")
    with pytest.raises(BadValue):
        make_api_access_rule(region, alice, description="x" * 256)
    with pytest.raises(BadValue):
        make_api_access_rule(region, alice, *["192.0.2.0/24"] * (MOST_RANGES + 1))
    full = make_api_access_rule(region, alice, *["192.0.2.0/24"] * (MOST_RANGES - len(EVERYWHERE)))
    with pytest.raises(BadValue, match="at most 200 ranges"):
        make_api_access_rule(region, alice)
    changes = Changes(ip_ranges=("192.0.2.0/24",) * MOST_RANGES)
    with pytest.raises(BadValue, match="at most 200 ranges"):
        api_access_rules.update(region, alice, full.rule_id, changes)
    assert len(api_access_rules.find(region, alice)) == 2


def test_the_operator_lets_an_account_in_again(region: Region, alice: Principal) -> None:
    api_access_rules.update(region, alice, the_first(region, alice), Changes(("192.0.2.0/24",)))
    make_api_access_rule(region, alice)
    api_access_rules.reset(region, accounts.known(region, alice.account_id))
    assert [rule.ip_ranges for rule in api_access_rules.find(region, alice)] == [EVERYWHERE]
    assert may(region, alice, "203.0.113.9") == [True]
