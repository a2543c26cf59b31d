"""API access rules: from which addresses an account's keys may be used."""

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network

EVERYWHERE: Final = ("0.0.0.0/0", "::/0")
"""the ranges of a new account's only rule"""


@dataclass(frozen=True)
class ApiAccessRule:
    """Admits requests from its ranges. `ip_ranges`: CIDR notation, as the caller gave them."""

    rule_id: str
    account_id: str
    ip_ranges: tuple[str, ...]
    description: str
    creation_date: datetime


def lets_in(networks: tuple[Network, ...], address: str) -> bool:
    """Whether an address is in one of the networks. An IPv6 socket shows IPv4 addresses as `::ffff:192.0.2.1`; these
    count as IPv4. Text that is no address is in none."""
    try:
        came_from = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    came_from = getattr(came_from, "ipv4_mapped", None) or came_from
    return any(came_from in network for network in networks)
