"""ReadVmTypes."""

from collections.abc import Mapping
from typing import Any, Final, cast

from souche.api import types
from souche.api.protocol import static_pages
from souche.api.protocol.dispatch import Call
from souche.app import vm_types
from souche.app.vm_types import MIB_PER_GIB, VmType

# Nothing here has a GPU, or a network interface of its own: such numbers are shown only where they are not 0.
GPU: Final = 0
ETH: Final = 0

FILTERS: Final[static_pages.Fields[VmType]] = {
    "BsuOptimized": lambda vm_type: vm_type.bsu_optimized,
    "EphemeralsTypes": lambda vm_type: vm_type.ephemerals_type,
    "Eths": lambda _: ETH,
    "Gpus": lambda _: GPU,
    "MemorySizes": lambda vm_type: vm_type.memory_mib / MIB_PER_GIB,
    "VcoreCounts": lambda vm_type: vm_type.vcpus,
    "VmTypeNames": lambda vm_type: vm_type.name,
    "VolumeCounts": lambda vm_type: vm_type.volume_count,
    "VolumeSizes": lambda vm_type: vm_type.volume_size_gib,
}


def read_vm_types(call: Call) -> Mapping[str, object]:
    """The VM types. This lists common ones: CreateVms takes every name of the form tinavW.cXrYpZ."""
    request = cast("Mapping[str, Any]", call.request)
    found = static_pages.select(vm_types.listed(), request.get("Filters", {}), FILTERS)
    rows, following = static_pages.page(found, request)
    return {"VmTypes": [view(row) for row in rows], **following}


def view(vm_type: VmType) -> types.VmType:
    """A VM type as the API shows it; VolumeSize and EphemeralsType only if it has ephemeral disks."""
    shown: types.VmType = {
        "BsuOptimized": vm_type.bsu_optimized,
        "MaxPrivateIps": vm_type.max_private_ips,
        "MemorySize": vm_type.memory_mib / MIB_PER_GIB,
        "VcoreCount": vm_type.vcpus,
        "VmTypeName": vm_type.name,
        "VolumeCount": vm_type.volume_count,
    }
    if vm_type.volume_size_gib is not None:
        shown["VolumeSize"] = vm_type.volume_size_gib
    if vm_type.ephemerals_type is not None:
        shown["EphemeralsType"] = vm_type.ephemerals_type
    return shown
