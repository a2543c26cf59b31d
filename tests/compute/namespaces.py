"""A network namespace that stands as a guest: its own interface, plugged into a region's bridge."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from souche.run import run


@dataclass(frozen=True)
class Namespace:
    """A machine with one interface, `eth0`, in the bridge."""

    name: str

    def python(self, *arguments: str) -> str:
        """Run Python inside, and return what it prints."""
        return self._inside([sys.executable, *arguments])

    def configure(self, ip: str, gateway: str) -> None:
        """What a guest does with the DHCP answer: its address, and the one route of option 121."""
        self._inside(["ip", "address", "add", f"{ip}/24", "dev", "eth0"])
        self._inside(["ip", "route", "add", "169.254.169.254/32", "via", gateway])

    def _inside(self, argv: list[str]) -> str:
        return run(["ip", "netns", "exec", self.name, *argv], timeout_seconds=30).decode()


@contextmanager
def namespace(name: str, bridge: str, mac: str) -> Iterator[Namespace]:
    """`name` has at most 8 characters."""
    outer = f"veth{name}"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", outer, "master", bridge, "up")
        for command in (["lo", "up"], ["eth0", "address", mac, "up"]):
            _ip("-n", name, "link", "set", *command)
        yield Namespace(name)
    finally:
        _ip("netns", "delete", name)


def _ip(*arguments: str) -> None:
    run(["ip", *arguments], timeout_seconds=30)
