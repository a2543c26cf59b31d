"""Random requests to a region, about its present resources."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import sqlalchemy as sa

from souche.db import schema
from souche.db.store import Store
from tools.faults.imports import DISKS, MIB, Imports

Request = dict[str, Any]
Asked = tuple[str, Request] | None


MOST: Final = {"volumes": 9, "snapshots": 14, "images": 8, "vms": 5}


class Place(Protocol):
    """The region's data that a request is chosen from."""

    @property
    def store(self) -> Store: ...

    @property
    def name(self) -> str: ...

    @property
    def subregion_name(self) -> str: ...


@dataclass(frozen=True)
class Here:
    """An account's resources: ids by kind and state."""

    bucket: str
    subregion: str
    region: str
    imports: Imports
    source: random.Random
    volumes: dict[str, list[str]] = field(default_factory=dict)
    snapshots: dict[str, list[str]] = field(default_factory=dict)
    images: dict[str, list[str]] = field(default_factory=dict)
    vms: dict[str, list[str]] = field(default_factory=dict)
    exports: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    def any(self, of: dict[str, list[str]], *states: str) -> str | None:
        """A resource in any of these states, if there is one."""
        found = [each for state in states for each in of.get(state, [])]
        return self.source.choice(found) if found else None

    def name(self) -> str:
        return f"n{self.source.getrandbits(48):x}"

    def is_full(self, kind: str) -> bool:
        """Whether there are enough resources of a kind."""
        of: dict[str, list[str]] = getattr(self, kind)
        living = [each for state, ids in of.items() if state != "terminated" for each in ids]
        return len(living) >= MOST[kind]


def look(region: Place, account_id: str, imports: Imports, source: random.Random) -> Here:
    """An account's current resources."""
    here = Here(f"of-{account_id}", region.subregion_name, region.name, imports, source)
    tables = (
        (here.volumes, schema.volumes, schema.volumes.c.volume_id),
        (here.snapshots, schema.snapshots, schema.snapshots.c.snapshot_id),
        (here.images, schema.images, schema.images.c.image_id),
        (here.vms, schema.vms, schema.vms.c.vm_id),
    )
    with region.store.read() as connection:
        for found, table, key in tables:
            mine = sa.select(key, table.c.state).where(table.c.account_id == account_id).order_by(key)
            for resource_id, state in connection.execute(mine):
                found.setdefault(state, []).append(resource_id)
        tasks, groups = schema.export_tasks.c, schema.security_groups.c
        under_way = tasks.state.in_(("queued", "active"))
        here.exports.extend(
            connection.scalars(sa.select(tasks.task_id).where(tasks.account_id == account_id, under_way))
        )
        here.groups.extend(
            connection.scalars(sa.select(groups.security_group_id).where(groups.account_id == account_id))
        )
    return here


def choose(here: Here) -> tuple[str, Request]:
    """A random request."""
    while True:
        make = here.source.choices([make for make, _ in _WEIGHTS], [weight for _, weight in _WEIGHTS])[0]
        asked = make(here)
        if asked is not None:
            return asked


def for_workflow(here: Here, workflow: str) -> tuple[str, Request]:
    """A request that starts this workflow, if the region has resources for it; otherwise a random one."""
    for _ in range(4):
        asked = _MAKERS[workflow](here) if workflow in _MAKERS else None
        if asked is not None:
            return asked
    return choose(here)


def _create_volume(here: Here) -> Asked:
    if here.is_full("volumes"):
        return None
    snapshot = here.any(here.snapshots, "completed")
    if snapshot is not None and here.source.random() < 0.6:
        return "CreateVolume", {"SubregionName": here.subregion, "SnapshotId": snapshot, "Size": 3}
    return "CreateVolume", {"SubregionName": here.subregion, "Size": here.source.choice((1, 2))}


def _delete_volume(here: Here) -> Asked:
    volume = here.any(here.volumes, "available", "error")
    return (
        ("DeleteVolume", {"VolumeId": volume})
        if volume and len(here.volumes.get("available", [])) > 2
        else None
    )


def _create_snapshot(here: Here) -> Asked:
    volume = here.any(here.volumes, "available", "in-use")
    return None if volume is None or here.is_full("snapshots") else ("CreateSnapshot", {"VolumeId": volume})


def _copy_snapshot(here: Here) -> Asked:
    snapshot = here.any(here.snapshots, "completed")
    if snapshot is None or here.is_full("snapshots"):
        return None
    return "CreateSnapshot", {"SourceSnapshotId": snapshot, "SourceRegionName": here.region}


def _import_snapshot(here: Here) -> Asked:
    if here.is_full("snapshots"):
        return None
    number = here.source.randrange(DISKS)
    return "CreateSnapshot", {
        "FileLocation": here.imports.url(number),
        "SnapshotSize": MIB,
        "Description": f"import {number}",
    }


def _delete_snapshot(here: Here) -> Asked:
    snapshot = here.any(here.snapshots, "completed", "error")
    return None if snapshot is None else ("DeleteSnapshot", {"SnapshotId": snapshot})


def _image_of_vm(here: Here, no_reboot: bool) -> Asked:  # noqa: FBT001
    vm = here.any(here.vms, "running", "stopped")
    if vm is None or here.is_full("images") or here.is_full("snapshots"):
        return None
    return "CreateImage", {"VmId": vm, "ImageName": here.name(), "NoReboot": no_reboot}


def _create_image(here: Here) -> Asked:
    return _image_of_vm(here, no_reboot=here.source.random() < 0.6)


