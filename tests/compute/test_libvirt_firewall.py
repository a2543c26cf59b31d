"""What guests let in, and what they may say, with network namespaces standing as guests: real frames on the region's
bridge, and from this machine."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from souche.compute.base import Guest
from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.compute.libvirt.names import Names, home_tag
from souche.http import metadata_socket
from souche.model.firewall import Passage
from souche.run import run
from tests.compute.contract import Laboratory
from tests.compute.libvirt_laboratory import DiskShelf, reachable_directory, region
from tests.compute.namespaces import Namespace, namespace

pytestmark = pytest.mark.guest

OPEN, SHUT, UDP = 8080, 8081, 8082
EVERYBODY = ("0.0.0.0/0",)
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
    with region(directory / "home", "10.231.7.0/24") as made:
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
    yield both
    for guest in both:
        hypervisor.remove(guest.vm_id)


@pytest.fixture
def machines(
    hypervisor: LibvirtHypervisor, names: Names, guests: tuple[Guest, Guest]
) -> Iterator[tuple[Namespace, Namespace]]:
    """Namespaces in the place of both guests, each with a server that says the port it was asked at."""
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


def test_a_new_guest_lets_nothing_in(
    guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    assert ask(guests[0].private_ip, OPEN) == "TimeoutError"
    assert ask_udp(guests[0].private_ip) == "PermissionError"  # what this machine sends is refused at once
    assert machines[1].python("-c", ASK, guests[0].private_ip, str(OPEN)) == "TimeoutError\n"


def test_an_opened_port_is_open_and_no_other(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    ip, opened = guests[0].private_ip, Passage("tcp", OPEN, OPEN, EVERYBODY)
    hypervisor.protect(lambda: {guests[0].vm_id: [opened]})
    assert ask(ip, OPEN) == str(OPEN)
    assert ask(ip, SHUT) == "TimeoutError"
    assert machines[1].python("-c", ASK, ip, str(OPEN)) == f"{OPEN}\n"
    assert machines[1].python("-c", ASK, ip, str(SHUT)) == "TimeoutError\n"
    hypervisor.protect(lambda: {guests[0].vm_id: []})
    assert ask(ip, OPEN) == "TimeoutError"


def test_only_the_named_source_comes_in(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    first, second = guests
    hypervisor.protect(lambda: {first.vm_id: [Passage("-1", -1, -1, (f"{second.private_ip}/32",))]})
    assert machines[1].python("-c", ASK, first.private_ip, str(SHUT)) == f"{SHUT}\n"
    assert ask(first.private_ip, SHUT) == "TimeoutError"


def test_udp_and_icmp_come_in_when_let_in(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    ip = guests[0].private_ip
    assert not answers_echo(ip)
    hypervisor.protect(
        lambda: {guests[0].vm_id: [Passage("udp", UDP, UDP, EVERYBODY), Passage("icmp", 8, -1, EVERYBODY)]}
    )
    assert ask_udp(ip) == str(UDP)
    assert answers_echo(ip)


def test_answers_come_in(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    """A guest that lets nothing in asks another one, and the metadata server."""
    hypervisor.protect(lambda: {guests[1].vm_id: [Passage("tcp", OPEN, OPEN, EVERYBODY)]})
    assert machines[0].python("-c", ASK, guests[1].private_ip, str(OPEN)) == f"{OPEN}\n"
    with _metadata(hypervisor.bridge):
        assert machines[0].python("-c", ASK, "169.254.169.254", "80") == "metadata\n"


@contextmanager
def _metadata(bridge: str) -> Iterator[None]:
    listening = metadata_socket.listen(bridge)
    thread = threading.Thread(target=_answer_once, args=(listening,))
    thread.start()
    try:
        yield
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        listening.close()


def _answer_once(listening: socket.socket) -> None:
    try:
        guest, _ = listening.accept()
    except OSError:
        return
    with guest:
        guest.sendall(b"metadata")


def test_a_guest_speaks_by_its_own_addresses_only(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    first, second = guests
    hypervisor.protect(lambda: {first.vm_id: [Passage("-1", -1, -1, EVERYBODY)]})
    assert machines[1].python("-c", ASK, first.private_ip, str(OPEN)) == f"{OPEN}\n"
    machines[1].address("10.231.7.200")
    assert machines[1].python("-c", ASK, first.private_ip, str(OPEN)) in ("TimeoutError\n", "OSError\n")
    machines[1].address(second.private_ip)
    machines[1].mac("aa:00:00:00:00:ff")
    assert machines[1].python("-c", ASK, first.private_ip, str(OPEN)) in ("TimeoutError\n", "OSError\n")


def test_a_guest_keeps_its_firewall_when_it_is_defined_anew(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    hypervisor.protect(lambda: {guests[0].vm_id: [Passage("tcp", OPEN, OPEN, EVERYBODY)]})
    hypervisor.define(guests[0])
    assert ask(guests[0].private_ip, OPEN) == str(OPEN)


def test_the_firewalls_are_made_again_after_a_flush(
    directory: Path, hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], names: Names
) -> None:
    before = chains(names)
    for family in ("ip", "bridge"):
        run(["nft", "delete", "table", family, names.table], timeout_seconds=10)
    again = LibvirtHypervisor(directory / "home", hypervisor.network.cidr)
    again.prepare()
    again.close()
    assert chains(names) == before


def test_a_removed_guest_leaves_no_firewall(
    directory: Path, hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], names: Names
) -> None:
    hypervisor.remove(guests[0].vm_id)
    left = [*chains(names), *(path.name for path in (directory / "home" / "firewall").iterdir())]
    assert not [each for each in left if guests[0].vm_id.replace("-", "_") in each.replace("-", "_")]


def chains(names: Names) -> list[str]:
    listed = json.loads(run(["nft", "-j", "list", "ruleset"], timeout_seconds=10))["nftables"]
    found = [each["chain"] for each in listed if "chain" in each]
    return sorted(f"{each['family']} {each['name']}" for each in found if each["table"] == names.table)
