"""The scripts of the firewalls, by their exact text where that is short, and by their lines."""

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from souche.compute.libvirt.firewall_rules import (
    AllowedRoutes,
    GuestFirewall,
    State,
    change,
    removal,
    ruleset,
)
from souche.compute.libvirt.names import Names
from souche.model.security_groups import Rule

NAMES = Names("t1")
WAYS = AllowedRoutes(IPv4Network("10.0.4.0/22"), IPv4Network("198.19.7.0/24"))
GROUP, OTHER = "sg-0000000a", "sg-0000000b"
ALONE = GuestFirewall("i-00000001", "aa:00:00:00:00:01", "10.0.4.9")
GUEST = GuestFirewall("i-00000001", "aa:00:00:00:00:01", "10.0.4.9", (GROUP,))
PORT = NAMES.port(GUEST.vm_id)
SSH = Rule("tcp", 22, 22, "10.0.4.1/32")


def state(*guests: GuestFirewall, **rules: tuple[Rule, ...]) -> State:
    by_group = {group_id.replace("_", "-"): of_group for group_id, of_group in rules.items()}
    return State({guest.vm_id: guest for guest in guests}, by_group)


def let_in(*rules: Rule) -> list[str]:
    """The rules of the group's chain."""
    prefix = "add rule ip souche_t1 group_sg_0000000a "
    script = change(NAMES, State(), State({}, {GROUP: rules}))
    return [line.removeprefix(prefix) for line in script.splitlines() if line.startswith(prefix)]


RULESET = f"""\
table ip souche_t1
delete table ip souche_t1
table bridge souche_t1
delete table bridge souche_t1
table ip souche_t1 {{
  map guests {{ type ipv4_addr : verdict; }}
  map public_ips {{ type ipv4_addr : ipv4_addr; }}
  chain guests {{
    ct state established,related accept
    ip saddr 10.0.4.1 udp sport 67 udp dport 68 accept
    ip daddr vmap @guests
  }}
  chain public_prerouting {{
    type nat hook prerouting priority -100; policy accept;
    iifname "sout1" dnat to ip daddr map @public_ips
  }}
  chain public_output {{
    type nat hook output priority -100; policy accept;
    dnat to ip daddr map @public_ips
  }}
  chain forward {{
    type filter hook forward priority -10; policy accept;
    ip daddr 198.19.7.0/24 reject with icmp type host-unreachable
    iifname "sout1" oifname != "sout1" drop
    oifname "sout1" jump guests
  }}
  chain output {{
    type filter hook output priority -10; policy accept;
    ip daddr 198.19.7.0/24 reject with icmp type host-unreachable
    oifname "sout1" icmp type redirect drop
    oifname "sout1" jump guests
  }}
}}
table bridge souche_t1 {{
  set ports {{ type ifname; }}
  set macs {{ type ifname . ether_addr; }}
  set addresses {{ type ifname . ether_addr . ipv4_addr; }}
  chain guest {{
    iifname . ether saddr != @macs drop
    iifname . ether saddr . ip saddr @addresses accept
    ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
    iifname . arp saddr ether . arp saddr ip @addresses accept
    arp saddr ip 0.0.0.0 iifname . arp saddr ether @macs accept
    drop
  }}
  chain ports {{
    type filter hook prerouting priority -300; policy accept;
    iifname @ports jump guest
  }}
}}
add set ip souche_t1 members_sg_0000000a {{ type ipv4_addr; }}
add chain ip souche_t1 group_sg_0000000a
flush chain ip souche_t1 group_sg_0000000a
add rule ip souche_t1 group_sg_0000000a ip saddr 10.0.4.1/32 tcp dport 22-22 accept
add chain ip souche_t1 in_sg_0000000a
flush chain ip souche_t1 in_sg_0000000a
add rule ip souche_t1 in_sg_0000000a jump group_sg_0000000a
add rule ip souche_t1 in_sg_0000000a drop
add element ip souche_t1 guests {{ 10.0.4.9 : jump in_sg_0000000a }}
add element bridge souche_t1 ports {{ "{PORT}" }}
add element bridge souche_t1 macs {{ "{PORT}" . aa:00:00:00:00:01 }}
add element bridge souche_t1 addresses {{ "{PORT}" . aa:00:00:00:00:01 . 10.0.4.9 }}
add element ip souche_t1 public_ips {{ 198.19.7.1 : 10.0.4.9 }}
add element ip souche_t1 members_sg_0000000a {{ 10.0.4.9 }}
"""


