"""Parts of requests about images."""

from typing import Any

from tests.support.client import Client


def root(snapshot_id: str, **bsu: object) -> dict[str, object]:
    return {"DeviceName": "/dev/sda1", "Bsu": {"SnapshotId": snapshot_id, **bsu}}


ROOT_MAPPING = root("<snapshot>")
REGISTER = {"ImageName": "new", "RootDeviceName": "/dev/sda1", "BlockDeviceMappings": [ROOT_MAPPING]}
EPHEMERAL = {"DeviceName": "/dev/xvdb", "VirtualDeviceName": "ephemeral0"}


def registering(*mappings: object, **changes: object) -> dict[str, object]:
    return {**REGISTER, "BlockDeviceMappings": list(mappings), **changes}


def add(**permissions: object) -> dict[str, object]:
    return {"PermissionsToLaunch": {"Additions": permissions}}


def read_one(client: Client, image_id: str) -> dict[str, Any]:
    (image,) = client("ReadImages", Filters={"ImageIds": [image_id]})["Images"]
    found: dict[str, Any] = image
    return found
