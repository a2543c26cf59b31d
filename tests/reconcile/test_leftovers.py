import os
from datetime import timedelta
from pathlib import Path

import pytest

from souche import staged
from souche.app import launches, official_images, vm_transitions, volumes
from souche.compute.base import Guest
from souche.db import vms
from souche.reconcile import leftovers
from souche.storage.base import Capture
from souche.transfer.gate import AdmittedDisk
from tests.support.region import ManualClock
from tests.workflows.world import Original, World

GIB = 1024**3


def test_what_has_a_record_stays(world: World) -> None:
    before = world.see()
    leftovers.remove(world.parts)
    world.parts.volumes.collect()
    assert world.see() == before


def test_what_has_no_record_is_removed(world: World) -> None:
    before = world.see()
    store = world.disks.store
    store.create_volume("vol-00000001", GIB)
    store.capture([Capture("vol-00000001", "snap-00000001")], vm_id=None, live=None)
    guest = Guest("i-00000001", 1, 512, "x86_64", "legacy", (), "52:54:00:00:00:01", "10.77.0.99", "ip")
    world.hypervisor.define(guest)
    world.hypervisor.start("i-00000001")
    assert world.see() != before
    for _ in range(2):
        leftovers.remove(world.parts)
        assert world.see() == before


def test_what_is_outstanding_stays(world: World, origin: Original) -> None:
    """Records precede their resources, so a resource under creation is never a leftover."""
    region, alice = world.region, origin.cast.alice
    volumes.create(region, alice, volumes.Create(region.subregion_name, size_gib=1))
    launches.launch(region, alice, launches.Launch(origin.cast.image_id))
    world.run_all()
    before = world.see()
    vm_transitions.delete(region, alice, [origin.cast.running.vm_id])
    volumes.delete(region, alice, origin.cast.volume_id)
    leftovers.remove(world.parts)
    assert world.see().volumes == before.volumes
    assert world.see().power == before.power


def test_guest_of_a_terminated_vm_is_removed(world: World, origin: Original) -> None:
    vm_id = origin.cast.running.vm_id
    with world.region.store.begin() as connection:
        vms.set_terminated(connection, vm_id, "", world.parts.clock.now())
    leftovers.remove(world.parts)
    assert vm_id not in world.hypervisor.power_states()


def test_terminated_vm_is_listed_for_an_hour(world: World, origin: Original) -> None:
    vm_id = origin.cast.running.vm_id
    vm_transitions.delete(world.region, origin.cast.alice, [vm_id])
    world.run_all()
    clock = world.parts.clock
    assert isinstance(clock, ManualClock)
    clock.advance(minutes=59)
    leftovers.forget_terminated(world.parts)
    assert world.vm(vm_id).termination_date is not None
    clock.advance(minutes=2)
    leftovers.forget_terminated(world.parts)
    with world.region.store.read() as connection:
        assert vms.get(connection, vm_id) is None


def test_staged_disks_that_nobody_wants_or_holds_are_removed(world: World) -> None:
    staging = world.home / "staging"
    (staging / "half" / "work").mkdir(parents=True)
    for name in ("half/work/disk", "old.qcow2", "wanted.raw", "new.qcow2", "held.qcow2"):
        (staging / name).write_bytes(b"disk")
    disk = official_images.DiskImage(
        AdmittedDisk(staging / "wanted.raw", "raw", 1 * 1024**3), "Test", "", ("legacy",)
    )
    official_images.publish(world.region, disk)
    present = world.parts.clock.now()
    old = (present - leftovers.STAGED_KEPT - timedelta(minutes=1)).timestamp()
    for name in ("half", "old.qcow2", "wanted.raw", "held.qcow2"):
        os.utime(staging / name, (old, old))
    os.utime(staging / "new.qcow2", (present.timestamp(), present.timestamp()))
    with staged.held(staging / "held.qcow2"):
        leftovers.remove_staged(world.parts, staging)
    assert sorted(path.name for path in staging.iterdir()) == ["held.qcow2", "new.qcow2", "wanted.raw"]
    leftovers.remove_staged(world.parts, staging)
    assert sorted(path.name for path in staging.iterdir()) == ["new.qcow2", "wanted.raw"]


def test_a_staged_disk_that_is_let_go_of_amid_a_sweep_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its operation is recorded before: what the sweep read earlier does not name it."""
    disk = world.home / "staging" / "disk.raw"
    disk.write_bytes(b"disk")
    os.utime(disk, (0, 0))

    def let_go(path: Path) -> bool:
        wanted = AdmittedDisk(path, "raw", 1 * 1024**3)
        official_images.publish(world.region, official_images.DiskImage(wanted, "Test", "", ("legacy",)))
        return False

    monkeypatch.setattr(staged, "is_held", let_go)
    leftovers.remove_staged(world.parts, world.home / "staging")
    assert disk.exists()
