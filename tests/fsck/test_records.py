"""Records that contradict each other: each kind is found, none in a healthy home, and repairs last."""

from collections.abc import Callable
from typing import Final

import pytest

from souche.app import public_ips
from souche.db import images, operations
from souche.db.contradictions import CONTRADICTIONS
from souche.model.operations import Operation
from souche.operations.vms import DeleteVm
from souche.reconcile import firewalls
from tests.fsck.homes import Damage, codes, execute, look, mend
from tests.support.resources import make_export_task, make_volume_update, read_snapshot
from tests.workflows.world import Cast, World


def _set(table: str, key: str, column: str, value: str | None, chosen: Callable[[Cast], str]) -> Damage:
    def damage(world: World, cast: Cast) -> str:
        statement = f"UPDATE {table} SET {column} = :value WHERE {key} = :id"  # noqa: S608  constants of this file
        execute(world, statement, value=value, id=chosen(cast))
        return chosen(cast)

    return damage


def _image(cast: Cast) -> str:
    return cast.image_id


def _snapshot(cast: Cast) -> str:
    return cast.snapshot_id


def _free_volume(cast: Cast) -> str:
    return cast.volume_id


def _attached_volume(cast: Cast) -> str:
    return cast.running.volumes[1].volume_id


def _stopped(cast: Cast) -> str:
    return cast.stopped.vm_id


def _export(state: str) -> Damage:
    def damage(world: World, cast: Cast) -> str:
        snapshot = read_snapshot(world.region, cast.snapshot_id)
        task = make_export_task(world.region, cast.alice, snapshot)
        execute(world, "UPDATE export_tasks SET state = :state", state=state)
        return task.task_id

    return damage


def _update_stuck(world: World, cast: Cast) -> str:
    task = make_volume_update(world.region, cast.alice, cast.running.volumes[1])
    execute(world, "UPDATE volume_update_tasks SET state = 'active'")
    return task.task_id


def _unlinked_in_use(world: World, cast: Cast) -> str:
    execute(world, "UPDATE volumes SET state = 'in-use' WHERE volume_id = :id", id=cast.volume_id)
    return cast.volume_id


def _terminated_with_volumes(world: World, cast: Cast) -> str:
    statement = "UPDATE vms SET state = 'terminated', address_lease = NULL WHERE vm_id = :id"
    execute(world, statement, id=cast.stopped.vm_id)
    world.hypervisor.remove(cast.stopped.vm_id)
    firewalls.settle(world.parts)
    return cast.stopped.volumes[0].volume_id


def _root_missing(world: World, cast: Cast) -> str:
    execute(world, "UPDATE vms SET root_device_name = '/dev/sdz' WHERE vm_id = :id", id=cast.running.vm_id)
    return cast.running.vm_id


def _lease_left(world: World, cast: Cast) -> str:
    execute(world, "DELETE FROM volume_links WHERE vm_id = :id", id=cast.stopped.vm_id)
    execute(
        world,
        "UPDATE volumes SET state = 'available' WHERE volume_id = :id",
        id=cast.stopped.volumes[0].volume_id,
    )
    execute(world, "UPDATE vms SET state = 'terminated' WHERE vm_id = :id", id=cast.stopped.vm_id)
    world.hypervisor.remove(cast.stopped.vm_id)
    firewalls.settle(world.parts)
    return cast.stopped.vm_id


def _public_ip_left(world: World, cast: Cast) -> str:
    vm_id = _lease_left(world, cast)
    execute(world, "UPDATE vms SET address_lease = NULL WHERE vm_id = :id", id=vm_id)
    public_ip = public_ips.create(world.region, cast.alice)
    values = "vm_id = :id, link_id = 'eipassoc-12345678'"
    execute(world, f"UPDATE public_ips SET {values}", id=vm_id)  # noqa: S608  constants
    return public_ip.public_ip_id


def _import_left(world: World, cast: Cast) -> str:
    columns = "snapshot_id, sealed_url, most_bytes, received_bytes"
    statement = f"INSERT INTO disk_imports ({columns}) VALUES (:id, '', 1, 0)"  # noqa: S608  constants
    execute(world, statement, id=cast.snapshot_id)
    return cast.snapshot_id