def test_ruleset() -> None:
    guest = replace(GUEST, public_ip="198.19.7.1")
    assert ruleset(NAMES, WAYS, state(guest, sg_0000000a=(SSH,))) == RULESET


def test_a_guest_in_no_group_lets_nothing_in() -> None:
    script = change(NAMES, State(), state(ALONE)).splitlines()
    assert "add element ip souche_t1 guests { 10.0.4.9 : jump in_no_group }" in script
    assert [line for line in script if "rule ip souche_t1 in_no_group" in line] == [
        "add rule ip souche_t1 in_no_group drop"
    ]


def test_a_guest_that_leaves_takes_all_its_elements_along() -> None:
    before = state(GUEST, sg_0000000a=(SSH,))
    came = change(NAMES, State(), state(GUEST)).splitlines()
    left = change(NAMES, before, State({}, before.rules)).splitlines()
    added = {line.removeprefix("add ") for line in came if line.startswith("add element")}
    assert {line.removeprefix("delete ") for line in left} == added


def test_another_group_is_another_chain_for_the_guest() -> None:
    rules = {GROUP: (SSH,), OTHER: ()}
    moved = GuestFirewall(GUEST.vm_id, GUEST.mac, GUEST.ip, (OTHER,))
    script = change(
        NAMES, State({GUEST.vm_id: GUEST}, rules), State({GUEST.vm_id: moved}, rules)
    ).splitlines()
    assert "delete element ip souche_t1 guests { 10.0.4.9 : jump in_sg_0000000a }" in script
    assert "delete element ip souche_t1 members_sg_0000000a { 10.0.4.9 }" in script
    assert "add element ip souche_t1 guests { 10.0.4.9 : jump in_sg_0000000b }" in script
    assert not [line for line in script if "flush chain ip souche_t1 group" in line]


def test_a_guest_in_several_groups_goes_through_the_chains_of_all() -> None:
    both = GuestFirewall(GUEST.vm_id, GUEST.mac, GUEST.ip, (GROUP, OTHER))
    lines = [line for line in change(NAMES, State(), state(both)).splitlines() if " in_" in line]
    (chain,) = {line.split()[4] for line in lines if line.startswith("add rule")}
    assert [line.partition(chain)[2] for line in lines if line.startswith("add rule")] == [
        " jump group_sg_0000000a",
        " jump group_sg_0000000b",
        " drop",
    ]


def test_nothing_changed_is_no_script() -> None:
    same = state(GUEST, sg_0000000a=(SSH,))
    assert change(NAMES, same, State(dict(same.guests), dict(same.rules))) == ""


def many(count: int) -> State:
    """This many guests of one group, which admits its members."""
    guests = [
        GuestFirewall(f"i-{number:08x}", f"aa:00:00:00:{number:04x}", f"10.1.{number}", (GROUP,))
        for number in range(1000, 1000 + count)
    ]
    return state(*guests, sg_0000000a=(Rule("-1", -1, -1, GROUP), SSH))


def one_more(members: int) -> str:
    """The script for a guest that joins a group of this size."""
    after = many(members)
    before = State(dict(after.guests), after.rules)
    del before.guests["i-000003e8"]
    return change(NAMES, before, after)


