"""Bounds on a server's connections, and on the time that each may take for a request."""

import ipaddress
import resource
from collections import Counter
from dataclasses import dataclass
from typing import Final

MOST_FILES: Final = 1024 * 1024
"""Linux allows no higher limit unless its administrator says so (fs.nr_open)."""

IPV6_CUSTOMER: Final = 64
"""Prefix length of an IPv6 customer, who chooses the other bits freely (RFC 6177)."""


@dataclass(frozen=True)
class Bounds:
    """A head must arrive within `head_seconds` of the connection's start or of the end of the previous request. A body
    has the same time, and another second for each `bytes_per_second` received. A connection whose client does not read
    an answer is closed after `unread_seconds`. `most_from_address`: concurrent connections. `most_body_bytes`: memory
    for large bodies.
    """

    most_from_address: int
    head_seconds: float = 10
    bytes_per_second: int = 16 * 1024
    unread_seconds: float = 120
    most_body_bytes: int = 256 * 1024 * 1024


# High, because all clients of a proxy, and all jobs of a CI machine, share one address.
API: Final = Bounds(most_from_address=4096)

METADATA: Final = Bounds(most_from_address=64)
"""Each guest has one address."""


class Connections:
    """Counts the connections of a server by address. All addresses together leave a quarter of the process's open files
    to databases and disks, and one address gets at most a quarter. The same holds for the memory of large bodies."""

    def __init__(self, bounds: Bounds, most_files: int) -> None:
        self._most = most_files * 3 // 4
        self._most_from_address = min(bounds.most_from_address, most_files // 4)
        self._open: Counter[str] = Counter()
        self._most_body_bytes = bounds.most_body_bytes
        self._body_bytes: Counter[str] = Counter()
        self._all_body_bytes = 0

    def admit(self, host: str) -> bool:
        """Count one more connection, if there may be one."""
        address = _counted(host)
        if self._open[address] >= self._most_from_address or self._open.total() >= self._most:
            return False
        self._open[address] += 1
        return True

    def leave(self, host: str) -> None:
        """An admitted connection has ended."""
        address = _counted(host)
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    def hold(self, host: str, more_bytes: int) -> bool:
        """Count more bytes of a body in memory, if there may be more."""
        address = _counted(host)
        if (
            self._body_bytes[address] + more_bytes > self._most_body_bytes // 4
            or self._all_body_bytes + more_bytes > self._most_body_bytes
        ):
            return False
        self._body_bytes[address] += more_bytes
        self._all_body_bytes += more_bytes
        return True

    def let_go(self, host: str, held_bytes: int) -> None:
        """Held bytes are no longer in memory."""
        address = _counted(host)
        self._body_bytes[address] -= held_bytes
        self._all_body_bytes -= held_bytes
        if not self._body_bytes[address]:
            del self._body_bytes[address]


def _counted(host: str) -> str:
    if ":" not in host:
        return host
    return str(ipaddress.IPv6Network((host.partition("%")[0], IPV6_CUSTOMER), strict=False))


def most_files() -> int:
    """How many files the process may have open."""
    return min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], MOST_FILES)


def raise_most_files() -> None:
    """Raise the limit as far as the system allows: the default may be 1,024, and each connection needs one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = MOST_FILES if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
