"""What a region holds, in plain values: the contents of disks, and whose they are."""

from dataclasses import dataclass, field
from typing import Final

BLOCK_BYTES: Final = 64 * 1024
BLOCKS: Final = 6
"""Writes go to one of these, the first of the disk: a cluster of qcow2 each."""
WRITTEN_BYTES: Final = 512


@dataclass(frozen=True)
class Content:
    """A disk: what was written last into each block, and its size. Everything else reads as zeros."""

    size_gib: int
    blocks: tuple[bytes, ...] = (b"",) * BLOCKS

    def written(self, block: int, data: bytes) -> "Content":
        """The disk with a block written over."""
        return Content(self.size_gib, (*self.blocks[:block], data, *self.blocks[block + 1 :]))

    def grown(self, size_gib: int) -> "Content":
        """The disk with zeros behind it."""
        return Content(max(size_gib, self.size_gib), self.blocks)

    def head(self) -> bytes:
        """The first bytes of the disk."""
        return b"".join(data.ljust(BLOCK_BYTES, b"\0") for data in self.blocks)


@dataclass
class Snapshot:
    owner: str
    content: Content
    shared_with: set[str] = field(default_factory=set)


@dataclass
class Volume:
    owner: str
    content: Content
    vm_id: str | None = None
    device: str = ""


@dataclass
class Image:
    """`snapshots` by device name."""

    owner: str
    snapshots: dict[str, str]
    shared_with: set[str] = field(default_factory=set)


@dataclass
class Vm:
    owner: str
    is_running: bool = True


@dataclass
class Model:
    """Everything by its id."""

    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    vms: dict[str, Vm] = field(default_factory=dict)

    def images_of_snapshot(self, snapshot_id: str) -> list[str]:
        """The images that use a snapshot."""
        return [name for name, image in self.images.items() if snapshot_id in image.snapshots.values()]

    def volumes_of(self, vm_id: str) -> dict[str, Volume]:
        """The volumes that are attached to a VM, by id."""
        return {name: volume for name, volume in self.volumes.items() if volume.vm_id == vm_id}
