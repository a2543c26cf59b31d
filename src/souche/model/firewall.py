"""What is let in to a guest, worked out from the security groups of its VM."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Protocol: TypeAlias = Literal["tcp", "udp", "icmp", "-1"]

ANY = -1
EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class Passage:
    """One kind of traffic that may begin from outside; what answers the guest's own traffic always may come in.

    `protocol` "-1" is all. For tcp and udp `first` and `last` bound the ports; for icmp they are the type and the code,
    each of them `ANY` for all. `sources` are IPv4 ranges in CIDR notation; without one, nothing passes.
    """

    protocol: Protocol
    first: int
    last: int
    sources: tuple[str, ...]
