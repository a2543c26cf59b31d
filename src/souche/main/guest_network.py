"""The network of a region's guests. It is recorded at the first start, so that a home restored at another path keeps it
and the addresses of its VMs."""

from collections.abc import Iterable
from ipaddress import IPv4Network

from souche.config import BadSetting
from souche.db import region
from souche.db.store import Store
from souche.home import Home
from souche.main import networks


def known(home: Home, store: Store, taken: Iterable[IPv4Network] = ()) -> str:
    """The network (CIDR) of a region: the recorded one; otherwise the one that its server had before networks were
    recorded; otherwise a new one that avoids those `taken`."""
    with store.read() as connection:
        recorded = region.guest_network(connection)
    return recorded or str(home.server_facts().get("GuestNetwork") or networks.GUESTS.of(home.path, taken))


def check(cidr: str) -> None:
    """Refuse an invalid --guest-network.

    Raises:
        BadSetting.
    """
    try:
        IPv4Network(cidr)
    except ValueError as error:
        raise BadSetting(flag="--guest-network", reason=f"an IPv4 network is expected: {error}") from error


def record(store: Store, cidr: str) -> None:
    """Record the network."""
    with store.begin() as connection:
        if region.guest_network(connection) != cidr:
            region.set_guest_network(connection, cidr)
