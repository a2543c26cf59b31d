"""A case of every workflow: how it comes to be requested, and what a failure leaves of it in the records.

Everything that a scenario's `failed` does not name is unchanged: rows, disks, bytes, guests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from souche.app import (
    backups,
    export_refreshes,
    export_tasks,
    image_cleanings,
    image_copies,
    image_imports,
    images,
    launches,
    official_images,
    public_ips,
    security_groups,
    snapshot_imports,
    snapshots,
    vm_transitions,
    volume_updates,
    volumes,
)
from souche.app.export_refreshes import Refresh
from souche.app.images import ImageSettings
from souche.db import snapshots as snapshot_records
from souche.model.export_tasks import ExportTask
from souche.model.images import Image
from souche.transfer.gate import AdmittedDisk
from tests.support.exported import MIB, SYSTEM, disk, packed, put_disk, put_manifest
from tests.workflows.world import Cast, Row, World

Changed = Mapping[str, Row | None]

USER_STOPPED = "Client.UserInitiatedShutdown: User initiated shutdown"


@dataclass(frozen=True)
class Scenario:
    """`request` asks for the workflow in a world, and returns what its failure leaves, given the reason; None for
    a workflow that only runs forward. The work of the steps that `stands` names stands although they fail
    afterwards."""

    name: str
    workflow: str
    request: Callable[[World, Cast], Callable[[str], Changed] | None]
    stands: frozenset[str] = frozenset()


def _create_volume(world: World, cast: Cast) -> Callable[[str], Changed]:
    region = world.region
    wanted = volumes.Create(region.subregion_name, snapshot_id=cast.snapshot_id, size_gib=2)
    volume = volumes.create(region, cast.alice, wanted)
    return lambda _reason: {f"volumes {volume.volume_id}": {"state": "error"}}


def _delete_volume(world: World, cast: Cast) -> None:
    volumes.delete(world.region, cast.alice, cast.volume_id)


def _link_volume(world: World, cast: Cast) -> Callable[[str], Changed]:
    volumes.link(world.region, cast.alice, volumes.Link(cast.volume_id, cast.running.vm_id, "/dev/xvdc"))
    return lambda _reason: {
        f"volumes {cast.volume_id}": {"state": "available"},
        f"volume_links {cast.volume_id}": None,
    }


def _unlink_volume(world: World, cast: Cast) -> Callable[[str], Changed]:
    data = cast.running.volumes[1].volume_id
    volumes.unlink(world.region, cast.alice, data)
    return lambda _reason: {f"volume_links {data}": {"state": "attached"}}


def _snapshot_error(snapshot_id: str) -> Callable[[str], Changed]:
    return lambda reason: {f"snapshots {snapshot_id}": {"state": "error", "problem": reason}}


def _create_snapshot(world: World, cast: Cast) -> Callable[[str], Changed]:
    root = cast.running.volumes[0].volume_id
    made = snapshots.create_from_volume(world.region, cast.alice, snapshots.FromVolume(root))
    return _snapshot_error(made.snapshot_id)


def _capture_for_backup(world: World, cast: Cast) -> Callable[[str], Changed]:
    volume_ids = [volume.volume_id for volume in cast.running.volumes]
    backups.request_captures(world.region, volume_ids, "backup-1-")
    return lambda _reason: {}


def _copy_snapshot(world: World, cast: Cast) -> Callable[[str], Changed]:
    wanted = snapshots.Copy(cast.snapshot_id, world.region.name)
    return _snapshot_error(snapshots.copy(world.region, cast.alice, wanted).snapshot_id)


def _delete_snapshot(world: World, cast: Cast) -> None:
    snapshots.delete(world.region, cast.alice, cast.snapshot_id)


def _image_failed(world: World, image: Image, others: Changed) -> Callable[[str], Changed]:
    """A failed image has neither mappings nor snapshots."""
    with world.region.store.read() as connection:
        made = snapshot_records.of_image_creation(connection, image.image_id)

    def failed(reason: str) -> Changed:
        return {
            f"images {image.image_id}": {"state": "failed", "state_message": reason},
            **{f"image_mappings {image.image_id} {place}": None for place in range(len(image.mappings))},
            **{f"snapshots {snapshot.snapshot_id}": None for snapshot in made},
            **others,
        }

    return failed


def _create_image(world: World, cast: Cast) -> Callable[[str], Changed]:
    vm_id = cast.running.vm_id
    wanted = images.FromVm(ImageSettings("at rest"), vm_id, no_reboot=False)
    image = images.create_from_vm(world.region, cast.alice, wanted)
    return _image_failed(world, image, {f"vms {vm_id}": {"state": "running", "state_reason": ""}})


def _create_image_of_running_vm(world: World, cast: Cast) -> Callable[[str], Changed]:
    wanted = images.FromVm(ImageSettings("alive"), cast.running.vm_id, no_reboot=True)
    return _image_failed(world, images.create_from_vm(world.region, cast.alice, wanted), {})


def _copy_image(world: World, cast: Cast) -> Callable[[str], Changed]:
    wanted = image_copies.Copy(ImageSettings("copy"), cast.image_id, world.region.name)
    return _image_failed(world, image_copies.copy(world.region, cast.alice, wanted), {})


def _clean_image(world: World, cast: Cast) -> Callable[[str], Changed]:
    wanted = image_cleanings.Clean(cast.image_id, ImageSettings("clean"))
    return _image_failed(world, image_cleanings.create(world.region, cast.alice, wanted), {})


def _import_image(world: World, cast: Cast) -> Callable[[str], Changed]:
    disk = world.home / "staging" / "disk.raw"
    disk.write_bytes(b"imported".ljust(2**16, b"\0"))
    wanted = official_images.DiskImage(AdmittedDisk(disk, "raw", 1 * 1024**3), "Test", "", ("legacy",))
    return _image_failed(world, official_images.publish(world.region, wanted), {})


def _import_image_from_manifest(world: World, cast: Cast) -> Callable[[str], Changed]:
    data = disk(
        put_disk(packed(b"imported data".ljust(MIB, b"\0")), "data.raw.gz"), Device="/dev/xvdb", Size=MIB
    )
    location = put_manifest(disk(put_disk(packed(SYSTEM))), data)
    wanted = image_imports.FromManifest(ImageSettings("from elsewhere"), location)
    image = image_imports.create(world.region, cast.alice, wanted)
    return _image_failed(
        world, image, {f"disk_imports {snapshot_id}": None for snapshot_id in image.snapshot_ids}
    )


def _import_snapshot(world: World, cast: Cast) -> Callable[[str], Changed]:
    wanted = snapshot_imports.FromUrl(put_disk(packed(SYSTEM)), 4 * MIB)
    snapshot_id = snapshot_imports.create(world.region, cast.alice, wanted).snapshot_id
    return lambda reason: {
        f"snapshots {snapshot_id}": {"state": "error", "problem": reason},
        f"disk_imports {snapshot_id}": None,
    }


def _create_vm(world: World, cast: Cast) -> Callable[[str], Changed]:
    (vm,) = launches.launch(world.region, cast.alice, launches.Launch(cast.image_id))
    (root,) = vm.volumes
    return lambda reason: {
        f"vms {vm.vm_id}": {
            "state": "terminated",
            "state_reason": f"Server.InternalError: {reason}",
            "address_lease": None,
        },
        **{f"vm_security_groups {vm.vm_id} {group.security_group_id}": None for group in vm.security_groups},
        f"volumes {root.volume_id}": None,
        f"volume_links {root.volume_id}": None,
    }


def _delete_vm(world: World, cast: Cast) -> None:
    vm_transitions.delete(world.region, cast.alice, [cast.running.vm_id])


def _start_vm(world: World, cast: Cast) -> Callable[[str], Changed]:
    vm_transitions.start(world.region, cast.alice, [cast.stopped.vm_id])
    return lambda reason: {
        f"vms {cast.stopped.vm_id}": {"state": "stopped", "state_reason": f"Server.InternalError: {reason}"}
    }


def _stop_vm(world: World, cast: Cast) -> None:
    vm_transitions.stop(world.region, cast.alice, [cast.running.vm_id], force=False)


def _reboot_vm(world: World, cast: Cast) -> Callable[[str], Changed]:
    vm_transitions.reboot(world.region, cast.alice, [cast.running.vm_id])
    return lambda _reason: {}


def _update_volume(world: World, cast: Cast) -> Callable[[str], Changed]:
    data = cast.running.volumes[1].volume_id
    updated = volume_updates.update(world.region, cast.alice, volume_updates.Change(data, size_gib=2))
    assert updated.update is not None
    task = f"volume_update_tasks {updated.update.task_id}"
    return lambda reason: {task: {"state": "failed", "comment": reason}}


def _apply_public_ips(world: World, cast: Cast) -> None:
    public_ip = public_ips.create(world.region, cast.alice).public_ip
    public_ips.link(world.region, cast.alice, public_ips.Link(cast.running.vm_id, public_ip))


def _apply_security_groups(world: World, cast: Cast) -> None:
    (default,) = cast.running.security_groups
    opened = security_groups.RuleRequest("tcp", 80, 80, ("0.0.0.0/0",))
    group_id = default.security_group_id
    security_groups.add_rules(world.region, cast.alice, group_id, "Inbound", [opened])


TARGET = export_tasks.Target("qcow2", "exports", "there/")


def _export_image(world: World, cast: Cast) -> Callable[[str], Changed]:
    return _export_failed(world, export_tasks.export_image(world.region, cast.alice, cast.image_id, TARGET))


def _export_snapshot(world: World, cast: Cast) -> Callable[[str], Changed]:
    return _export_failed(
        world, export_tasks.export_snapshot(world.region, cast.alice, cast.snapshot_id, TARGET)
    )


def _export_failed(world: World, task: ExportTask) -> Callable[[str], Changed]:
    """The bucket is there before: exports make it and leave it."""
    world.oos.ensure_bucket(TARGET.bucket, task.account_id)
    return lambda reason: {
        f"export_tasks {task.task_id}": {"state": "failed", "comment": reason},
        **{f"export_disks {task.task_id} {snapshot_id}": None for snapshot_id in task.snapshot_ids},
    }


def _refresh_export(world: World, cast: Cast) -> Callable[[str], Changed]:
    task = export_tasks.export_image(world.region, cast.alice, cast.image_id, TARGET)
    world.run_all()
    export_refreshes.refresh(world.region, cast.alice, Refresh(task.task_id))
    return lambda reason: {f"export_tasks {task.task_id}": {"refresh_problem": reason}}


SCENARIOS = (
    Scenario("create_volume", "create_volume", _create_volume),
    Scenario("delete_volume", "delete_volume", _delete_volume),
    Scenario("link_volume", "link_volume", _link_volume),
    Scenario("unlink_volume", "unlink_volume", _unlink_volume, frozenset({"detach"})),
    Scenario("create_snapshot", "create_snapshot", _create_snapshot),
    Scenario("capture_for_backup", "capture_for_backup", _capture_for_backup),
    Scenario("copy_snapshot", "copy_snapshot", _copy_snapshot),
    Scenario("delete_snapshot", "delete_snapshot", _delete_snapshot),
    Scenario("create_image", "create_image", _create_image),
    Scenario("create_image of a running VM", "create_image", _create_image_of_running_vm),
    Scenario("copy_image", "copy_image", _copy_image),
    Scenario("clean_image", "clean_image", _clean_image),
    Scenario("import_image", "import_image", _import_image),
    Scenario("import_image_from_manifest", "import_image_from_manifest", _import_image_from_manifest),
    Scenario("import_snapshot", "import_snapshot", _import_snapshot),
    Scenario("export_image", "export_image", _export_image),
    Scenario("export_snapshot", "export_snapshot", _export_snapshot),
    Scenario("refresh_export", "refresh_export", _refresh_export),
    Scenario("create_vm", "create_vm", _create_vm),
    Scenario("delete_vm", "delete_vm", _delete_vm),
    Scenario("start_vm", "start_vm", _start_vm),
    Scenario("stop_vm", "stop_vm", _stop_vm),
    Scenario("reboot_vm", "reboot_vm", _reboot_vm),
    Scenario("update_volume", "update_volume", _update_volume),
    Scenario("apply_public_ips", "apply_public_ips", _apply_public_ips),
    Scenario("apply_security_groups", "apply_security_groups", _apply_security_groups),
)