def _copy_image(here: Here) -> Asked:
    image = here.any(here.images, "available")
    if image is None or here.is_full("images"):
        return None
    return "CreateImage", {"SourceImageId": image, "SourceRegionName": here.region, "ImageName": here.name()}


def _image_of_snapshot(here: Here) -> Asked:
    snapshot = here.any(here.snapshots, "completed")
    if snapshot is None or here.is_full("images"):
        return None
    mapping = {"DeviceName": "/dev/sda1", "Bsu": {"SnapshotId": snapshot}}
    root = {"RootDeviceName": "/dev/sda1", "BlockDeviceMappings": [mapping]}
    return "CreateImage", {"ImageName": here.name(), **root}


def _delete_image(here: Here) -> Asked:
    image = here.any(here.images, "available", "failed")
    return (
        None
        if image is None or len(here.images.get("available", [])) < 2
        else ("DeleteImage", {"ImageId": image})
    )


def _create_vms(here: Here) -> Asked:
    image = here.any(here.images, "available")
    if image is None or here.is_full("vms") or here.is_full("volumes"):
        return None
    data = {
        "DeviceName": "/dev/xvdb",
        "Bsu": {"VolumeSize": 1, "DeleteOnVmDeletion": here.source.random() < 0.5},
    }
    return "CreateVms", {
        "ImageId": image,
        "BlockDeviceMappings": [data] if here.source.random() < 0.5 else [],
    }


def _on_vm(action: str, *states: str) -> Callable[[Here], Asked]:
    def make(here: Here) -> Asked:
        vm = here.any(here.vms, *states)
        return None if vm is None else (action, {"VmIds": [vm]})

    return make


def _link(here: Here) -> Asked:
    volume, vm = here.any(here.volumes, "available"), here.any(here.vms, "running", "stopped")
    if volume is None or vm is None:
        return None
    device = f"/dev/xvd{here.source.choice('cdefgh')}"
    return "LinkVolume", {"VolumeId": volume, "VmId": vm, "DeviceName": device}


def _unlink(here: Here) -> Asked:
    volume = here.any(here.volumes, "in-use")
    return None if volume is None else ("UnlinkVolume", {"VolumeId": volume})


def _update_volume(here: Here) -> Asked:
    volume = here.any(here.volumes, "available", "in-use")
    return (
        None if volume is None else ("UpdateVolume", {"VolumeId": volume, "Size": here.source.randint(4, 9)})
    )


def _export(here: Here) -> dict[str, object]:
    return {
        "DiskImageFormat": "qcow2",
        "OsuBucket": here.bucket,
        "OsuPrefix": here.name(),
    }


def _export_snapshot(here: Here) -> Asked:
    snapshot = here.any(here.snapshots, "completed")
    return (
        None
        if snapshot is None
        else ("CreateSnapshotExportTask", {"SnapshotId": snapshot, "OsuExport": _export(here)})
    )


def _export_image(here: Here) -> Asked:
    image = here.any(here.images, "available")
    return (
        None if image is None else ("CreateImageExportTask", {"ImageId": image, "OsuExport": _export(here)})
    )


def _delete_export(here: Here) -> Asked:
    return ("DeleteExportTask", {"ExportTaskId": here.source.choice(here.exports)}) if here.exports else None


def _rule(here: Here) -> Asked:
    if not here.groups:
        return None
    port = here.source.randint(1, 40)
    rule = {"IpProtocol": "tcp", "FromPortRange": port, "ToPortRange": port, "IpRange": "10.0.0.0/8"}
    return "CreateSecurityGroupRule", {"SecurityGroupId": here.groups[0], "Flow": "Inbound", **rule}


_WEIGHTS: Final[tuple[tuple[Callable[[Here], Asked], int], ...]] = (
    (_create_volume, 6),
    (_delete_volume, 5),
    (_create_snapshot, 14),
    (_copy_snapshot, 4),
    (_import_snapshot, 3),
    (_delete_snapshot, 10),
    (_create_image, 12),
    (_copy_image, 4),
    (_image_of_snapshot, 3),
    (_delete_image, 7),
    (_create_vms, 8),
    (_on_vm("DeleteVms", "running", "stopped"), 5),
    (_on_vm("StopVms", "running"), 4),
    (_on_vm("StartVms", "stopped"), 6),
    (_on_vm("RebootVms", "running"), 2),
    (_link, 6),
    (_unlink, 4),
    (_update_volume, 6),
    (_export_snapshot, 2),
    (_export_image, 2),
    (_delete_export, 1),
    (_rule, 2),
)

_MAKERS: Final[dict[str, Callable[[Here], Asked]]] = {
    "apply_security_groups": _rule,
    "copy_image": _copy_image,
    "copy_snapshot": _copy_snapshot,
    "create_image": _create_image,
    "create_snapshot": _create_snapshot,
    "create_vm": _create_vms,
    "create_volume": _create_volume,
    "delete_snapshot": _delete_snapshot,
    "delete_vm": _on_vm("DeleteVms", "running", "stopped"),
    "delete_volume": _delete_volume,
    "export_image": _export_image,
    "export_snapshot": _export_snapshot,
    "import_snapshot": _import_snapshot,
    "link_volume": _link,
    "reboot_vm": _on_vm("RebootVms", "running"),
    "start_vm": _on_vm("StartVms", "stopped"),
    "stop_vm": _on_vm("StopVms", "running"),
    "unlink_volume": _unlink,
    "update_volume": _update_volume,
}

WORKFLOWS: Final = tuple(_MAKERS)
"""workflows that some request starts"""
