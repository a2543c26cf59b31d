"""How the volume store names a disk for the hypervisor."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

DiskFormat: TypeAlias = Literal["qcow2", "raw"]
"""The formats that a volume store accepts, and that an export writes."""


@dataclass(frozen=True)
class FileSource:
    """A disk in a file of a stated format. A format is never guessed (design 3.7)."""

    path: Path
    format: DiskFormat


@dataclass(frozen=True)
class MemorySource:
    """A disk that exists only inside the simulated store, for the simulated hypervisor."""

    name: str


DiskSource: TypeAlias = FileSource | MemorySource


class GuestHold(NamedTuple):
    """How a running guest was paused while its disks were switched. `seconds` is an upper bound. `quiesced`: whether
    the guest's agent froze its file systems (None: unknown)."""

    seconds: float
    quiesced: bool | None


@dataclass(frozen=True)
class GuestDisk:
    """A volume as a guest sees it. `device_name` is the API's (/dev/sda1, /dev/xvdb...)."""

    volume_id: str
    device_name: str
    source: DiskSource
