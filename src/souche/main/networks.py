"""The default networks of a region: chosen by the path of its home, avoiding the routes of this machine."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Networks of one size, those of `prefix` bits in `within`: at most 65,536."""

    within: IPv4Network
    prefix: int
    salt: str

    def of(self, home: Path, taken: Iterable[IPv4Network] = ()) -> str:
        """The network (CIDR) of the region in `home`: the one that a hash of the path selects, or the next one of the
        pool that overlaps none of those `taken`. Routes wider than the pool do not count. If all are taken, it is the
        first, and making the network fails with the reason."""
        count = 2 ** (self.prefix - self.within.prefixlen)
        size = 2 ** (32 - self.prefix)
        first = int.from_bytes(hashlib.sha256(f"{self.salt}{home}".encode()).digest()[:2]) % count
        narrow = [each for each in taken if each.prefixlen >= self.within.prefixlen]
        networks = (
            IPv4Network((int(self.within.network_address) + (first + step) % count * size, self.prefix))
            for step in range(count)
        )
        named = next(networks)
        if _meets(named, narrow):
            named = next((each for each in networks if not _meets(each, narrow)), named)
        return str(named)


def _meets(network: IPv4Network, taken: list[IPv4Network]) -> bool:
    return any(network.overlaps(each) for each in taken)


GUESTS: Final = Pool(within=IPv4Network("10.128.0.0/9"), prefix=20, salt="")
"""2,048 networks of 4,096 addresses"""
PUBLIC: Final = Pool(within=IPv4Network("198.19.0.0/16"), prefix=24, salt="public ")
"""256 networks of 256 addresses. 198.18.0.0/15 is reserved for benchmarks (RFC 2544) and unused on the internet. Some
proxies use its lower half."""
