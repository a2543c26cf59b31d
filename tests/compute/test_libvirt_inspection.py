"""The inspection of a region on the real libvirt, with a QEMU guest. It creates nothing."""

from pathlib import Path

import libvirt
import pytest

from souche.compute.libvirt.inspection import LibvirtInspector
from souche.compute.libvirt.names import Names, home_tag
from souche.compute.libvirt.reservations import folder
from tests.compute.contract import DATA, ROOT, Laboratory
from tests.compute.libvirt_laboratory import DiskShelf, reachable_directory, region


@pytest.mark.guest
def test_a_look_sees_guests_their_disks_and_their_addresses() -> None:
    with (
        reachable_directory() as directory,
        region(directory / "home", "10.71.3.0/24") as hypervisor,
    ):
        disks = DiskShelf(directory)
        laboratory = Laboratory(hypervisor, hypervisor, hypervisor, disks.new_disk, disks.overlay_on)
        running, off = laboratory.guest(laboratory.disk(DATA)), laboratory.guest()
        for guest in (running, off):
            hypervisor.define(guest)
        hypervisor.start(running.vm_id)
        inspector = LibvirtInspector(directory / "home", "10.71.3.0/24")
        seen = inspector.inspect()
        inspector.close()
        sources = {disk.volume_id: disk.source for disk in running.disks}
        assert {vm_id: guest.disks for vm_id, guest in seen.guests.items()} == {
            running.vm_id: sources,
            off.vm_id: None,
        }
        assert seen.reservations == {each.mac_address.lower(): each.private_ip for each in (running, off)}
        assert set(sources) == {ROOT, DATA}
        assert seen.firewalls.guests == {running.vm_id: (), off.vm_id: ()}
        assert seen.firewalls_loaded


@pytest.mark.guest
def test_a_look_at_a_region_without_guests_makes_nothing(tmp_path: Path) -> None:
    inspector = LibvirtInspector(tmp_path / "home", "10.71.4.0/24")
    seen = inspector.inspect()
    inspector.close()
    network = Names(home_tag(tmp_path / "home")).network
    assert (seen.guests, seen.reservations, seen.firewalls.guests) == ({}, {}, {})
    assert not seen.firewalls_loaded
    assert not (tmp_path / "home").exists()
    assert not folder(network).exists()
    host = libvirt.open("qemu:///system")
    assert network not in [each.name() for each in host.listAllNetworks()]
    host.close()
