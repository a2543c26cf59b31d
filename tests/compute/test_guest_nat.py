"""The way out of guests (`--guest-nat`), with namespaces standing as a guest and as a machine outside: no packet leaves
this machine."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from souche.compute.base import Firewalls, Guest
from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.compute.libvirt.names import Names, home_tag
from souche.http import metadata_socket
from souche.http.relay import Relay
from souche.model.security_groups import Rule
from souche.run import run
from tests.compute.contract import Laboratory
from tests.compute.firewalled_guests import ASK, ECHO, GROUP, OPEN, SHUT, UDP, ask
from tests.compute.libvirt_laboratory import DiskShelf, reachable_directory, region
from tests.compute.namespaces import Namespace, namespace, outside
from tests.compute.test_libvirt_firewall import _answer_once

pytestmark = pytest.mark.guest

OUTSIDE, HERE, THERE, LINK_LOCAL = "198.51.100.8/30", "198.51.100.9", "198.51.100.10", "169.254.77.7"
REFUSED = ("TimeoutError\n", "OSError\n", "ConnectionRefusedError\n")


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with reachable_directory() as made:
        yield made


@pytest.fixture(autouse=True)
def forwarding() -> Iterator[Path]:
    """Whether this machine forwards packets, as it is afterwards."""
    switch = Path("/proc/sys/net/ipv4/ip_forward")
    before = switch.read_text()
    yield switch
    switch.write_text(before)


@contextmanager
def guest_and_outside(
    directory: Path, hypervisor: LibvirtHypervisor
) -> Iterator[tuple[Guest, Namespace, Namespace]]:
    """A guest that lets everything in, with the routes that DHCP gives it, and a machine outside that serves, also by a
    link-local address which this machine knows the way to."""
    disks = DiskShelf(directory)
    guest = Laboratory(hypervisor, hypervisor, hypervisor, disks.new_disk, disks.overlay_on).guest()
    hypervisor.define(guest)
    everything = Rule("-1", -1, -1, "0.0.0.0/0")
    hypervisor.protect(lambda: Firewalls({guest.vm_id: [GROUP]}, {GROUP: [everything]}))
    port = Names(home_tag(directory / "home")).port(guest.vm_id)
    with (
        namespace("nata", hypervisor.bridge, guest.mac_address.lower(), outer=port) as inside,
        outside("natb", OUTSIDE) as there,
    ):
        inside.configure(guest.private_ip, hypervisor.network.gateway_ip)
        inside.route("0.0.0.0/0", hypervisor.network.gateway_ip)
        there.also(f"{LINK_LOCAL}/32")
        run(["ip", "route", "add", f"{LINK_LOCAL}/32", "dev", "vethnatb"], timeout_seconds=10)
        with there.serving(ECHO, str(OPEN), str(SHUT), str(UDP)), inside.serving(ECHO, str(SHUT), "9", "9"):
            assert (ask(THERE, OPEN), ask(LINK_LOCAL, OPEN)) == (str(OPEN), str(OPEN))
            yield guest, inside, there
    hypervisor.remove(guest.vm_id)


def test_guests_reach_what_the_host_reaches_and_nothing_begins_from_outside(directory: Path) -> None:
    """The machine outside knows no way to the guests' network: it answers to this machine's address."""
    with (
        region(directory / "home", "10.71.8.0/24", nat=True) as hypervisor,
        guest_and_outside(directory, hypervisor) as (guest, inside, there),
    ):
        assert inside.python("-c", ASK, THERE, str(OPEN)) == f"{OPEN}\n"
        assert inside.python("-c", ASK, LINK_LOCAL, str(OPEN)) in REFUSED
        there.route("10.71.8.0/24", HERE)
        assert ask(guest.private_ip, SHUT) == str(SHUT)
        assert there.python("-c", ASK, guest.private_ip, str(SHUT)) in REFUSED


def test_guests_reach_what_listens_on_loopback_through_a_relay_at_the_bridges_address(
    directory: Path,
) -> None:
    """As they do the API and the buckets, by --guest-services."""
    with (
        region(directory / "home", "10.71.8.0/24") as hypervisor,
        guest_and_outside(directory, hypervisor) as (_guest, inside, there),
        socket.create_server(("127.0.0.1", 0)) as target,
    ):
        gateway, port = hypervisor.network.gateway_ip, target.getsockname()[1]
        Relay(metadata_socket.listen(hypervisor.bridge, gateway, port), ("127.0.0.1", port)).start()
        thread = threading.Thread(target=_answer_once, args=(target,), daemon=True)
        thread.start()
        there.route(f"{gateway}/32", HERE)
        assert there.python("-c", ASK, gateway, str(port)) in REFUSED
        assert inside.python("-c", ASK, gateway, str(port)) == "metadata\n"
        thread.join(10)


def test_without_it_guests_have_no_way_out(directory: Path, forwarding: Path) -> None:
    """Also where this machine forwards for others."""
    with (
        region(directory / "home", "10.71.8.0/24") as hypervisor,
        guest_and_outside(directory, hypervisor) as (_guest, inside, _there),
    ):
        forwarding.write_text("1")
        assert inside.python("-c", ASK, THERE, str(OPEN)) in REFUSED
