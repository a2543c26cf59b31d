"""The traffic that guests receive and may send, with network namespaces as guests: real frames on the region's bridge,
and from this machine."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from souche.compute.base import Firewalls, Guest
from souche.compute.libvirt import public_routes
from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.errors import ComputeFailed
from souche.http import metadata_socket
from souche.model.security_groups import Rule
from souche.run import run
from tests.compute.firewalled_guests import (
    ASK,
    ECHO,
    EVERYBODY,
    GROUP,
    OPEN,
    OTHER,
    PUBLIC_IP,
    PUBLIC_RANGE,
    SHUT,
    UDP,
    UNLINKED,
    answers_echo,
    ask,
    ask_udp,
    put,
)
from tests.compute.firewalled_guests import directory as directory
from tests.compute.firewalled_guests import guests as guests
from tests.compute.firewalled_guests import hypervisor as hypervisor
from tests.compute.firewalled_guests import machines as machines
from tests.compute.firewalled_guests import names as names
from tests.compute.libvirt_laboratory import region
from tests.compute.namespaces import Namespace, outside

pytestmark = pytest.mark.guest


def test_a_new_guest_lets_nothing_in(
    guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    assert ask(guests[0].private_ip, OPEN) == "TimeoutError"
    assert ask_udp(guests[0].private_ip) == "PermissionError"  # what this machine sends is refused at once
    assert machines[1].python("-c", ASK, guests[0].private_ip, str(OPEN)) == "TimeoutError\n"


def test_an_opened_port_is_open_and_no_other(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    ip = guests[0].private_ip
    put(hypervisor, guests[0], Rule("tcp", OPEN, OPEN, EVERYBODY))
    assert ask(ip, OPEN) == str(OPEN)
    assert ask(ip, SHUT) == "TimeoutError"
    assert machines[1].python("-c", ASK, ip, str(OPEN)) == f"{OPEN}\n"
    assert machines[1].python("-c", ASK, ip, str(SHUT)) == "TimeoutError\n"
    put(hypervisor, guests[0])
    assert ask(ip, OPEN) == "TimeoutError"


def test_only_the_named_source_comes_in(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    first, second = guests
    put(hypervisor, first, Rule("-1", -1, -1, f"{second.private_ip}/32"))
    assert machines[1].python("-c", ASK, first.private_ip, str(SHUT)) == f"{SHUT}\n"
    assert ask(first.private_ip, SHUT) == "TimeoutError"


def test_udp_and_icmp_come_in_when_let_in(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    ip = guests[0].private_ip
    assert not answers_echo(ip)
    put(hypervisor, guests[0], Rule("udp", UDP, UDP, EVERYBODY), Rule("icmp", 8, -1, EVERYBODY))
    assert ask_udp(ip) == str(UDP)
    assert answers_echo(ip)


def test_answers_come_in(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    """A guest that lets nothing in asks another one, and the metadata server."""
    put(hypervisor, guests[1], Rule("tcp", OPEN, OPEN, EVERYBODY))
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
    put(hypervisor, first, Rule("-1", -1, -1, EVERYBODY))
    assert machines[1].python("-c", ASK, first.private_ip, str(OPEN)) == f"{OPEN}\n"
    machines[1].address("10.71.7.200")
    assert machines[1].python("-c", ASK, first.private_ip, str(OPEN)) in ("TimeoutError\n", "OSError\n")
    machines[1].address(second.private_ip)
    machines[1].mac("aa:00:00:00:00:ff")
    assert machines[1].python("-c", ASK, first.private_ip, str(OPEN)) in ("TimeoutError\n", "OSError\n")


def test_a_guest_keeps_its_firewall_when_it_is_defined_anew(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    put(hypervisor, guests[0], Rule("tcp", OPEN, OPEN, EVERYBODY))
    hypervisor.define(guests[0])
    assert ask(guests[0].private_ip, OPEN) == str(OPEN)


def test_members_come_in_for_as_long_as_they_are_in_the_group(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    first, second = guests
    from_members = Rule("tcp", OPEN, OPEN, OTHER)
    for groups, expected in (([], "TimeoutError"), ([OTHER], str(OPEN)), ([], "TimeoutError")):
        wanted = Firewalls({first.vm_id: [GROUP], second.vm_id: groups}, {GROUP: [from_members], OTHER: []})
        hypervisor.protect(lambda wanted=wanted: wanted)  # type: ignore[misc]
        assert machines[1].python("-c", ASK, first.private_ip, str(OPEN)) == f"{expected}\n"


def test_a_guest_lets_in_what_any_of_its_groups_does(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    ip = guests[0].private_ip
    rules = {GROUP: [Rule("tcp", OPEN, OPEN, EVERYBODY)], OTHER: [Rule("tcp", SHUT, SHUT, EVERYBODY)]}
    hypervisor.protect(lambda: Firewalls({guests[0].vm_id: [OTHER, GROUP]}, rules))
    assert (ask(ip, OPEN), ask(ip, SHUT)) == (str(OPEN), str(SHUT))
    hypervisor.protect(lambda: Firewalls({guests[0].vm_id: [OTHER]}))
    assert (ask(ip, OPEN), ask(ip, SHUT)) == ("TimeoutError", str(SHUT))


def test_a_group_that_gets_other_rules_has_no_others(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    ip = guests[0].private_ip
    put(hypervisor, guests[0], Rule("tcp", OPEN, OPEN, EVERYBODY))
    hypervisor.protect(lambda: Firewalls(groups={GROUP: [Rule("tcp", SHUT, SHUT, EVERYBODY)]}))
    assert (ask(ip, OPEN), ask(ip, SHUT)) == ("TimeoutError", str(SHUT))


def lead(hypervisor: LibvirtHypervisor, guest: Guest, public_ip: str | None, *rules: Rule) -> None:
    """Have a public IP lead to a guest with these rules."""
    leading = {guest.vm_id: public_ip} if public_ip else {}
    hypervisor.protect(lambda: Firewalls({guest.vm_id: [GROUP]}, {GROUP: rules}, public_ips=leading))


def test_a_public_ip_leads_to_its_guest_from_this_machine_and_other_guests_behind_its_firewall(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    machines[1].route(PUBLIC_RANGE, hypervisor.network.gateway_ip)
    lead(hypervisor, guests[0], PUBLIC_IP, Rule("tcp", OPEN, OPEN, EVERYBODY), Rule("icmp", 8, -1, EVERYBODY))
    assert (ask(PUBLIC_IP, OPEN), ask(PUBLIC_IP, SHUT)) == (str(OPEN), "TimeoutError")
    assert answers_echo(PUBLIC_IP)
    assert machines[1].python("-c", ASK, PUBLIC_IP, str(OPEN)) == f"{OPEN}\n"
    assert machines[1].python("-c", ASK, PUBLIC_IP, str(SHUT)) == "TimeoutError\n"
    lead(hypervisor, guests[0], None, Rule("tcp", OPEN, OPEN, EVERYBODY))
    assert ask(PUBLIC_IP, OPEN) == "OSError"
    assert machines[1].python("-c", ASK, PUBLIC_IP, str(OPEN)) in ("TimeoutError\n", "OSError\n")


def test_a_public_ip_that_moves_leads_to_the_other_guest(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], machines: tuple[Namespace, Namespace]
) -> None:
    lead(hypervisor, guests[0], PUBLIC_IP, Rule("tcp", OPEN, OPEN, EVERYBODY))
    other = {guests[1].vm_id: [OTHER]}
    rules = {OTHER: [Rule("tcp", SHUT, SHUT, EVERYBODY)]}
    hypervisor.protect(lambda: Firewalls(other, rules, public_ips={guests[1].vm_id: PUBLIC_IP}))
    assert (ask(PUBLIC_IP, SHUT), ask(PUBLIC_IP, OPEN)) == (str(SHUT), "TimeoutError")
    assert ask(guests[0].private_ip, OPEN) == str(OPEN)


def test_nothing_for_the_public_range_leaves_this_machine(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest]
) -> None:
    """Not by a route that somebody adds, nor when the routes and the bridge are gone."""
    shown = json.loads(run(["ip", "-json", "route", "show", "exact", PUBLIC_RANGE], timeout_seconds=10))
    assert {each.get("dev", each.get("type")) for each in shown} == {hypervisor.bridge, "unreachable"}
    with outside("fwo", "198.51.100.8/30") as machine:
        machine.address(UNLINKED)
        run(["ip", "route", "add", f"{UNLINKED}/32", "dev", "vethfwo"], timeout_seconds=10)
        with machine.serving(ECHO, str(OPEN), str(SHUT), str(UDP)):
            assert ask(UNLINKED, OPEN) == "OSError"


def test_a_range_that_is_routed_elsewhere_is_refused(directory: Path, hypervisor: LibvirtHypervisor) -> None:
    """As that of another region on this machine."""
    second = LibvirtHypervisor(directory / "second", "10.71.9.0/24", PUBLIC_RANGE)
    with pytest.raises(ComputeFailed, match=f"--public-ips: {PUBLIC_RANGE}.*{hypervisor.bridge}"):
        second.prepare()
    second.close()
    with region(directory / "second", "10.71.9.0/24"):
        pass


def test_a_new_region_takes_no_network_that_this_host_has_a_route_for(hypervisor: LibvirtHypervisor) -> None:
    taken = public_routes.destinations()
    assert {IPv4Network(PUBLIC_RANGE), IPv4Network(hypervisor.network.cidr)} <= set(taken)
    assert all(each.prefixlen > 0 for each in taken)
