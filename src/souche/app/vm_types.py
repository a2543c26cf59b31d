"""The VM types: what a type's name says of cores, memory and performance.

Source: reference section 6. `tinavW.cXrYpZ` is generation W with X vCores, Y GiB and performance Z: 1
highest, 2 high (also when absent), 3 medium. AWS names stand for such types, and are shown as they were asked
for.
"""

import re
from dataclasses import dataclass
from typing import Final

from souche.refusals import NoSuchVmType

DEFAULT_VM_TYPE: Final = "t2.small"
MIB_PER_GIB: Final = 1024
PERFORMANCES: Final = {"1": "highest", "2": "high", "3": "medium"}

TINA: Final = re.compile(
    r"tinav(?P<generation>[1-9])\.c(?P<vcpus>[1-9]\d?)r(?P<memory_gib>[1-9]\d{0,3})(p(?P<flag>[1-3]))?"
)

# Ours: no generation is on record for the AWS names; 4 lets every image run, Windows (3 or later) among them.
AWS_GENERATION: Final = 4


@dataclass(frozen=True)
class VmType:
    """A VM type. `names_performance`: its name fixes the performance, and `Performance` cannot change it."""

    name: str
    vcpus: int
    memory_mib: int
    performance: str
    generation: int
    names_performance: bool = False


def _aws(name: str, vcpus: int, memory_gib: float, performance: str = "high") -> VmType:
    return VmType(name, vcpus, int(memory_gib * MIB_PER_GIB), performance, AWS_GENERATION)


# Cores and memory are those of the AWS types; t2 is medium as in the specification's sample.
AWS_TYPES: Final = {
    vm_type.name: vm_type
    for vm_type in (
        _aws("t2.nano", 1, 0.5, "medium"),
        _aws("t2.micro", 1, 1, "medium"),
        _aws("t2.small", 1, 2, "medium"),
        _aws("t2.medium", 2, 4, "medium"),
        _aws("t2.large", 2, 8, "medium"),
        _aws("m3.medium", 1, 3.75),
        _aws("m3.large", 2, 7.5),
        _aws("m3.xlarge", 4, 15),
        _aws("m3.2xlarge", 8, 30),
        _aws("m4.large", 2, 8),
        _aws("m4.xlarge", 4, 16),
        _aws("m4.2xlarge", 8, 32),
        _aws("m4.4xlarge", 16, 64),
        _aws("m4.10xlarge", 40, 160),
        _aws("c3.large", 2, 3.75),
        _aws("c3.xlarge", 4, 7.5),
        _aws("c3.2xlarge", 8, 15),
        _aws("c3.4xlarge", 16, 30),
        _aws("c3.8xlarge", 32, 60),
        _aws("c4.large", 2, 3.75),
        _aws("c4.xlarge", 4, 7.5),
        _aws("c4.2xlarge", 8, 15),
        _aws("c4.4xlarge", 16, 30),
        _aws("c4.8xlarge", 36, 60),
        _aws("r3.large", 2, 15.25),
        _aws("r3.xlarge", 4, 30.5),
        _aws("r3.2xlarge", 8, 61),
        _aws("r3.4xlarge", 16, 122),
        _aws("r3.8xlarge", 32, 244),
        _aws("r4.large", 2, 15.25),
        _aws("r4.xlarge", 4, 30.5),
        _aws("r4.2xlarge", 8, 61),
        _aws("r4.4xlarge", 16, 122),
        _aws("r4.8xlarge", 32, 244),
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
    """What a type's name says.

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
