"""The calls that Terraform makes for each kind of resource."""

from typing import Any

import pytest

from tests.foreign.go_client import SDK_V2, SDK_V3, GoClient
from tests.foreign.region import SUBREGION, ServedRegion
from tests.support.polling import eventually
from tests.wire.signing import ClientForm

TAGS = [{"Key": "Name", "Value": "made by Terraform"}]
ROOT = "/dev/sda1"
DATA = "/dev/xvdb"
SNAPSHOT_PENDING = ("pending", "in-queue", "queued", "importing")
VM_STOPPING = ("pending", "running", "shutting-down", "stopping")


@pytest.fixture(params=[SDK_V2, SDK_V3], ids=lambda form: form.name)
def terraform(region: ServedRegion, request: pytest.FixtureRequest) -> GoClient:
    form: ClientForm = request.param
    return GoClient(region.account(request.node.nodeid), form)


def apply(terraform: GoClient) -> dict[str, str]:
    made = {"keypair": _keypair(terraform), "volume": create_volume(terraform)}
    made["snapshot"] = create_snapshot(terraform, made["volume"])
    made["image"] = create_image(terraform, made["snapshot"])
    made["vm"] = _vm(terraform, made["image"])
    _link(terraform, made["volume"], made["vm"])
    return made


def _keypair(terraform: GoClient) -> str:
    created = terraform("CreateKeypair", KeypairName="deployer")["Keypair"]
    assert created["PrivateKey"].startswith("-----BEGIN")
    terraform("CreateTags", ResourceIds=[created["KeypairId"]], Tags=TAGS)
    read = terraform.only("Keypairs", "KeypairNames", "deployer")
    assert {name: read[name] for name in ("KeypairId", "KeypairFingerprint", "KeypairType")} == {
        name: created[name] for name in ("KeypairId", "KeypairFingerprint", "KeypairType")
    }
    return str(created["KeypairId"])


def create_volume(terraform: GoClient) -> str:
    created = terraform("CreateVolume", SubregionName=SUBREGION, VolumeType="standard", Size=1)["Volume"]
    assert created["LinkedVolumes"] == []
    volume_id: str = created["VolumeId"]
    terraform("CreateTags", ResourceIds=[volume_id], Tags=TAGS)
    volume = terraform.wait("Volumes", "VolumeIds", volume_id, "available", pending=["creating"])
    assert (volume["Tags"], volume["Size"], volume["SubregionName"]) == (TAGS, 1, SUBREGION)
    return volume_id


def create_snapshot(terraform: GoClient, volume_id: str) -> str:
    # Both texts are always sent, empty or not.
    request = {"Description": "", "FileLocation": "", "VolumeId": volume_id}
    snapshot_id: str = terraform("CreateSnapshot", **request)["Snapshot"]["SnapshotId"]
    terraform.wait("Snapshots", "SnapshotIds", snapshot_id, "completed", SNAPSHOT_PENDING)
    terraform("CreateTags", ResourceIds=[snapshot_id], Tags=TAGS)
    snapshot = terraform.only("Snapshots", "SnapshotIds", snapshot_id)
    assert snapshot["PermissionsToCreateVolume"]["AccountIds"] == []
    assert (snapshot["Progress"], snapshot["VolumeSize"]) == (100, 1)
    return snapshot_id


def create_image(terraform: GoClient, snapshot_id: str) -> str:
    bsu = {"DeleteOnVmDeletion": True, "SnapshotId": snapshot_id, "VolumeSize": 1, "VolumeType": "standard"}
    created = terraform(
        "CreateImage",
        Architecture="x86_64",
        BlockDeviceMappings=[{"Bsu": bsu, "DeviceName": ROOT}],
        BootModes=["legacy"],
        Description="golden",
        ImageName="golden image",
        RootDeviceName=ROOT,
    )["Image"]
    image_id: str = created["ImageId"]
    terraform.wait("Images", "ImageIds", image_id, "available", pending=["pending"])
    terraform("CreateTags", ResourceIds=[image_id], Tags=TAGS)
    image = terraform.only("Images", "ImageIds", image_id)
    assert image["PermissionsToLaunch"] == {"AccountIds": [], "GlobalPermission": False}
    assert image["BlockDeviceMappings"] == [{"Bsu": bsu, "DeviceName": ROOT}], "no drift"
    assert image["StateComment"] == {}
    return image_id


def _vm(terraform: GoClient, image_id: str) -> str:
    data = {"DeleteOnVmDeletion": True, "VolumeSize": 2, "VolumeType": "gp2"}
    launched = terraform(
        "CreateVms",
        BlockDeviceMappings=[{"Bsu": data, "DeviceName": DATA}],
        BootOnCreation=True,
        DeletionProtection=False,
        ImageId=image_id,
        KeypairName="deployer",
        MaxVmsCount=1,
        MinVmsCount=1,
        NestedVirtualization=False,
        Placement={"SubregionName": SUBREGION, "Tenancy": "default"},
        UserData="IyEvYmluL3NoCg==",
        VmType="tinav5.c1r1p2",
    )["Vms"][0]
    vm_id: str = launched["VmId"]
    assert launched["PublicIp"]
    for device in (ROOT, DATA):  # at once, by the answer of CreateVms
        terraform("CreateTags", ResourceIds=[_volume_of(launched, device)], Tags=TAGS)
    terraform("CreateTags", ResourceIds=[vm_id], Tags=TAGS)
    terraform.wait("Vms", "VmIds", vm_id, "running", pending=["pending", "ending/wait"])
    return vm_id


