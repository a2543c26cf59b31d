"""Block device mappings on the wire."""

from collections.abc import Iterable, Mapping
from typing import Any

from souche.app.block_devices import BsuRequest, MappingRequest
from souche.model.images import ImageMapping


def requests(given: Iterable[Mapping[str, Any]]) -> tuple[MappingRequest, ...]:
    """The mappings of a request, for an image or a launch. NoDevice drops the device, for any value."""
    return tuple(
        MappingRequest(
            device_name=mapping.get("DeviceName"),
            bsu=_bsu(mapping["Bsu"]) if "Bsu" in mapping else None,
            no_device="NoDevice" in mapping,
            virtual_device_name=mapping.get("VirtualDeviceName"),
        )
        for mapping in given
    )


def _bsu(given: Mapping[str, Any]) -> BsuRequest:
    return BsuRequest(
        snapshot_id=given.get("SnapshotId"),
        volume_size_gib=given.get("VolumeSize"),
        volume_type=given.get("VolumeType"),
        iops=given.get("Iops"),
        delete_on_vm_deletion=given.get("DeleteOnVmDeletion"),
    )


def view(mapping: ImageMapping) -> dict[str, object]:
    """A mapping of an image as the API shows it. Iops are shown only for types that have them."""
    bsu: dict[str, object] = {
        "VolumeType": mapping.volume_type,
        "DeleteOnVmDeletion": mapping.delete_on_vm_deletion,
        "VolumeSize": mapping.volume_size_gib,
    }
    if mapping.snapshot_id is not None:
        bsu["SnapshotId"] = mapping.snapshot_id
    if mapping.iops is not None:
        bsu["Iops"] = mapping.iops
    return {"DeviceName": mapping.device_name, "Bsu": bsu}
