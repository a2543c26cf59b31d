"""The region's network, with network namespaces standing as guests: DHCP, leases, metadata sockets."""

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import libvirt
import pytest

from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.compute.libvirt.names import Names, home_tag
from souche.compute.libvirt.reservations import PROCESS_FILES
from souche.errors import ComputeFailed, Unavailable
from souche.http import metadata_socket
from tests.compute.contract import Laboratory
from tests.compute.libvirt_laboratory import DiskShelf, reachable_directory, region
from tests.compute.namespaces import Namespace, namespace

pytestmark = pytest.mark.guest

DHCP_CLIENT = str(Path(__file__).with_name("dhcp_client.py"))
# RFC 3442: width of the destination, the destination, the router.
METADATA_ROUTE = bytes([32, 169, 254, 169, 254, 10, 71, 3, 1]).hex()
GET = "import socket; print(socket.create_connection(('169.254.169.254', 80), 5).recv(99).decode(), end='')"


@pytest.fixture
def directory() -> Iterator[Path]:
    with reachable_directory() as made:
        yield made


@pytest.fixture
def hypervisor(directory: Path) -> Iterator[LibvirtHypervisor]:
    with region(directory / "home", "10.71.3.0/24") as made:
        made.prepare()
        yield made


@pytest.fixture
def laboratory(hypervisor: LibvirtHypervisor, directory: Path) -> Laboratory:
    disks = DiskShelf(directory)
    return Laboratory(hypervisor, hypervisor, hypervisor, disks.new_disk, disks.overlay_on)


def dhcp(machine: Namespace, mac: str, *client_id: str) -> dict[str, object]:
    answer: dict[str, object] = json.loads(machine.python(DHCP_CLIENT, "eth0", mac, *client_id))
    return answer


@pytest.mark.parametrize("client_id", [(), ("a-client",)], ids=["by-mac", "by-client-id"])
def test_a_lease_is_given_by_reservation_and_goes_with_the_guest(
    laboratory: Laboratory, hypervisor: LibvirtHypervisor, client_id: tuple[str, ...]
) -> None:
    first, second = laboratory.guest(), laboratory.guest()
    hypervisor.define(first)
    with namespace("souchea", hypervisor.bridge, first.mac_address) as machine:
        answer = dhcp(machine, first.mac_address, *client_id)
        assert answer["ip"] == first.private_ip
        options = answer["options"]
        assert isinstance(options, dict)
        assert options["121"] == METADATA_ROUTE
        assert "3" not in options, "a router option would be a way out"
        hypervisor.remove(first.vm_id)
        assert dhcp(machine, first.mac_address, *client_id) == {}
        heir = type(second)(**{**vars(second), "private_ip": first.private_ip})
        hypervisor.define(heir)
        assert dhcp(machine, heir.mac_address, *client_id)["ip"] == first.private_ip
    hypervisor.remove(heir.vm_id)


@pytest.mark.parametrize("heard", [True, False], ids=["libvirt has heard", "libvirt has not heard"])
def test_the_lease_of_a_guest_removed_behind_our_back_is_released(
    directory: Path, laboratory: Laboratory, hypervisor: LibvirtHypervisor, *, heard: bool
) -> None:
    lost, heir = laboratory.guest(), laboratory.guest()
    heir = type(heir)(**{**vars(heir), "private_ip": lost.private_ip})
    hypervisor.define(lost)
    with (
        namespace("souchea", hypervisor.bridge, lost.mac_address) as machine,
        nullcontext() if heard else libvirt_hears_nothing(directory / "home"),
    ):
        assert dhcp(machine, lost.mac_address)["ip"] == lost.private_ip
        host = libvirt.open("qemu:///system")
        next(each for each in host.listAllDomains() if lost.vm_id in each.name()).undefine()
        host.close()
        hypervisor.define(heir)
        assert dhcp(machine, heir.mac_address)["ip"] == heir.private_ip
    hypervisor.remove(heir.vm_id)


