"""The range of a region's public IPs. It is recorded at the first start, so that a home restored at another path keeps
it and the addresses of its accounts."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from souche.config import BadSetting, Settings
from souche.db import public_ips, region
from souche.db.store import Store
from souche.home import Home
from souche.main import networks

FLAG: Final = "--public-ips"
SHORTEST_PREFIX: Final = 16
LONGEST_PREFIX: Final = 30
NOWHERE: Final = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")))
"""this host, link-local addresses (with the metadata server), multicast and reserved ranges"""


def check(cidr: str) -> None:
    """Refuse an invalid --public-ips.

    Raises:
        BadSetting.
    """
    try:
        network = IPv4Network(cidr)
    except ValueError as error:
        raise BadSetting(flag=FLAG, reason=f"an IPv4 network is expected: {error}") from error
    if not SHORTEST_PREFIX <= network.prefixlen <= LONGEST_PREFIX:
        raise BadSetting(
            flag=FLAG, reason=f"a /{SHORTEST_PREFIX} to /{LONGEST_PREFIX} is expected, not {cidr}"
        )
    if any(network.overlaps(each) for each in NOWHERE):
        raise BadSetting(flag=FLAG, reason=f"no guest can be reached by addresses of {cidr}")


def known(home: Home, store: Store, taken: Iterable[IPv4Network] = ()) -> str:
    """The range (CIDR) of a region: the recorded one, or a new one that avoids those `taken`."""
    with store.read() as connection:
        recorded = region.public_range(connection)
    return recorded or networks.PUBLIC.of(home.path, taken)


def chosen(settings: Settings, home: Home, store: Store, taken: Iterable[IPv4Network] = ()) -> str:
    """The range (CIDR) of the region from now on. `taken`: the networks that this host has routes for.

    Raises:
        BadSetting: it overlaps with the guests' network, or accounts hold addresses outside of it.
    """
    cidr = settings.public_ips or known(home, store, taken)
    network = IPv4Network(cidr)
    if network.overlaps(IPv4Network(settings.guest_network)):
        reason = f"{cidr} overlaps with the guests' network {settings.guest_network}"
        raise BadSetting(flag=FLAG, reason=reason)
    with store.read() as connection:
        outside = [each for each in public_ips.addresses(connection) if IPv4Address(each) not in network]
    if outside:
        reason = f"accounts hold {len(outside)} addresses outside of {cidr}, such as {min(outside)}"
        raise BadSetting(flag=FLAG, reason=f"{reason}: release them first (DeletePublicIp)")
    return cidr


def record(store: Store, cidr: str) -> None:
    """Record the range."""
    with store.begin() as connection:
        if region.public_range(connection) != cidr:
            region.set_public_range(connection, cidr)
