"""A network namespace that stands as a guest: its own interface, plugged into a region's bridge."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice

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

    def route(self, cidr: str, gateway: str) -> None:
        """What else a guest's DHCP answer says."""
        self._inside(["ip", "route", "add", cidr, "via", gateway])

    def also(self, address: str) -> None:
        """Have another address (with its length) beside the first."""
        self._inside(["ip", "address", "add", address, "dev", "eth0"])

    def address(self, new: str) -> None:
        """Change the machine's address."""
        self._inside(["ip", "address", "flush", "dev", "eth0"])
        self._inside(["ip", "address", "add", f"{new}/24", "dev", "eth0"])

    def mac(self, new: str) -> None:
        """Change the machine's MAC."""
        self._inside(["ip", "link", "set", "eth0", "address", new])

    @contextmanager
    def serving(self, *arguments: str) -> Iterator[None]:
        """Run Python inside during the context; it prints a line when it is ready."""
        argv = ["ip", "netns", "exec", self.name, sys.executable, *arguments]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as server:
            assert server.stdout is not None
            server.stdout.readline()
            try:
                yield
            finally:
                server.kill()

    def _inside(self, argv: list[str]) -> str:
        return run(["ip", "netns", "exec", self.name, *argv], timeout_seconds=30).decode()


@contextmanager
def namespace(name: str, bridge: str, mac: str, outer: str = "") -> Iterator[Namespace]:
    """`name` has at most 8 characters. `outer` is the interface's end in the bridge."""
    outer = outer or f"veth{name}"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", outer, "master", bridge, "up")
        for command in (["lo", "up"], ["eth0", "address", mac, "up"]):
            _ip("-n", name, "link", "set", *command)
        yield Namespace(name)
    finally:
        _ip("netns", "delete", name)


@contextmanager
def outside(name: str, network: str) -> Iterator[Namespace]:
    """A machine that is no guest, in a network (CIDR) with this one: this machine has its first address, that one its
    second. `name` has at most 8 characters."""
    outer, here, there = f"veth{name}", *islice(IPv4Network(network).hosts(), 2)
    length = IPv4Network(network).prefixlen
    _ip("netns", "add", name)
    try:
        _ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("address", "add", f"{here}/{length}", "dev", outer)
        _ip("link", "set", outer, "up")
        _ip("-n", name, "address", "add", f"{there}/{length}", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", name, "link", "set", device, "up")
        yield Namespace(name)
    finally:
        _ip("netns", "delete", name)


def _ip(*arguments: str) -> None:
    run(["ip", *arguments], timeout_seconds=30)