def test_a_lease_that_libvirt_has_not_heard_of_yet_goes_with_the_guest(
    directory: Path, laboratory: Laboratory, hypervisor: LibvirtHypervisor
) -> None:
    """dnsmasq answers the guest first, and tells libvirt afterwards."""
    first, heir = laboratory.guest(), laboratory.guest()
    heir = type(heir)(**{**vars(heir), "private_ip": first.private_ip})
    hypervisor.define(first)
    with namespace("souchea", hypervisor.bridge, first.mac_address) as machine:
        with libvirt_hears_nothing(directory / "home"):
            assert dhcp(machine, first.mac_address)["ip"] == first.private_ip
            hypervisor.remove(first.vm_id)
            hypervisor.define(heir)
            assert dhcp(machine, heir.mac_address)["ip"] == heir.private_ip
        hypervisor.remove(heir.vm_id)
        assert dhcp(machine, heir.mac_address) == {}


def test_a_network_defined_otherwise_is_made_anew(directory: Path, hypervisor: LibvirtHypervisor) -> None:
    with region(directory / "home", "10.71.4.0/24") as changed:
        changed.prepare()
        with namespace("souchea", changed.bridge, "aa:00:00:00:00:01") as machine:
            machine.configure("10.71.4.9", changed.network.gateway_ip)
            with serving(changed.bridge, "changed"):
                assert machine.python("-c", GET) == "changed"


def test_a_driver_without_public_ips_leaves_the_network_of_a_server(directory: Path) -> None:
    """A process that only inspects a region does not remove the bridge of its metadata server."""
    home, cidr = directory / "served", "10.71.5.0/24"
    with region(home, cidr, "198.18.8.0/24") as server:
        server.prepare()
        before = socket.if_nametoindex(server.bridge)
        looking = LibvirtHypervisor(home, cidr)
        looking.prepare()
        looking.close()
        assert socket.if_nametoindex(server.bridge) == before


def test_a_network_in_use_is_left_alone(
    directory: Path, laboratory: Laboratory, hypervisor: LibvirtHypervisor
) -> None:
    guest = laboratory.guest()
    hypervisor.define(guest)
    hypervisor.start(guest.vm_id)
    changed = LibvirtHypervisor(directory / "home", "10.71.4.0/24")
    with pytest.raises(ComputeFailed, match="differs"):
        changed.prepare()
    changed.close()


def test_each_region_answers_its_own_guests(directory: Path, hypervisor: LibvirtHypervisor) -> None:
    with region(directory / "other", "10.71.4.0/24") as other:
        other.prepare()
        with (
            namespace("souchea", hypervisor.bridge, "aa:00:00:00:00:01") as ours,
            namespace("soucheb", other.bridge, "aa:00:00:00:00:01") as theirs,
            serving(hypervisor.bridge, "ours"),
            serving(other.bridge, "theirs"),
        ):
            ours.configure("10.71.3.9", hypervisor.network.gateway_ip)
            theirs.configure("10.71.4.9", other.network.gateway_ip)
            for _ in range(3):
                assert ours.python("-c", GET) == "ours"
                assert theirs.python("-c", GET) == "theirs"


def test_a_missing_bridge_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        metadata_socket.listen("no-such-bridge")


@contextmanager
def libvirt_hears_nothing(home: Path) -> Iterator[None]:
    """Stop dnsmasq's helper, its child, which runs libvirt's lease script."""
    network = Names(home_tag(home)).network
    dnsmasq = (PROCESS_FILES / f"{network}.pid").read_text().strip()
    (helper,) = Path(f"/proc/{dnsmasq}/task/{dnsmasq}/children").read_text().split()
    os.kill(int(helper), signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(int(helper), signal.SIGCONT)


@contextmanager
def serving(bridge: str, answer: str) -> Iterator[None]:
    """A metadata server of one word."""
    listening = metadata_socket.listen(bridge)
    thread = threading.Thread(target=_answer, args=(listening, answer))
    thread.start()
    try:
        yield
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        listening.close()


def _answer(listening: socket.socket, answer: str) -> None:
    while True:
        try:
            guest, _ = listening.accept()
        except OSError:
            return
        with guest:
            guest.sendall(answer.encode())
