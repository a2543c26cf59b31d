"""What guests let in, and what they may say, with network namespaces standing as guests: real frames on the region's
bridge, and from this machine."""

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from souche.compute.base import Firewalls, Guest
from souche.compute.libvirt import firewall, public_routes
from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.compute.libvirt.names import Names, home_tag
from souche.errors import ComputeFailed
from souche.http import metadata_socket
from souche.model.security_groups import Rule
from souche.run import run
from tests.compute.contract import Laboratory
from tests.compute.libvirt_laboratory import DiskShelf, reachable_directory, region
from tests.compute.namespaces import Namespace, namespace, outside

pytestmark = pytest.mark.guest

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


def test_the_firewalls_are_made_again_after_a_flush(
    directory: Path, hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], names: Names
) -> None:
    hypervisor.protect(lambda: Firewalls({guests[0].vm_id: [GROUP]}, from_scratch=True))
    before = tables(names)
    flush(names)
    again = LibvirtHypervisor(directory / "home", hypervisor.network.cidr, PUBLIC_RANGE)
    again.prepare()
    again.close()
    assert tables(names) == before


def test_a_guest_does_not_start_without_its_firewall(
    hypervisor: LibvirtHypervisor,
    guests: tuple[Guest, Guest],
    names: Names,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not after a flush either."""
    monkeypatch.setattr(firewall, "SEEN_SECONDS", 0.0)
    hypervisor.protect(lambda: Firewalls({guests[0].vm_id: [GROUP]}, from_scratch=True))
    before = tables(names)
    flush(names)
    hypervisor.start(guests[0].vm_id)
    assert tables(names) == before
    hypervisor.power_off(guests[0].vm_id)


def test_a_change_after_a_flush_brings_everything_back(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], names: Names
) -> None:
    put(hypervisor, guests[0])
    hypervisor.protect(lambda: Firewalls({guests[1].vm_id: [GROUP]}, from_scratch=True))
    before = tables(names)
    flush(names)
    hypervisor.protect(lambda: Firewalls({guests[1].vm_id: []}))
    hypervisor.protect(lambda: Firewalls({guests[1].vm_id: [GROUP]}))
    hypervisor.protect(lambda: Firewalls(from_scratch=True))
    assert tables(names) == before


def test_what_another_process_of_the_region_has_changed_stays(
    directory: Path, hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], names: Names
) -> None:
    put(hypervisor, guests[0], Rule("tcp", OPEN, OPEN, EVERYBODY))
    again = LibvirtHypervisor(directory / "home", hypervisor.network.cidr, PUBLIC_RANGE)
    put(again, guests[1], Rule("tcp", SHUT, SHUT, EVERYBODY))
    again.close()
    hypervisor.protect(lambda: Firewalls({guests[0].vm_id: [OTHER]}, {OTHER: []}))
    changed = tables(names)
    hypervisor.protect(lambda: Firewalls(from_scratch=True))
    assert tables(names) <= changed
    assert [each for each in tables(names) if str(SHUT) in each]


def test_a_launch_loads_the_tables_once(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = count_nft(monkeypatch)
    hypervisor.define(guests[0])
    put(hypervisor, guests[0], Rule("tcp", OPEN, OPEN, EVERYBODY))
    hypervisor.start(guests[0].vm_id)
    assert len(ran) == 1
    hypervisor.power_off(guests[0].vm_id)


def test_changes_that_come_together_are_loaded_together(
    hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran, callers = count_nft(monkeypatch), 50
    together = threading.Barrier(callers)

    def change(number: int) -> None:
        together.wait(10)
        wanted = Firewalls({guests[0].vm_id: [f"sg-{number:08x}"]}, {f"sg-{number:08x}": []})
        hypervisor.protect(lambda: wanted)

    with ThreadPoolExecutor(callers) as threads:
        list(threads.map(change, range(callers)))
    assert len(ran) < callers / 4


def test_a_removed_guest_leaves_no_firewall(
    directory: Path, hypervisor: LibvirtHypervisor, guests: tuple[Guest, Guest], names: Names
) -> None:
    put(hypervisor, guests[0])
    hypervisor.remove(guests[0].vm_id)
    left = [*tables(names), *(path.name for path in (directory / "home" / "firewall").iterdir())]
    named = (
        guests[0].vm_id,
        guests[0].private_ip,
        guests[0].mac_address.lower(),
        names.port(guests[0].vm_id),
    )
    assert not [each for each in left for name in named if name in each]


def flush(names: Names) -> None:
    """What something else on the machine may do."""
    for family in ("ip", "bridge"):
        run(["nft", "delete", "table", family, names.table], timeout_seconds=10)


def count_nft(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The arguments of each run of nft from now on."""
    ran: list[Sequence[str]] = []
    run_nft = firewall._run_nft

    def counting(arguments: Sequence[str], script: str | None = None) -> bytes:
        ran.append(arguments)
        return run_nft(arguments, script)

    monkeypatch.setattr(firewall, "_run_nft", counting)
    return ran


def tables(names: Names) -> set[str]:
    """Everything in the region's tables: a text for each chain, set and rule, in which elements are in order."""
    listed = json.loads(run(["nft", "-j", "list", "ruleset"], timeout_seconds=10))["nftables"]
    found = [(kind, fields) for each in listed for kind, fields in each.items()]
    return {
        f"{kind} {json.dumps(_settled(fields), sort_keys=True)}"
        for kind, fields in found
        if names.table in (fields.get("table"), fields.get("name"))
    }


def _settled(fields: dict[str, Any]) -> dict[str, Any]:
    """Without the numbers that nft gives, and with elements in order."""
    return {
        name: sorted(value, key=json.dumps) if name == "elem" else value
        for name, value in fields.items()
        if name not in ("handle", "index")
    }
