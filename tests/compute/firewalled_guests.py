"""Network namespaces that stand in for guests behind their firewalls."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from souche.compute.base import Firewalls, Guest
from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.compute.libvirt.names import Names, home_tag
from souche.model.security_groups import Rule
from tests.compute.contract import Laboratory
from tests.compute.libvirt_laboratory import DiskShelf, reachable_directory, region
from tests.compute.namespaces import Namespace, namespace

OPEN, SHUT, UDP = 8080, 8081, 8082
PUBLIC_RANGE, PUBLIC_IP, UNLINKED = "198.18.250.0/24", "198.18.250.7", "198.18.250.8"
EVERYBODY = "0.0.0.0/0"
GROUP, OTHER = "sg-0000000a", "sg-0000000b"
ECHO = str(Path(__file__).with_name("echo_server.py"))
ASK_SECONDS = 1.0
ECHO_REQUEST = bytes.fromhex("0800f7ff00000000")  # type 8, code 0, checksum, and nothing else
ASK = f"""
import socket, sys
try:
    print(socket.create_connection((sys.argv[1], int(sys.argv[2])), {ASK_SECONDS}).recv(99).decode())
except OSError as error:
    print(type(error).__name__)
"""


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with reachable_directory() as made:
        yield made


@pytest.fixture(scope="module")
def hypervisor(directory: Path) -> Iterator[LibvirtHypervisor]:
    with region(directory / "home", "10.71.7.0/24", PUBLIC_RANGE) as made:
        made.prepare()
        yield made


@pytest.fixture(scope="module")
def names(directory: Path) -> Names:
    return Names(home_tag(directory / "home"))


@pytest.fixture
def guests(hypervisor: LibvirtHypervisor, directory: Path) -> Iterator[tuple[Guest, Guest]]:
    disks = DiskShelf(directory)
    laboratory = Laboratory(hypervisor, hypervisor, hypervisor, disks.new_disk, disks.overlay_on)
    both = laboratory.guest(), laboratory.guest()
    for guest in both:
        hypervisor.define(guest)
    hypervisor.protect(Firewalls)
    yield both
    for guest in both:
        hypervisor.remove(guest.vm_id)


@pytest.fixture
def machines(
    hypervisor: LibvirtHypervisor, names: Names, guests: tuple[Guest, Guest]
) -> Iterator[tuple[Namespace, Namespace]]:
    """Namespaces instead of both guests, each with a server that says the port it was asked at."""
    with (
        _standing_as(hypervisor, names, guests[0], "fwa") as first,
        _standing_as(hypervisor, names, guests[1], "fwb") as second,
    ):
        yield first, second


@contextmanager
def _standing_as(hypervisor: LibvirtHypervisor, names: Names, guest: Guest, name: str) -> Iterator[Namespace]:
    port = names.port(guest.vm_id)
    with namespace(name, hypervisor.bridge, guest.mac_address.lower(), outer=port) as machine:
        machine.configure(guest.private_ip, hypervisor.network.gateway_ip)
        with machine.serving(ECHO, str(OPEN), str(SHUT), str(UDP)):
            yield machine


def put(hypervisor: LibvirtHypervisor, guest: Guest, *rules: Rule) -> None:
    """Have a guest be in a group with these rules."""
    hypervisor.protect(lambda: Firewalls({guest.vm_id: [GROUP]}, {GROUP: rules}))


def ask(ip: str, port: int) -> str:
    """What this machine gets from a port of a guest."""
    try:
        with closing(socket.create_connection((ip, port), ASK_SECONDS)) as channel:
            return channel.recv(99).decode()
    except OSError as error:
        return type(error).__name__


def ask_udp(ip: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(ASK_SECONDS)
        try:
            channel.sendto(b"?", (ip, UDP))
            return channel.recv(99).decode()
        except OSError as error:
            return type(error).__name__


def answers_echo(ip: str) -> bool:
    """Whether the guest answers a ping."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as channel:
        channel.settimeout(ASK_SECONDS)
        try:
            channel.sendto(ECHO_REQUEST, (ip, 0))
            return bool(channel.recv(99))
        except OSError:
            return False
