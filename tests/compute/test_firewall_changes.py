"""Firewalls of real guests: changes, flushes, and the programs that load them."""

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from souche.compute.base import Firewalls, Guest
from souche.compute.libvirt import firewall
from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.compute.libvirt.names import Names
from souche.model.security_groups import Rule
from souche.run import run
from tests.compute.firewalled_guests import EVERYBODY, GROUP, OPEN, OTHER, PUBLIC_RANGE, SHUT, put
from tests.compute.firewalled_guests import directory as directory
from tests.compute.firewalled_guests import guests as guests
from tests.compute.firewalled_guests import hypervisor as hypervisor
from tests.compute.firewalled_guests import names as names

pytestmark = pytest.mark.guest


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
