"""Which addresses a download may connect to: public ones only. Addresses of this machine, of its networks and of the
cloud's metadata service (169.254.169.254) need the operator's permission for that HOST:PORT.
"""

import ipaddress
from dataclasses import dataclass
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
"""In addresses with this prefix, the last 32 bits are the IPv4 address that a translator connects to (RFC 6052)."""
COMPATIBLE: Final = ipaddress.ip_network("::/96")
"""IPv4 addresses written as IPv6 (RFC 4291, 2.5.5.1)."""
TRANSLATED: Final = ipaddress.ip_network("::ffff:0:0:0/96")
"""IPv4 addresses of hosts behind a stateless translator (RFC 2765, 2.1)."""


@dataclass(frozen=True)
class AllowList:
    """`endpoints` are (host, port) as in URLs, the host in lower case. They are admitted with any address."""

    endpoints: frozenset[tuple[str, int]] = frozenset()

    def admits(self, host: str, port: int, address: Address) -> bool:
        """Whether a URL with this host and port may be fetched from this address, which the host resolved to."""
        return (host.lower(), port) in self.endpoints or is_public(address)


def is_public(address: Address) -> bool:
    """Whether an address, and every IPv4 address embedded in it, is on the public internet. Site-local addresses
    (fec0::/10) are not, although Python calls them global."""
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return False
    return all(each.is_global and not each.is_multicast for each in (address, *_carried(address)))


def _carried(address: Address) -> list[ipaddress.IPv4Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in (NAT64, COMPATIBLE, TRANSLATED)):
        carried.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in carried if each is not None]
