"""The VM types: the cores, memory and performance in a type's name.

Source: reference section 6. `tinavW.cXrYpZ` is generation W with X vCores, Y GiB and performance Z: 1 highest, 2 high
(also when absent), 3 medium. AWS names stand for such types, and are shown as requested.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from souche.refusals import NoSuchVmType

DEFAULT_VM_TYPE: Final = "t2.small"
MIB_PER_GIB: Final = 1024
TINA_PRIVATE_IPS: Final = 4  # the specification's sample
SSD: Final = "ssd"  # no source has the word itself: it is the kind of disk that these types have at AWS
PERFORMANCES: Final = {"1": "highest", "2": "high", "3": "medium"}

TINA: Final = re.compile(
    r"tinav(?P<generation>[1-9])\.c(?P<vcpus>[1-9]\d?)r(?P<memory_gib>[1-9]\d{0,3})(p(?P<flag>[1-3]))?"
)

# Ours: no generation is on record for the AWS names; 4 lets every image run, Windows (3 or later) among them.
AWS_GENERATION: Final = 4


@dataclass(frozen=True)
class VmType:
    """A VM type. `names_performance`: its name fixes the performance, and `Performance` cannot change it.

    What follows that is shown only: nothing here has ephemeral disks.
    """

    name: str
    vcpus: int
    memory_mib: int
    performance: str
    generation: int
    names_performance: bool = False
    max_private_ips: int = TINA_PRIVATE_IPS
    bsu_optimized: bool = False
    volume_count: int = 0
    volume_size_gib: int | None = None
    ephemerals_type: str | None = None


def _aws(name: str, vcpus: int, memory_gib: int, max_private_ips: int, **disks: Any) -> VmType:
    return VmType(
        name=name,
        vcpus=vcpus,
        memory_mib=memory_gib * MIB_PER_GIB,
        performance="medium" if name.startswith("t2.") else "high",
        generation=AWS_GENERATION,
        max_private_ips=max_private_ips,
        **disks,
    )


# As the real service was recorded to list them (cores, GiB, private IPs), but for c1 and m1, which are likely only.
# t2 is medium as in the specification's sample.
AWS_TYPES: Final = {
    vm_type.name: vm_type
    for vm_type in (
        _aws("c1.medium", 2, 2, 6, volume_count=1, volume_size_gib=340),
        _aws("c1.xlarge", 8, 7, 15, bsu_optimized=True, volume_count=4, volume_size_gib=420),
        _aws(
            "c3.2xlarge",
            8,
            15,
            15,
            bsu_optimized=True,
            volume_count=2,
            volume_size_gib=80,
            ephemerals_type=SSD,
        ),
        _aws(
            "c3.4xlarge",
            16,
            31,
            30,
            bsu_optimized=True,
            volume_count=2,
            volume_size_gib=160,
            ephemerals_type=SSD,
        ),
        _aws(
            "c3.8xlarge",
            32,
            61,
            30,
            bsu_optimized=True,
            volume_count=2,
            volume_size_gib=320,
            ephemerals_type=SSD,
        ),
        _aws("c3.large", 2, 4, 10, volume_count=2, volume_size_gib=16, ephemerals_type=SSD),
        _aws(
            "c3.xlarge", 4, 8, 15, bsu_optimized=True, volume_count=2, volume_size_gib=40, ephemerals_type=SSD
        ),
        _aws("c4.2xlarge", 8, 15, 15, bsu_optimized=True),
        _aws("c4.4xlarge", 16, 31, 30, bsu_optimized=True),
        _aws("c4.8xlarge", 36, 61, 30, bsu_optimized=True),
        _aws("c4.large", 2, 4, 10, bsu_optimized=True),
        _aws("c4.xlarge", 4, 8, 15, bsu_optimized=True),
        _aws("m1.large", 2, 8, 10, bsu_optimized=True, volume_count=2, volume_size_gib=420),
        _aws("m1.medium", 1, 4, 6, volume_count=1, volume_size_gib=420),
        _aws("m1.small", 1, 2, 4, volume_count=1, volume_size_gib=150),
        _aws("m1.xlarge", 4, 15, 15, bsu_optimized=True, volume_count=4, volume_size_gib=420),
        _aws(
            "m3.2xlarge",
            8,
            31,
            30,
            bsu_optimized=True,
            volume_count=2,
            volume_size_gib=80,
            ephemerals_type=SSD,
        ),
        _aws("m3.large", 2, 8, 10, volume_count=1, volume_size_gib=32, ephemerals_type=SSD),
        _aws("m3.medium", 1, 4, 6, volume_count=1, volume_size_gib=4, ephemerals_type=SSD),
        _aws(
            "m3.xlarge",
            4,
            15,
            15,
            bsu_optimized=True,
            volume_count=2,
            volume_size_gib=40,
            ephemerals_type=SSD,
        ),
        _aws("m4.10xlarge", 40, 164, 30, bsu_optimized=True),
        _aws("m4.2xlarge", 8, 33, 15, bsu_optimized=True),
        _aws("m4.4xlarge", 16, 66, 30, bsu_optimized=True),
        _aws("m4.large", 2, 8, 10, bsu_optimized=True),
        _aws("m4.xlarge", 4, 16, 15, bsu_optimized=True),
        _aws(
            "mv3.xlarge",
            4,
            15,
            15,
            bsu_optimized=True,
            volume_count=2,
            volume_size_gib=40,
            ephemerals_type=SSD,
        ),
        _aws("r3.2xlarge", 8, 62, 15, volume_count=1, volume_size_gib=160, ephemerals_type=SSD),
        _aws("r3.4xlarge", 16, 125, 30, volume_count=1, volume_size_gib=320, ephemerals_type=SSD),
        _aws("r3.8xlarge", 32, 250, 30, volume_count=2, volume_size_gib=320, ephemerals_type=SSD),
        _aws("r3.large", 2, 15, 10, volume_count=1, volume_size_gib=32, ephemerals_type=SSD),
        _aws("r3.xlarge", 4, 31, 15, volume_count=1, volume_size_gib=80, ephemerals_type=SSD),
        _aws("r4.16xlarge", 64, 500, 30),
        _aws("r4.2xlarge", 8, 62, 15),
        _aws("r4.4xlarge", 16, 125, 30),
        _aws("r4.8xlarge", 32, 250, 30),
        _aws("r4.large", 2, 16, 10),
        _aws("r4.xlarge", 4, 31, 15),
        _aws("t2.large", 2, 8, 6),
        _aws("t2.medium", 2, 4, 6),
        _aws("t2.micro", 1, 1, 2),
        _aws("t2.nano", 1, 1, 2),
        _aws("t2.small", 1, 2, 4),
    )
}

# What ReadVmTypes lists beside the AWS names; any other that the grammar allows can be launched too.
LISTED_TINA_TYPES: Final = tuple(
    f"tinav{generation}.{size}p{flag}"
    for generation in (5, 6, 7)
    for size in ("c1r1", "c1r2", "c2r2", "c2r4", "c2r8", "c4r4", "c4r8", "c4r16", "c8r16", "c8r32")
    for flag in PERFORMANCES
)


def parse(vm_type: str) -> VmType:
    """The meaning of a type's name.

    Raises:
        NoSuchVmType: it is neither an AWS name of the table nor of the form tinavW.cXrYpZ.
    """
    if vm_type in AWS_TYPES:
        return AWS_TYPES[vm_type]
    said = TINA.fullmatch(vm_type)
    if said is None:
        raise NoSuchVmType(vm_type=vm_type)
    return VmType(
        name=vm_type,
        vcpus=int(said["vcpus"]),
        memory_mib=int(said["memory_gib"]) * MIB_PER_GIB,
        performance=PERFORMANCES[said["flag"] or "2"],
        generation=int(said["generation"]),
        names_performance=said["flag"] is not None,
    )


def listed() -> list[VmType]:
    """The types that ReadVmTypes shows, by name."""
    return sorted([*AWS_TYPES.values(), *map(parse, LISTED_TINA_TYPES)], key=lambda vm_type: vm_type.name)
