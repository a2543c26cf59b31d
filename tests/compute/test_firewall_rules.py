"""The script of the firewalls, by its exact text where that is short, and by its lines."""

from ipaddress import IPv4Address

import pytest

from souche.compute.libvirt.firewall_rules import Shelter, removal, ruleset
from souche.compute.libvirt.names import Names
from souche.model.firewall import Passage

NAMES = Names("t1")
GATEWAY = IPv4Address("10.0.4.1")
SHELTER = Shelter("i-00000001", "aa:00:00:00:00:01", "10.0.4.9")


def lines(*inbound: Passage) -> list[str]:
    shelter = Shelter(SHELTER.vm_id, SHELTER.mac, SHELTER.ip, inbound)
    return [line.strip() for line in ruleset(NAMES, GATEWAY, [shelter]).splitlines()]


def test_ruleset() -> None:
    port = NAMES.port(SHELTER.vm_id)
    assert (
        ruleset(NAMES, GATEWAY, [SHELTER])
        == f"""\
table ip souche_t1
delete table ip souche_t1
table bridge souche_t1
delete table bridge souche_t1
table ip souche_t1 {{
  chain i_00000001 {{
    ct state established,related accept
    ip saddr 10.0.4.1 udp sport 67 udp dport 68 accept
    drop
  }}
  chain guests {{
    ip daddr vmap {{ 10.0.4.9 : jump i_00000001 }}
  }}
  chain forward {{
    type filter hook forward priority -10; policy accept;
    oifname "sout1" jump guests
  }}
  chain output {{
    type filter hook output priority -10; policy accept;
    oifname "sout1" jump guests
  }}
}}
table bridge souche_t1 {{
  chain i_00000001 {{
    ether saddr != aa:00:00:00:00:01 drop
    ip saddr 10.0.4.9 accept
    ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
    arp saddr ether aa:00:00:00:00:01 arp saddr ip {{ 0.0.0.0, 10.0.4.9 }} accept
    drop
  }}
  chain ports {{
    type filter hook prerouting priority -300; policy accept;
    iifname vmap {{ "{port}" : jump i_00000001 }}
  }}
}}
"""
    )


@pytest.mark.parametrize(
    ("passage", "line"),
    [
        (Passage("tcp", 22, 22, ("10.0.4.1/32",)), "ip saddr 10.0.4.1/32 tcp dport 22-22 accept"),
        (Passage("udp", 5000, 5010, ("0.0.0.0/0",)), "udp dport 5000-5010 accept"),
        (
            Passage("tcp", 80, 81, ("10.0.4.7/32", "10.1.0.0/16")),
            "ip saddr { 10.0.4.7/32, 10.1.0.0/16 } tcp dport 80-81 accept",
        ),
        (Passage("icmp", -1, -1, ("0.0.0.0/0",)), "ip protocol icmp accept"),
        (Passage("icmp", 8, -1, ("0.0.0.0/0",)), "icmp type 8 accept"),
        (Passage("icmp", 3, 4, ("0.0.0.0/0",)), "icmp type 3 icmp code 4 accept"),
        (Passage("-1", -1, -1, ("10.0.4.7/32",)), "ip saddr 10.0.4.7/32 accept"),
    ],
)
def test_a_passage_is_one_line(passage: Passage, line: str) -> None:
    assert set(lines(passage)) - set(lines()) == {line}


def test_a_passage_without_a_source_lets_nothing_in() -> None:
    assert lines(Passage("-1", -1, -1, ())) == lines()


def test_overlapping_sources_are_one() -> None:
    """nft refuses a set with two intervals that overlap."""
    passage = Passage("-1", -1, -1, ("10.0.0.0/8", "10.0.4.7/32", "10.0.4.7/8"))
    assert "ip saddr 10.0.0.0/8 accept" in lines(passage)


def test_without_guests_nothing_is_dropped() -> None:
    assert "drop" not in ruleset(NAMES, GATEWAY, [])


def test_removal() -> None:
    assert removal(NAMES).splitlines() == [
        "table ip souche_t1",
        "delete table ip souche_t1",
        "table bridge souche_t1",
        "delete table bridge souche_t1",
    ]