def _volume_of(vm: dict[str, Any], device: str) -> str:
    found = {mapping["DeviceName"]: mapping["Bsu"]["VolumeId"] for mapping in vm["BlockDeviceMappings"]}
    volume_id: str = found[device]
    return volume_id


def _link(terraform: GoClient, volume_id: str, vm_id: str) -> None:
    terraform("LinkVolume", DeviceName="/dev/xvdc", VmId=vm_id, VolumeId=volume_id)
    volume = terraform.wait("Volumes", "VolumeIds", volume_id, "in-use", pending=["available"])
    assert volume["LinkedVolumes"][0]["VmId"] == vm_id
    eventually(lambda: _link_states(terraform, volume_id) == ["attached"])


def _link_states(terraform: GoClient, volume_id: str) -> list[str]:
    return [link["State"] for link in terraform.only("Volumes", "VolumeIds", volume_id)["LinkedVolumes"]]


def refresh(terraform: GoClient, made: dict[str, str]) -> dict[str, Any]:
    """What Terraform would keep as the state of everything."""
    vm = terraform.only("Vms", "VmIds", made["vm"])
    assert vm["Tags"] == TAGS
    assert terraform("ReadAdminPassword", VmId=made["vm"])["AdminPassword"] == ""
    volumes = [mapping["Bsu"]["VolumeId"] for mapping in vm["BlockDeviceMappings"]]
    found = terraform("ReadVolumes", Filters={"VolumeIds": volumes})["Volumes"]  # batched
    assert {volume["VolumeId"] for volume in found} == set(volumes)
    assert all(volume["Tags"] == TAGS for volume in found)
    return {
        "keypair": terraform.only("Keypairs", "KeypairNames", "deployer"),
        "volumes": sorted(found, key=lambda volume: str(volume["VolumeId"])),
        "snapshot": terraform.only("Snapshots", "SnapshotIds", made["snapshot"]),
        "image": terraform.only("Images", "ImageIds", made["image"]),
        "vm": vm,
    }


def update_vm(terraform: GoClient, vm_id: str) -> None:
    """Another type: stopped, changed, started. And other tags."""
    assert terraform.only("Vms", "VmIds", vm_id)["VmInitiatedShutdownBehavior"] == "stop"
    terraform("StopVms", VmIds=[vm_id])
    terraform.wait("Vms", "VmIds", vm_id, "stopped", VM_STOPPING)
    terraform("DeleteTags", ResourceIds=[vm_id], Tags=TAGS)
    terraform("CreateTags", ResourceIds=[vm_id], Tags=[{"Key": "Name", "Value": "changed"}])
    terraform("UpdateVm", Performance="highest", VmId=vm_id, VmType="tinav5.c2r2p1")
    terraform("StartVms", VmIds=[vm_id])
    vm = terraform.wait("Vms", "VmIds", vm_id, "running", pending=["pending", "stopped"])
    assert (vm["VmType"], vm["Performance"]) == ("tinav5.c2r2p1", "highest")
    assert vm["Tags"] == [{"Key": "Name", "Value": "changed"}]


def task_state(terraform: GoClient, task_id: str) -> str:
    (task,) = terraform("ReadVolumeUpdateTasks", Filters={"TaskIds": [task_id]})["VolumeUpdateTasks"]
    assert task["State"] in ("pending", "active", "completed"), task
    return str(task["State"])


def destroy(terraform: GoClient, made: dict[str, str]) -> None:
    assert terraform.refused("DeleteSnapshot", SnapshotId=made["snapshot"]) == (409, "9094")
    terraform("UnlinkVolume", VolumeId=made["volume"])
    terraform.wait("Volumes", "VolumeIds", made["volume"], "available", pending=["in-use"])
    own = [each["Bsu"]["VolumeId"] for each in _mappings(terraform, made["vm"])]
    terraform("StopVms", ForceStop=True, VmIds=[made["vm"]])
    terraform("DeleteVms", VmIds=[made["vm"]])
    terraform.wait("Vms", "VmIds", made["vm"], "terminated", (*VM_STOPPING, "stopped"))
    terraform("DeleteImage", ImageId=made["image"])
    terraform.gone("Images", "ImageIds", made["image"])
    terraform("DeleteSnapshot", SnapshotId=made["snapshot"])
    terraform("DeleteVolume", VolumeId=made["volume"])
    terraform("DeleteKeypair", KeypairId=made["keypair"])
    for volume_id in (*own, made["volume"]):
        terraform.gone("Volumes", "VolumeIds", volume_id)
    assert terraform("ReadKeypairs", Filters={"KeypairNames": ["deployer"]})["Keypairs"] == []


def _mappings(terraform: GoClient, vm_id: str) -> list[dict[str, Any]]:
    mappings: list[dict[str, Any]] = terraform.only("Vms", "VmIds", vm_id)["BlockDeviceMappings"]
    return mappings
