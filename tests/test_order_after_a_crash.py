"""A region that is killed does its operations in the order in which they were requested: nothing that was acknowledged
is lost to what was asked for after it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.polling import eventually
from tests.test_main import GRACE_SECONDS, Served, blocked_disks, serving, told

VMS = 6
SNAPSHOTS = 6


def _kill(served: Served) -> None:
    served.process.kill()
    served.process.wait(GRACE_SECONDS)


def _created_volume(served: Served, account: dict[str, Any]) -> str:
    made = served.call(account, "CreateVolume", SubregionName="souche-1a", Size=1)
    volume_id: str = made["Volume"]["VolumeId"]
    eventually(lambda: served.volume_state(account, volume_id) == "available", GRACE_SECONDS)
    return volume_id


def _snapshots(served: Served, account: dict[str, Any], volume_id: str) -> list[dict[str, Any]]:
    answer = served.call(account, "ReadSnapshots", Filters={"VolumeIds": [volume_id]})
    found: list[dict[str, Any]] = answer["Snapshots"]
    return found


def _settled_snapshots(served: Served, account: dict[str, Any], volume_id: str) -> list[dict[str, Any]]:
    def settled() -> list[dict[str, Any]]:
        found = _snapshots(served, account, volume_id)
        return found if {each["State"] for each in found} <= {"completed", "error"} else []

    return eventually(settled, GRACE_SECONDS)


def _launched(served: Served, account: dict[str, Any], count: int) -> list[str]:
    volume_id = _created_volume(served, account)
    served.call(account, "CreateSnapshot", VolumeId=volume_id)
    (snapshot,) = _settled_snapshots(served, account, volume_id)
    mapping = {"DeviceName": "/dev/sda1", "Bsu": {"SnapshotId": snapshot["SnapshotId"]}}
    registered = served.call(
        account,
        "CreateImage",
        ImageName="system",
        BlockDeviceMappings=[mapping],
        RootDeviceName="/dev/sda1",
    )
    image_id = registered["Image"]["ImageId"]
    launched = served.call(account, "CreateVms", ImageId=image_id, MinVmsCount=count, MaxVmsCount=count)
    vm_ids = [vm["VmId"] for vm in launched["Vms"]]
    eventually(
        lambda: {vm["State"] for vm in served.call(account, "ReadVms")["Vms"]} == {"running"}, GRACE_SECONDS
    )
    return vm_ids


def _states(served: Served, account: dict[str, Any], image_ids: list[str]) -> dict[str, str]:
    answer = served.call(account, "ReadImages", Filters={"ImageIds": image_ids})
    return {image["ImageId"]: image["State"] for image in answer["Images"]}


@pytest.mark.parametrize("began", [True, False])
def test_an_acknowledged_image_is_made_before_its_vm_is_deleted(tmp_path: Path, began: bool) -> None:  # noqa: FBT001
    """Also where the journal is lost too, and no workflow is known to have begun."""
    home = tmp_path / "home"
    with serving(home) as served:
        account = told("account", "create", "alice", "--home", home)
        vm_ids = _launched(served, account, VMS)
        with blocked_disks(home):
            made = {
                vm_id: served.call(account, "CreateImage", VmId=vm_id, ImageName=vm_id, NoReboot=True)
                for vm_id in vm_ids
            }
            for vm_id in vm_ids:
                served.call(account, "DeleteVms", VmIds=[vm_id])
            _kill(served)
    if not began:
        for file in home.glob("journal.sqlite*"):
            file.unlink()
    image_ids = [answer["Image"]["ImageId"] for answer in made.values()]
    with serving(home) as again:
        eventually(
            lambda: {vm["State"] for vm in again.call(account, "ReadVms")["Vms"]} == {"terminated"},
            GRACE_SECONDS,
        )
        assert _states(again, account, image_ids) == dict.fromkeys(image_ids, "available")


def test_a_snapshot_is_taken_before_its_volume_grows(tmp_path: Path) -> None:
    """Six snapshots and then another size: each is recorded with the size of its layer, and that is the old one."""
    home = tmp_path / "home"
    with serving(home) as served:
        account = told("account", "create", "alice", "--home", home)
        volume_id = _created_volume(served, account)
        with blocked_disks(home):
            for _ in range(SNAPSHOTS):
                served.call(account, "CreateSnapshot", VolumeId=volume_id)
            served.call(account, "UpdateVolume", VolumeId=volume_id, Size=4)
            _kill(served)
    with serving(home) as again:
        found = _settled_snapshots(again, account, volume_id)
        recorded = {each["SnapshotId"]: each["VolumeSize"] for each in found if each["State"] == "completed"}
        assert list(recorded.values()) == [1] * SNAPSHOTS
        assert {each: _layer_gib(home, each) for each in recorded} == recorded
        eventually(lambda: _size(again, account, volume_id) == 4, GRACE_SECONDS)


def _size(served: Served, account: dict[str, Any], volume_id: str) -> int:
    answer = served.call(account, "ReadVolumes", Filters={"VolumeIds": [volume_id]})
    size: int = answer["Volumes"][0]["Size"]
    return size


def _layer_gib(home: Path, snapshot_id: str) -> int:
    layer = (home / "disks" / "snapshots" / snapshot_id).resolve()
    command = ["qemu-img", "info", "--output=json", "-f", "qcow2", str(layer)]
    told_of = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    size: int = told_of["virtual-size"]
    return size // 1024**3
