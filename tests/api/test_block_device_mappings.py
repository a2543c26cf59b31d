"""Block device mappings on the wire: how those of a launch merge with the image's (reference section 5).

What is refused: test_image_refusals.py and test_vm_refusals.py."""

from collections.abc import Mapping
from typing import Any

import pytest

from souche.model.images import Image, ImageMapping
from tests.support.client import Client, conflict, parameter, value
from tests.support.resources import make_image, make_snapshot

ROOT = "/dev/sda1"
DATA = "/dev/xvdb"


@pytest.fixture
def image(client: Client) -> Image:
    """A root of 10 GiB, and an io1 volume of 20 GiB that stays when its VM goes."""
    region, who = client.region, client.who
    root = ImageMapping(ROOT, make_snapshot(region, who).snapshot_id, 10)
    snapshot_id = make_snapshot(region, who, volume_size_gib=20).snapshot_id
    data = ImageMapping(DATA, snapshot_id, 20, "io1", 500, delete_on_vm_deletion=False)
    return make_image(region, who, mappings=(root, data))


def launched(client: Client, image: Image, *mappings: Mapping[str, object]) -> dict[str, dict[str, Any]]:
    """The volumes of a VM, by their devices."""
    (vm,) = client("CreateVms", ImageId=image.image_id, BlockDeviceMappings=list(mappings))["Vms"]
    volumes = {each["VolumeId"]: each for each in client("ReadVolumes")["Volumes"]}
    return {
        mapping["DeviceName"]: volumes[mapping["Bsu"]["VolumeId"]] for mapping in vm["BlockDeviceMappings"]
    }


def test_a_launch_without_mappings_has_the_volumes_of_the_image(client: Client, image: Image) -> None:
    volumes = launched(client, image)
    told = {name: (each["SnapshotId"], each["Size"], each["VolumeType"]) for name, each in volumes.items()}
    first, second = image.snapshot_ids
    assert told == {ROOT: (first, 10, "standard"), DATA: (second, 20, "io1")}
    assert volumes[DATA]["Iops"] == 500
    assert volumes[DATA]["LinkedVolumes"][0]["DeleteOnVmDeletion"] is False


def test_the_same_device_takes_what_is_given_and_keeps_the_rest(client: Client, image: Image) -> None:
    """Terraform gives the root a size and a type and nothing else."""
    volumes = launched(
        client,
        image,
        {"DeviceName": ROOT, "Bsu": {"VolumeSize": 30, "VolumeType": "gp2"}},
        {"DeviceName": DATA, "Bsu": {"DeleteOnVmDeletion": True}},
    )
    first, second = image.snapshot_ids
    assert (volumes[ROOT]["Size"], volumes[ROOT]["VolumeType"], volumes[ROOT]["SnapshotId"]) == (
        30,
        "gp2",
        first,
    )
    assert (volumes[DATA]["Size"], volumes[DATA]["Iops"], volumes[DATA]["SnapshotId"]) == (20, 500, second)
    assert volumes[DATA]["LinkedVolumes"][0]["DeleteOnVmDeletion"] is True


def test_a_new_device_adds_a_volume_of_the_type_standard_that_goes_with_the_vm(
    client: Client, image: Image
) -> None:
    volumes = launched(client, image, {"DeviceName": "/dev/xvdc", "Bsu": {"VolumeSize": 5}})
    assert list(volumes) == [ROOT, DATA, "/dev/xvdc"]
    added = volumes["/dev/xvdc"]
    assert (added["Size"], added["VolumeType"]) == (5, "standard")
    assert added["LinkedVolumes"][0]["DeleteOnVmDeletion"] is True


@pytest.mark.parametrize("text", ["", "x"])
def test_no_device_drops_a_device_of_the_image_whatever_its_text_is(
    client: Client, image: Image, text: str
) -> None:
    assert list(launched(client, image, {"DeviceName": DATA, "NoDevice": text})) == [ROOT]


def test_the_other_name_of_a_device_is_the_same_device(client: Client, image: Image) -> None:
    """/dev/sdb is /dev/xvdb: it is dropped, changed (and called as the request calls it), and flagged."""
    assert list(launched(client, image, {"DeviceName": "/dev/sdb", "NoDevice": ""})) == [ROOT]
    changed = launched(client, image, {"DeviceName": "/dev/sdb", "Bsu": {"VolumeSize": 25}})
    assert list(changed) == [ROOT, "/dev/sdb"]
    volume = changed["/dev/sdb"]
    assert (volume["Size"], volume["SnapshotId"]) == (25, image.mappings[1].snapshot_id)
    flag = {"DeviceName": "/dev/xvdb", "Bsu": {"DeleteOnVmDeletion": False}}
    vm_id = volume["LinkedVolumes"][0]["VmId"]
    vm = client("UpdateVm", VmId=vm_id, BlockDeviceMappings=[flag])["Vm"]
    assert vm["BlockDeviceMappings"][1]["Bsu"]["DeleteOnVmDeletion"] is False


def test_a_device_named_twice_is_told_in_words(client: Client, image: Image) -> None:
    twice = [{"DeviceName": name, "Bsu": {"VolumeSize": 1}} for name in ("/dev/sdc", "/dev/xvdc")]
    refusal = client.refusal("CreateVms", ImageId=image.image_id, BlockDeviceMappings=twice)
    assert refusal.row == conflict(9014)
    assert "/dev/sdX and /dev/xvdX are the same device" in refusal.details


def test_an_ephemeral_disk_is_accepted_and_dropped(client: Client, image: Image) -> None:
    ephemeral = {"DeviceName": "/dev/xvdc", "VirtualDeviceName": "ephemeral0"}
    assert list(launched(client, image, ephemeral)) == [ROOT, DATA]


def test_the_root_is_no_ephemeral_disk(client: Client, image: Image) -> None:
    mapping = {"DeviceName": ROOT, "VirtualDeviceName": "ephemeral0"}
    request = {"ImageId": image.image_id, "BlockDeviceMappings": [mapping]}
    assert client.refusal("CreateVms", **request).row == value(4076)


def test_the_root_is_neither_dropped_nor_made_from_another_snapshot(client: Client, image: Image) -> None:
    other = make_snapshot(client.region, client.who).snapshot_id
    for mapping, row in (
        ({"DeviceName": ROOT, "NoDevice": ""}, value(4047)),
        ({"DeviceName": ROOT, "Bsu": {"SnapshotId": other}}, parameter(3002)),
    ):
        refusal = client.refusal("CreateVms", ImageId=image.image_id, BlockDeviceMappings=[mapping])
        assert refusal.row == row


def test_a_vm_has_40_volumes_at_the_most(client: Client, image: Image) -> None:
    """The root and the image's other volume among them."""
    names = [f"/dev/xvd{first}{second}" for first in "cd" for second in "abcdefghijklmnopqrstuvwxyz"]
    mappings = [{"DeviceName": name, "Bsu": {"VolumeSize": 1}} for name in names]
    assert len(launched(client, image, *mappings[:38])) == 40
    request = {"ImageId": image.image_id, "BlockDeviceMappings": mappings[:39]}
    assert client.refusal("CreateVms", **request).row == value(4047)
