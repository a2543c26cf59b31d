"""A request that succeeds, for every supported action and every id that it takes.

`<kind>` or `<which.kind>` stands for the id of a resource of `make_world`. Tests go through the whole table: what
an account cannot see, and what a dry run leaves.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from souche.app.region import Region
from souche.model.accounts import Principal
from souche.states import ImageState, SnapshotState, VmState, VolumeState
from tests.support.resources import (
    attach,
    make_image,
    make_keypair,
    make_snapshot,
    make_vm,
    make_volume,
)

HERE: Final = "eu-test-1"
TAG: Final = {"Key": "k", "Value": "v"}
SHARE: Final = {"Additions": {"GlobalPermission": True}}

REQUESTS: Final[Mapping[str, Sequence[Mapping[str, Any]]]] = {
    "CreateAccessKey": [{}],
    "CreateImage": [
        {"VmId": "<vm>", "ImageName": "new"},
        {"SourceImageId": "<image>", "SourceRegionName": HERE},
        {
            "ImageName": "new",
            "RootDeviceName": "/dev/sda1",
            "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Bsu": {"SnapshotId": "<snapshot>"}}],
        },
    ],
    "CreateKeypair": [{"KeypairName": "new"}],
    "CreateSnapshot": [
        {"VolumeId": "<volume>"},
        {"SourceSnapshotId": "<snapshot>", "SourceRegionName": HERE},
    ],
    "CreateTags": [
        {"ResourceIds": [f"<{kind}>"], "Tags": [TAG]}
        for kind in ("image", "snapshot", "volume", "vm", "keypair")
    ],
    "CreateVms": [
        {"ImageId": "<image>"},
        {"ImageId": "<image>", "KeypairName": "<name_of.keypair_name>"},
        {
            "ImageId": "<image>",
            "BlockDeviceMappings": [{"DeviceName": "/dev/xvdb", "Bsu": {"SnapshotId": "<snapshot>"}}],
        },
    ],
    "CreateVolume": [{"SubregionName": f"{HERE}a", "SnapshotId": "<snapshot>"}],
    "DeleteAccessKey": [{"AccessKeyId": "<access_key>"}],
    "DeleteImage": [{"ImageId": "<image>"}],
    "DeleteKeypair": [{"KeypairId": "<keypair>"}, {"KeypairName": "<name_of.keypair_name>"}],
    "DeleteSnapshot": [{"SnapshotId": "<snapshot>"}],
    "DeleteTags": [
        {"ResourceIds": [f"<{kind}>"], "Tags": [TAG]}
        for kind in ("image", "snapshot", "volume", "vm", "keypair")
    ],
    "DeleteVms": [{"VmIds": ["<stopped.vm>", "<vm>"]}],
    "DeleteVolume": [{"VolumeId": "<volume>"}],
    "LinkVolume": [{"VolumeId": "<volume>", "VmId": "<vm>", "DeviceName": "/dev/xvdz"}],
    "ReadAccessKeys": [{}],
    "ReadAccounts": [{}],
    "ReadAdminPassword": [{"VmId": "<vm>"}],
    "ReadConsoleOutput": [{"VmId": "<vm>"}],
    "ReadImages": [{}],
    "ReadKeypairs": [{}],
    "ReadRegions": [{}],
    "ReadSnapshots": [{}],
    "ReadSubregions": [{}],
    "ReadTags": [{}],
    "ReadVmTypes": [{}],
    "ReadVms": [{}],
    "ReadVmsState": [{}],
    "ReadVolumes": [{}],
    "RebootVms": [{"VmIds": ["<vm>"]}],
    "StartVms": [{"VmIds": ["<stopped.vm>"]}],
    "StopVms": [{"VmIds": ["<vm>"]}],
    "UnlinkVolume": [{"VolumeId": "<linked.volume>"}],
    "UpdateAccessKey": [{"AccessKeyId": "<access_key>", "State": "INACTIVE"}],
    "UpdateImage": [{"ImageId": "<image>", "Description": "new", "PermissionsToLaunch": SHARE}],
    "UpdateSnapshot": [{"SnapshotId": "<snapshot>", "PermissionsToCreateVolume": SHARE}],
    "UpdateVm": [
        {"VmId": "<stopped.vm>", "VmType": "tinav5.c1r1"},
        {"VmId": "<vm>", "KeypairName": "<name_of.keypair_name>"},
        {
            "VmId": "<vm>",
            "BlockDeviceMappings": [{"Bsu": {"VolumeId": "<linked.volume>", "DeleteOnVmDeletion": False}}],
        },
    ],
}


def make_world(region: Region, who: Principal) -> Mapping[str, str]:
    """One of everything that `REQUESTS` names, in a state that lets the requests succeed."""
    vm = make_vm(region, who)
    keypair = make_keypair(region, who, "known")
    return {
        "access_key": str(who.access_key_id),
        "image": make_image(region, who).image_id,
        "keypair": keypair.keypair_id,
        "name_of.keypair_name": keypair.name,
        "snapshot": make_snapshot(region, who).snapshot_id,
        "volume": make_volume(region, who).volume_id,
        "linked.volume": attach(region, vm, "/dev/xvdy").volume_id,
        "vm": vm.vm_id,
        "stopped.vm": make_vm(region, who, VmState.STOPPED).vm_id,
    }


def make_hidden(region: Region, who: Principal) -> Mapping[str, Sequence[str]]:
    """By kind, private resources of an account, in every state."""
    keypair = make_keypair(region, who, "hidden")
    images = [make_image(region, who, f"hidden {state}", state=state) for state in ImageState]
    snapshots = [make_snapshot(region, who, state=state) for state in SnapshotState]
    volumes = [make_volume(region, who, state=state) for state in VolumeState if state != VolumeState.IN_USE]
    vms = [make_vm(region, who, state, devices=()) for state in VmState]
    return {
        "access_key": [str(who.access_key_id)],
        "image": [image.image_id for image in images],
        "keypair": [keypair.keypair_id],
        "keypair_name": [keypair.name],
        "snapshot": [snapshot.snapshot_id for snapshot in snapshots],
        "volume": [volume.volume_id for volume in volumes] + [attach(region, vms[1], "/dev/sda1").volume_id],
        "vm": [vm.vm_id for vm in vms],
    }


UNKNOWN: Final = {
    "access_key": "ABCDEFGHIJKLMNOPQRST",
    "image": "ami-00000000",
    "keypair": "key-" + 32 * "0",
    "keypair_name": "nobody",
    "snapshot": "snap-00000000",
    "volume": "vol-00000000",
    "vm": "i-00000000",
}


def placeholders(template: Any) -> list[str]:
    """The names in angle brackets, in a request."""
    if isinstance(template, Mapping):
        return [name for item in template.values() for name in placeholders(item)]
    if isinstance(template, list):
        return [name for item in template for name in placeholders(item)]
    return [template[1:-1]] if isinstance(template, str) and template.startswith("<") else []


def filled(template: Any, world: Mapping[str, str]) -> Any:
    """The request with its names replaced."""
    if isinstance(template, Mapping):
        return {key: filled(item, world) for key, item in template.items()}
    if isinstance(template, list):
        return [filled(item, world) for item in template]
    if isinstance(template, str) and template.startswith("<"):
        return world[template[1:-1]]
    return template


def kind_of(name: str) -> str:
    """The kind of resource of a placeholder."""
    return name.rpartition(".")[2]
