"""ReadVmTypes."""

from collections.abc import Mapping
from typing import Any, Final, cast

from souche.api import static_pages, types
from souche.api.dispatch import Call
from souche.app import vm_types
from souche.app.vm_types import MIB_PER_GIB, VmType

# What no VM type here has: ephemeral disks, GPUs, and more than one network interface.
VOLUME_COUNT: Final = 0
GPU: Final = 0
ETH: Final = 1
MAX_PRIVATE_IPS: Final = 4  # the specification's sample


FILTERS: Final[static_pages.Fields[VmType]] = {
    "BsuOptimized": lambda _: False,
    "EphemeralsTypes": lambda _: None,
    "Eths": lambda _: ETH,
    "Gpus": lambda _: GPU,
    "MemorySizes": lambda vm_type: vm_type.memory_mib / MIB_PER_GIB,
    "VcoreCounts": lambda vm_type: vm_type.vcpus,
    "VmTypeNames": lambda vm_type: vm_type.name,
    "VolumeCounts": lambda _: VOLUME_COUNT,
    "VolumeSizes": lambda _: None,
}


def read_vm_types(call: Call) -> Mapping[str, object]:
    """The VM types. It lists a useful part: CreateVms takes every name of the form tinavW.cXrYpZ."""
    request = cast("Mapping[str, Any]", call.request)
    found = static_pages.select(vm_types.listed(), request.get("Filters", {}), FILTERS)
    rows, following = static_pages.page(found, request)
    return {"VmTypes": [view(row) for row in rows], **following}


def view(vm_type: VmType) -> types.VmType:
    """A VM type as the API shows it."""
    return {
        "BsuOptimized": False,
        "Eth": ETH,
        "Gpu": GPU,
        "MaxPrivateIps": MAX_PRIVATE_IPS,
        "MemorySize": vm_type.memory_mib / MIB_PER_GIB,
        "VcoreCount": vm_type.vcpus,
        "VmTypeName": vm_type.name,
        "VolumeCount": VOLUME_COUNT,
    }