def another_rule(members: int) -> str:
    """The script for another rule of a group of this size."""
    before = many(members)
    rules = {GROUP: (*before.rules[GROUP], Rule("tcp", 80, 80, "10.0.0.0/8"))}
    return change(NAMES, before, State(before.guests, rules))


def test_one_more_guest_is_as_much_to_load_among_many_as_among_few() -> None:
    assert one_more(10) == one_more(1000)


def test_one_rule_more_is_as_much_to_load_for_many_guests_as_for_few() -> None:
    assert another_rule(10) == another_rule(1000)


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (SSH, "ip saddr 10.0.4.1/32 tcp dport 22-22 accept"),
        (Rule("udp", 5000, 5010, "0.0.0.0/0"), "udp dport 5000-5010 accept"),
        (Rule("icmp", -1, -1, "0.0.0.0/0"), "ip protocol icmp accept"),
        (Rule("icmp", 8, -1, "0.0.0.0/0"), "icmp type 8 accept"),
        (Rule("icmp", 3, 4, "0.0.0.0/0"), "icmp type 3 icmp code 4 accept"),
        (Rule("-1", -1, -1, "10.0.4.7/32"), "ip saddr 10.0.4.7/32 accept"),
        (Rule("-1", -1, -1, "0.0.0.0/0"), "accept"),
        (Rule("tcp", 22, 22, OTHER), "ip saddr @members_sg_0000000b tcp dport 22-22 accept"),
    ],
)
def test_a_rule_is_one_line(rule: Rule, line: str) -> None:
    assert let_in(rule) == [line]


def test_ranges_for_the_same_traffic_are_one_line() -> None:
    rules = [
        Rule("tcp", 80, 81, "10.0.4.7/32"),
        Rule("tcp", 80, 81, OTHER),
        Rule("tcp", 80, 81, "10.1.0.0/16"),
    ]
    assert let_in(*rules) == [
        "ip saddr { 10.0.4.7/32, 10.1.0.0/16 } tcp dport 80-81 accept",
        "ip saddr @members_sg_0000000b tcp dport 80-81 accept",
    ]


def test_the_set_of_a_group_that_a_rule_means_is_there() -> None:
    """Also for an empty group: nft refuses a rule about a missing set."""
    script = change(NAMES, State(), State({}, {GROUP: (Rule("-1", -1, -1, OTHER),)})).splitlines()
    assert script[0] == "add set ip souche_t1 members_sg_0000000b { type ipv4_addr; }"


def test_overlapping_sources_are_one() -> None:
    """nft refuses a set with two intervals that overlap."""
    sources = ("10.0.0.0/8", "10.0.4.7/32", "10.0.4.7/8")
    assert let_in(*(Rule("-1", -1, -1, source) for source in sources)) == ["ip saddr 10.0.0.0/8 accept"]


def test_without_guests_no_address_is_refused() -> None:
    assert "element" not in ruleset(NAMES, WAYS, State())


def test_removal() -> None:
    assert removal(NAMES).splitlines() == [
        "table ip souche_t1",
        "delete table ip souche_t1",
        "table bridge souche_t1",
        "delete table bridge souche_t1",
    ]


def test_guests_are_forwarded_to_guests_only_unless_they_have_a_way_out() -> None:
    """Then never to link-local addresses, and nothing begins from outside."""
    shut = ruleset(NAMES, WAYS, State()).splitlines()
    opened = ruleset(NAMES, replace(WAYS, nat=True), State()).splitlines()
    assert [line.strip() for line in shut if line not in opened] == [
        'iifname "sout1" oifname != "sout1" drop'
    ]
    assert [line.strip() for line in opened if line not in shut] == [
        'iifname "sout1" oifname != "sout1" ip daddr 169.254.0.0/16 drop',
        'iifname != "sout1" oifname "sout1" ct state != { established, related } drop',
        "chain way_out {",
        "type nat hook postrouting priority 100; policy accept;",
        'ip saddr 10.0.4.0/22 oifname != "sout1" masquerade',
    ]