def _mapping_lost(world: World, cast: Cast) -> str:
    execute(world, "UPDATE images SET root_device_name = '/dev/sdz' WHERE image_id = :id", id=cast.image_id)
    return cast.image_id


def _mapped_snapshot_broken(world: World, cast: Cast) -> str:
    """A foreign key keeps its record; if the key was switched off, the finding is `ReferenceBroken`."""
    with world.region.store.read() as connection:
        image = images.get(connection, cast.image_id)
    assert image is not None
    for snapshot_id in image.snapshot_ids:
        world.parts.volumes.delete_snapshot(snapshot_id)
        execute(world, "UPDATE snapshots SET state = 'error' WHERE snapshot_id = :id", id=snapshot_id)
    return cast.image_id


DAMAGES: Final[dict[str, Damage]] = {
    "ImageStuck": _set("images", "image_id", "state", "pending", _image),
    "SnapshotStuck": _set("snapshots", "snapshot_id", "state", "deleting", _snapshot),
    "VolumeStuck": _set("volumes", "volume_id", "state", "deleting", _free_volume),
    "VmStuck": _set("vms", "vm_id", "state", "stopping", _stopped),
    "LinkStuck": _set("volume_links", "volume_id", "state", "attaching", _attached_volume),
    "VolumeUpdateStuck": _update_stuck,
    "ExportStuck": _export("active"),
    "ImageSnapshotMissing": _mapped_snapshot_broken,
    "ImageRootMissing": _mapping_lost,
    "VolumeInUseUnlinked": _unlinked_in_use,
    "VolumeLinkedNotInUse": _set("volumes", "volume_id", "state", "available", _attached_volume),
    "LinkOfTerminatedVm": _terminated_with_volumes,
    "VmRootMissing": _root_missing,
    "LeaseMissing": _set("vms", "vm_id", "address_lease", None, _stopped),
    "LeaseLeft": _lease_left,
    "PublicIpOfTerminatedVm": _public_ip_left,
    "ImportLeft": _import_left,
    "ExportDisksLeft": _export("failed"),
}
FOR_A_BACKUP: Final = {"ImageSnapshotMissing", "ImageRootMissing", "VmRootMissing", "LeaseMissing"}


def test_every_contradiction_has_a_home_that_shows_it() -> None:
    assert {kind.code for kind in CONTRADICTIONS} == set(DAMAGES)


def test_a_healthy_home_shows_nothing(home: tuple[World, Cast]) -> None:
    report = look(home[0].home)
    assert codes(report) == []
    assert report.is_well


@pytest.mark.parametrize("code", DAMAGES)
def test_contradicting_records_are_found(code: str, home: tuple[World, Cast]) -> None:
    world, cast = home
    resource_id = DAMAGES[code](world, cast)
    report = look(world.home)
    assert codes(report) == [(code, resource_id)]
    assert not report.is_well


@pytest.mark.parametrize("code", [each for each in DAMAGES if each not in FOR_A_BACKUP])
def test_mended_records_agree(code: str, home: tuple[World, Cast]) -> None:
    world, cast = home
    DAMAGES[code](world, cast)
    mend(world.home)
    world.run_all()
    world.parts.volumes.collect()
    assert codes(look(world.home)) == []


@pytest.mark.parametrize("code", sorted(FOR_A_BACKUP))
def test_what_only_a_backup_mends_is_left_as_it_is(code: str, home: tuple[World, Cast]) -> None:
    world, cast = home
    resource_id = DAMAGES[code](world, cast)
    before = world.see()
    mend(world.home)
    assert world.see() == before
    (finding,) = look(world.home).findings
    assert (finding.key, finding.repair) == ((code, resource_id), None)
    assert finding.advice


@pytest.mark.parametrize("code", ["ImageStuck", "SnapshotStuck", "VolumeStuck", "VmStuck", "LinkStuck"])
def test_what_work_under_way_is_about_is_no_finding(code: str, home: tuple[World, Cast]) -> None:
    world, cast = home
    resource_id = DAMAGES[code](world, cast)
    with world.region.store.begin() as connection:
        work = Operation(f"test:{resource_id}", "delete_vm", resource_id, DeleteVm())
        operations.insert(connection, work, [], world.region.clock.now())
    assert codes(look(world.home)) == []
