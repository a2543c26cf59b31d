"""An OMI from a snapshot, a VM of it, and an OMI of that VM. Takes its endpoint and its key from the environment
(`souche env`)."""

import time
from collections.abc import Callable

from osc_sdk_python import Gateway


def wait_for(is_there: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_there():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.5)


def main() -> None:
    client = Gateway()
    subregion = client.ReadSubregions()["Subregions"][0]["SubregionName"]

    volume_id = client.CreateVolume(SubregionName=subregion, Size=1)["Volume"]["VolumeId"]
    snapshot_id = client.CreateSnapshot(VolumeId=volume_id)["Snapshot"]["SnapshotId"]

    def snapshot_state() -> str:
        return client.ReadSnapshots(Filters={"SnapshotIds": [snapshot_id]})["Snapshots"][0]["State"]

    wait_for(lambda: snapshot_state() == "completed", snapshot_id)

    root = {"DeviceName": "/dev/sda1", "Bsu": {"SnapshotId": snapshot_id}}
    first = client.CreateImage(ImageName="first", RootDeviceName="/dev/sda1", BlockDeviceMappings=[root])
    first_id = first["Image"]["ImageId"]

    def image_state(image_id: str) -> str:
        return client.ReadImages(Filters={"ImageIds": [image_id]})["Images"][0]["State"]

    wait_for(lambda: image_state(first_id) == "available", first_id)

    vm_id = client.CreateVms(ImageId=first_id, VmType="tinav5.c1r1p2")["Vms"][0]["VmId"]
    wait_for(
        lambda: client.ReadVms(Filters={"VmIds": [vm_id]})["Vms"][0]["State"] == "running",
        vm_id,
    )
    second_id = client.CreateImage(VmId=vm_id, ImageName="second", NoReboot=True)["Image"]["ImageId"]
    wait_for(lambda: image_state(second_id) == "available", second_id)

    client.DeleteVms(VmIds=[vm_id])
    print(f"{second_id} is an OMI of {vm_id}, which was made of {first_id}")


if __name__ == "__main__":
    main()
