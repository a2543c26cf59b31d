"""What the provider's CSI driver for block volumes (osc-bsu-csi-driver) sends: pkg/cloud of its source. On the node it
finds the disk by the name in tests/compute/test_disk_xml.py."""

from typing import Any

import pytest

from souche.compute.libvirt.disk_xml import device_index, target_name
from tests.foreign.go_client import SDK_V2, GoClient
from tests.foreign.region import SUBREGION, ServedRegion
from tests.support.polling import eventually

VOLUME_NAME, SNAPSHOT_NAME = "CSIVolumeName", "CSIVolumeSnapshotName"
CLAIM, CONTENT = "pvc-6a2b0e1c", "snapshot-0f3d"


@pytest.fixture
def driver(region: ServedRegion, request: pytest.FixtureRequest) -> GoClient:
    return GoClient(region.account(request.node.nodeid), SDK_V2)


def test_a_claim_from_its_volume_to_its_snapshot_and_back(region: ServedRegion, driver: GoClient) -> None:
    (node,) = driver("CreateVms", ImageId=region.official_image_id)["Vms"]
    driver.wait("Vms", "VmIds", node["VmId"], "running", pending=["pending"])
    assert _by_tag(driver, "Volumes", VOLUME_NAME, CLAIM) == []
    volume_id = _create_disk(driver)
    device_name = _attach(driver, volume_id, node["VmId"])
    assert f"scsi-0QEMU_QEMU_HARDDISK_{_on_the_node(device_name)}" == "scsi-0QEMU_QEMU_HARDDISK_sdb"
    _resize(driver, volume_id)
    snapshot_id = _snapshot(driver, volume_id)
    restored = driver("CreateVolume", **_volume(3, SnapshotId=snapshot_id))["Volume"]["VolumeId"]
    _detach(driver, volume_id)
    driver("DeleteSnapshot", SnapshotId=snapshot_id)
    for each in (volume_id, restored):
        driver("DeleteVolume", VolumeId=each)
        driver.gone("Volumes", "VolumeIds", each)


def _volume(size_gib: int, **more: object) -> dict[str, object]:
    """With Iops and a snapshot that are not asked for."""
    plain = {"Iops": 0, "SnapshotId": "", "SubregionName": SUBREGION, "VolumeType": "gp2"}
    return {**plain, "Size": size_gib, **more}


def _create_disk(driver: GoClient) -> str:
    made = driver("CreateVolume", **_volume(2))["Volume"]
    tags = [{"Key": VOLUME_NAME, "Value": CLAIM}]
    driver("CreateTags", ResourceIds=[made["VolumeId"]], Tags=tags)
    volume: dict[str, Any] = driver.wait("Volumes", "VolumeIds", made["VolumeId"], "available", ["creating"])
    assert _by_tag(driver, "Volumes", VOLUME_NAME, CLAIM) == [volume]
    return str(volume["VolumeId"])


def _attach(driver: GoClient, volume_id: str, vm_id: str) -> str:
    """The device is the first that the VM's mappings leave free."""
    vm = driver.only("Vms", "VmIds", vm_id)
    taken = {mapping["DeviceName"] for mapping in vm["BlockDeviceMappings"]}
    device_name = next(f"/dev/xvd{letter}" for letter in "bcdef" if f"/dev/xvd{letter}" not in taken)
    driver("LinkVolume", DeviceName=device_name, VmId=vm_id, VolumeId=volume_id)
    eventually(lambda: _link_states(driver, volume_id) == ["attached"])
    return device_name


def _on_the_node(device_name: str) -> str:
    """The serial of the disk in the guest."""
    return target_name(device_index(device_name))


def _link_states(driver: GoClient, volume_id: str) -> list[str]:
    return [link["State"] for link in driver.only("Volumes", "VolumeIds", volume_id)["LinkedVolumes"]]


def _resize(driver: GoClient, volume_id: str) -> None:
    """While it is attached."""
    driver("UpdateVolume", VolumeId=volume_id, Size=3)
    eventually(lambda: driver.only("Volumes", "VolumeIds", volume_id)["Size"] == 3)


def _snapshot(driver: GoClient, volume_id: str) -> str:
    described = f"Created by AWS EBS CSI driver for volume {volume_id}"
    made = driver("CreateSnapshot", Description=described, DryRun=False, VolumeId=volume_id)["Snapshot"]
    driver("CreateTags", ResourceIds=[made["SnapshotId"]], Tags=[{"Key": SNAPSHOT_NAME, "Value": CONTENT}])
    driver.wait("Snapshots", "SnapshotIds", made["SnapshotId"], "completed", ["pending", "in-queue"])
    (found,) = _by_tag(driver, "Snapshots", SNAPSHOT_NAME, CONTENT)
    assert (found["SnapshotId"], found["VolumeSize"]) == (made["SnapshotId"], 3)
    return str(made["SnapshotId"])


def _detach(driver: GoClient, volume_id: str) -> None:
    driver("UnlinkVolume", VolumeId=volume_id)
    eventually(lambda: _link_states(driver, volume_id) == [])


def _by_tag(driver: GoClient, resource: str, key: str, value: str) -> list[dict[str, Any]]:
    """How it finds again what it made, by the name that Kubernetes gave."""
    wanted = {"TagKeys": [key], "TagValues": [value]}
    found: list[dict[str, Any]] = driver(f"Read{resource}", Filters=wanted)[resource]
    return found
