"""Guests, their disks, addresses and firewalls against the records."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from souche.compute.inspection import ComputeState, SeenGuest
from souche.fsck.examine import examine
from souche.home import Home
from souche.main import checking
from tests.fsck.homes import Damage, codes, look
from tests.workflows.world import Cast, World


def _record(world: World, vm_id: str) -> Path:
    return world.home / "simulated-guests" / f"{vm_id}.json"


def _change(world: World, vm_id: str, **values: object) -> None:
    stored: dict[str, Any] = json.loads(_record(world, vm_id).read_bytes())
    _record(world, vm_id).write_text(json.dumps(stored | values))


def _opened(world: World, vm_id: str) -> dict[str, Any]:
    opened: dict[str, Any] = json.loads(_record(world, vm_id).read_bytes())["open"]
    return opened


def _guest_unknown(world: World, cast: Cast) -> str:
    _record(world, "i-00000000").write_text(_record(world, cast.stopped.vm_id).read_text())
    return "i-00000000"


def _guest_lost(world: World, cast: Cast) -> str:
    _record(world, cast.running.vm_id).unlink()
    return cast.running.vm_id


def _disk_elsewhere(world: World, cast: Cast) -> str:
    opened = _opened(world, cast.running.vm_id)
    root = cast.running.volumes[0].volume_id
    elsewhere = {"name": str(world.home / "disks/layers/other.qcow2"), "format": "qcow2"}
    _change(world, cast.running.vm_id, open={**opened, root: elsewhere})
    return cast.running.vm_id


def _disk_unplugged(world: World, cast: Cast) -> str:
    opened = _opened(world, cast.running.vm_id)
    opened.pop(cast.running.volumes[1].volume_id)
    _change(world, cast.running.vm_id, open=opened)
    return cast.running.vm_id


def _disk_kept(world: World, cast: Cast) -> str:
    source = world.disks.store.volume_source(cast.volume_id)
    kept = {"name": str(getattr(source, "path")), "format": "qcow2"}  # noqa: B009  a file, of this store
    _change(world, cast.running.vm_id, open={**_opened(world, cast.running.vm_id), cast.volume_id: kept})
    return cast.running.vm_id


def _group_left(world: World, cast: Cast) -> str:
    _change(world, cast.running.vm_id, groups=[])
    return cast.running.vm_id


def _public_ip_left(world: World, cast: Cast) -> str:
    _change(world, cast.running.vm_id, public_ip="198.19.0.7")
    return cast.running.vm_id


FAULTS: Final[dict[str, Damage]] = {
    "GuestWithoutRecord": _guest_unknown,
    "GuestMissing": _guest_lost,
    "GuestDiskDiffers": _disk_elsewhere,
    "GuestDiskMissing": _disk_unplugged,
    "GuestDiskUnlinked": _disk_kept,
    "FirewallDiffers": _group_left,
    "PublicIpDiffers": _public_ip_left,
}


@pytest.mark.parametrize("code", FAULTS)
def test_a_guest_that_differs_from_its_record_is_found(code: str, home: tuple[World, Cast]) -> None:
    world, cast = home
    vm_id = FAULTS[code](world, cast)
    assert codes(look(world.home)) == [(code, vm_id)]


def test_a_home_that_was_copied_is_whole(home: tuple[World, Cast], tmp_path: Path) -> None:
    """Its simulated guests had the disks of the first home open, and every one of them was a finding."""
    world, _cast = home
    shutil.copytree(world.home, tmp_path / "copy", symlinks=True)
    assert codes(look(tmp_path / "copy")) == []


class Told:
    """A hypervisor that is seen to have this."""

    def __init__(self, state: ComputeState) -> None:
        self._state = state

    def inspect(self) -> ComputeState:
        return self._state


def _seen(world: World, **changes: Any) -> list[tuple[str, str]]:
    with checking.opened(Home(world.home)) as region:
        state = replace(world.hypervisor.inspect(), **changes)
        told = replace(region, compute=Told(state))
        return codes(examine(told, pause=lambda _seconds: None))


def _reserved(cast: Cast) -> dict[str, str]:
    return {vm.mac_address: vm.private_ip for vm in (cast.running, cast.stopped)}


def test_an_address_that_dhcp_does_not_give_is_found(home: tuple[World, Cast]) -> None:
    world, cast = home
    assert _seen(world, reservations=_reserved(cast)) == []
    others = {cast.running.mac_address: "10.77.0.99"}
    found = ("ReservationMissing", cast.running.vm_id)
    assert _seen(world, reservations=_reserved(cast) | others) == [found]
    assert _seen(world, reservations={}) == [found]


def test_an_address_that_is_kept_for_nobody_is_found(home: tuple[World, Cast]) -> None:
    world, cast = home
    left = {"52:54:00:00:00:01": "10.77.0.98"}
    assert _seen(world, reservations=_reserved(cast) | left) == [("ReservationLeft", "52:54:00:00:00:01")]


def test_a_group_that_lets_in_something_else_is_found(home: tuple[World, Cast]) -> None:
    world, cast = home
    (group,) = cast.running.security_groups
    (world.home / "simulated-guests" / "groups" / f"{group.security_group_id}.json").write_text("[]")
    found = sorted(("FirewallDiffers", vm.vm_id) for vm in (cast.running, cast.stopped))
    assert codes(look(world.home)) == found


def test_a_guest_without_a_firewall_is_found(home: tuple[World, Cast]) -> None:
    world, cast = home
    present = world.hypervisor.inspect().firewalls
    others = {vm_id: groups for vm_id, groups in present.guests.items() if vm_id != cast.running.vm_id}
    assert _seen(world, firewalls=replace(present, guests=others)) == [
        ("FirewallMissing", cast.running.vm_id)
    ]


def test_a_firewall_without_a_guest_is_found(home: tuple[World, Cast]) -> None:
    world, _cast = home
    present = world.hypervisor.inspect().firewalls
    more = replace(present, guests={**present.guests, "i-00000000": ()})
    assert _seen(world, firewalls=more) == [("FirewallLeft", "i-00000000")]


def test_firewalls_that_are_not_in_force_are_found(home: tuple[World, Cast]) -> None:
    assert _seen(home[0], firewalls_loaded=False) == [("FirewallsNotLoaded", "firewall")]


def test_a_guest_that_is_off_needs_no_disks(home: tuple[World, Cast]) -> None:
    world, cast = home
    guests = {cast.running.vm_id: SeenGuest(None), cast.stopped.vm_id: SeenGuest(None)}
    assert _seen(world, guests=guests) == []
