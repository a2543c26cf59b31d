"""The routes of the range of public IPs: they keep the whole range on this machine.

There are two routes, so that no packet to the range takes another one. The first leads to the guests' bridge, with the
machine's own address there as source. Linked addresses are translated on the way (`firewall_rules`); others have no
answer. The second has the highest metric, and refuses packets while there is no bridge.
"""

import contextlib
import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

from souche.errors import ComputeFailed, SystemFailure
from souche.run import run

LAST_METRIC: Final = 2**32 - 1
IP_SECONDS: Final = 10.0


def commands(bridge: str, gateway: IPv4Address, public_range: IPv4Network) -> str:
    """The commands for ip(8), as a batch."""
    return (
        f"route replace {public_range} dev {bridge} src {gateway}\n"
        f"route replace unreachable {public_range} metric {LAST_METRIC}\n"
    )


def destinations() -> tuple[IPv4Network, ...]:
    """The networks that this machine has a route for, including its own and refused ones, without the default route.

    Raises:
        ComputeFailed.
    """
    found = json.loads(_ip("-4", "-json", "route", "show") or b"[]")
    return tuple(IPv4Network(each["dst"]) for each in found if each["dst"] != "default")


def check_free(bridge: str, public_range: IPv4Network) -> None:
    """Refuse a range that another route of this machine covers.

    Raises:
        ComputeFailed.
    """
    found = json.loads(_ip("-json", "route", "show", "exact", str(public_range)) or b"[]")
    taken = [each["dev"] for each in found if each.get("type") != "unreachable" and each.get("dev") != bridge]
    if taken:
        raise ComputeFailed(
            reason=f"--public-ips: {public_range} is already routed to {taken[0]}; another region may use it:"
            " give each region its own"
        )


def ensure(bridge: str, gateway: IPv4Address, public_range: IPv4Network) -> None:
    """Create both routes, and enable forwarding for guests to public IPs, on the bridge only. The firewall forwards
    nothing else."""
    _ip("-batch", "-", commands=commands(bridge, gateway, public_range))
    Path("/proc/sys/net/ipv4/conf", bridge, "forwarding").write_text("1")


def remove(public_range: IPv4Network) -> None:
    """Remove the routes that outlive the bridge; missing ones are success."""
    with contextlib.suppress(ComputeFailed):
        _ip("route", "delete", "unreachable", str(public_range), "metric", str(LAST_METRIC))


def _ip(*arguments: str, commands: str | None = None) -> bytes:
    try:
        return run(
            ["ip", *arguments],
            stdin=None if commands is None else commands.encode(),
            timeout_seconds=IP_SECONDS,
        )
    except SystemFailure as error:
        raise ComputeFailed(reason=f"the route of public IPs cannot be set: {error}") from error
