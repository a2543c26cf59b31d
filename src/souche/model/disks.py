"""How a disk is named between the volume store, which makes it, and the hypervisor, which opens it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

DiskFormat: TypeAlias = Literal["qcow2", "raw"]
"""What a volume store takes, and what an export is written in."""


@dataclass(frozen=True)
class FileSource:
    """A disk in a file of a stated format. Nobody ever guesses a format (design 3.7)."""

    path: Path
    format: DiskFormat


@dataclass(frozen=True)
class MemorySource:
    """A disk that exists only inside the simulated store, for the simulated hypervisor."""

    name: str


DiskSource: TypeAlias = FileSource | MemorySource


class GuestHold(NamedTuple):
    """How a running guest was held while its disks were switched. `seconds` is an upper bound; `quiesced` tells whether
    the guest's agent froze its file systems (None: not known)."""

    seconds: float
    quiesced: bool | None


@dataclass(frozen=True)
class GuestDisk:
    """A volume as a guest sees it. `device_name` is the API's (/dev/sda1, /dev/xvdb...)."""

    volume_id: str
    device_name: str
    source: DiskSource
