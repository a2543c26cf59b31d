"""The contract of a volume store: writable volumes, immutable snapshots.

For every method: the caller chooses the ids before the work starts. Repeating a complete or partial call succeeds and
changes nothing more. Deleting something that is gone succeeds.

A layer is an immutable part of a store's medium that several volumes and snapshots may share. A volume's chain is the
layers that it reads from, with the part that it writes to.

A store is used by one region; several of its processes and threads may call it at the same time.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from souche.model.disks import DiskSource, FileSource, GuestHold


@dataclass(frozen=True)
class Capture:
    volume_id: str
    snapshot_id: str


@dataclass(frozen=True)
class CaptureReport:
    """`hold`: how a running guest was paused; None if no guest ran, or if the snapshots existed before (`done_before`).
    `sizes_bytes`: the size of each snapshot, by its id; also of those that existed before."""

    hold: GuestHold | None
    sizes_bytes: Mapping[str, int]
    done_before: bool = False


@dataclass(frozen=True)
class Fault:
    """A fault of the store: the affected volumes and snapshots, and a sentence without a path of the host."""

    resource_ids: tuple[str, ...]
    problem: str


@dataclass(frozen=True)
class Usage:
    """The space of snapshots on the medium, in bytes. `own_bytes`: freed if all of them were deleted. `shared_bytes`:
    used by other volumes or snapshots too, including those in the trash."""

    own_bytes: int
    shared_bytes: int


@dataclass(frozen=True)
class StoreFigures:
    """A store's use of its medium. `shares`: bytes by the ids of the volumes and snapshots that share them, including
    those in the trash; `collect` removes bytes without an id. `files`: the chain length of each volume that
    is not in the trash. `layers`: the number of files. `trashed`: the ids in the trash."""

    shares: Mapping[frozenset[str], int]
    files: Mapping[str, int]
    layers: int
    trashed: frozenset[str]

    @property
    def own_bytes(self) -> int:
        """The space that one volume or snapshot uses alone."""
        return sum(size for users, size in self.shares.items() if len(users) == 1)

    @property
    def shared_bytes(self) -> int:
        """Bytes shared by several ids, each byte counted once."""
        return sum(size for users, size in self.shares.items() if len(users) > 1)

    @property
    def unnamed_bytes(self) -> int:
        """Bytes that belong to no id."""
        return self.shares.get(frozenset(), 0)


DiskKind: TypeAlias = Literal["volume", "snapshot"]


@dataclass(frozen=True)
class Trashed:
    """A volume or snapshot in the trash. `size_bytes` is its size as seen by a guest, 0 if that is no longer readable;
    `date` is the time of the discard."""

    kind: DiskKind
    resource_id: str
    size_bytes: int
    date: datetime


class LiveDisks(Protocol):
    """A store's requests to the hypervisor for a running guest: only QEMU may change the disks that it has open. Each
    store uses the methods that its medium needs."""

    def open_disks(self, vm_id: str) -> Mapping[str, DiskSource] | None:
        """The current source of each attached volume, to which the guest writes, by volume id; None if the guest does
        not run."""
        ...

    def switch_disks(self, vm_id: str, sources: Mapping[str, DiskSource]) -> GuestHold:
        """Make the running guest write to other sources (by volume id; they exist, and read like the current ones), all
        at one instant by one atomic operation. Guest file systems are quiesced if the guest agent answers.

        Raises:
            ComputeFailed: nothing was switched.
            Unavailable: it is unknown whether anything was; ask `open_disks`.
        """
        ...

    def resize_disk(self, vm_id: str, volume_id: str, size_bytes: int) -> None:
        """Grow a disk of a running guest to at least this size, while the guest uses it. The new part reads as zeros.

        Raises:
            ComputeFailed: the guest does not run, or has no such disk.
        """
        ...

    def shorten_disks(self, vm_id: str, most_files: int) -> None:
        """Shorten the backing chains of a running guest's disks that have more than `most_files` files. Returns
        immediately; the hypervisor works in the background, until a capture, `resize_disk` or `detach` stops it. Does
        nothing for a guest that is off or unknown."""
        ...


class VolumeStore(Protocol):
    """The module's docstring applies to every method. All of them raise StorageFailed, and OutOfSpace if the medium is
    full. `capture` also raises the hypervisor's Unavailable."""

    def create_volume(self, volume_id: str, size_bytes: int) -> None:
        """Make an empty volume that reads as zeros."""
        ...

    def clone_volume(self, volume_id: str, snapshot_id: str, size_bytes: int) -> None:
        """Make a volume with a snapshot's bytes, in constant time; `size_bytes` >= the snapshot's, the rest zeros."""
        ...

    def grow_volume(
        self, volume_id: str, size_bytes: int, *, vm_id: str | None = None, live: LiveDisks | None = None
    ) -> None:
        """Grow a volume to at least this size; the new part reads as zeros. A running guest sees the new size
        immediately: `vm_id` and `live` are as for `capture`. Errors of `live` pass through."""
        ...

    def delete_volume(self, volume_id: str) -> None:
        """Delete a volume that no process has open."""
        ...

    def volume_source(self, volume_id: str) -> DiskSource:
        """The source that a hypervisor opens to run the volume. Every capture changes it.

        Raises:
            StorageFailed: there is no such volume.
        """
        ...

    def capture(
        self, captures: Sequence[Capture], *, vm_id: str | None, live: LiveDisks | None
    ) -> CaptureReport:
        """Freeze all the volumes into their snapshots at one point in time, without copying data.

        `vm_id` is the VM that the volumes are attached to (None: to none). `live` reaches that VM's guest, and reports
        whether it runs. On failure no snapshot exists and the volumes are unchanged. After Unavailable it is unknown
        whether the guest writes to the new sources; the store handles both cases.
        """
        ...

    def copy_snapshot(self, snapshot_id: str, source_snapshot_id: str) -> None:
        """Make an independent snapshot with another's bytes, in constant time."""
        ...

    def import_snapshot(self, snapshot_id: str, image: FileSource, size_bytes: int) -> None:
        """Make a snapshot of `size_bytes` from a disk image file. The file was inspected, has the stated format and no
        backing file. It is not changed, and may become part of the store: the caller may remove it, but must not write
        to it."""
        ...

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot. Blocks shared with other disks stay."""
        ...

    def read_snapshot(self, snapshot_id: str) -> AbstractContextManager[str]:
        """An NBD URI (`nbd+unix:///?socket=...`) that serves the snapshot read-only until the context ends. Block
        status reports holes."""
        ...

    def write_volume(self, volume_id: str) -> AbstractContextManager[str]:
        """An NBD URI that serves a volume for reading and writing until the context ends. No guest may have the volume
        open. At the end of the context all writes are in the volume; if this process is killed, the flushed writes
        are."""
        ...

    def usage(self, snapshot_ids: Collection[str]) -> Usage:
        """The space of these snapshots together on the medium. Deleted ones take none."""
        ...

    def stock(self) -> StoreFigures:
        """The space of all disks on the medium. It checks each file without the store's lock, so concurrent changes may
        be missing."""
        ...

    def disk_ids(self, kind: DiskKind) -> Iterator[str]:
        """The ids of all volumes or snapshots outside the trash, in no order, read on demand. Ids that are added or
        removed before the end may be missing."""
        ...

    def absent(self, kind: DiskKind, resource_ids: Collection[str]) -> set[str]:
        """Those of the ids that are not in the store, or in its trash. Many ids do not block the store for long."""
        ...

    def tend_open_disks(self, vm_id: str, live: LiveDisks) -> None:
        """Shorten the backing chains that captures of a running guest have made. Returns immediately. Idempotent; does
        nothing for a guest that is off or unknown."""
        ...

    def collect(self, *, removing: bool = True) -> int:
        """Remove unused layers and leftovers, and shorten long chains. Layers that the trash names stay. Returns the
        bytes in use on the medium afterwards. Idempotent; never touches a file that a running guest writes to. With
        `removing=False` it only shortens chains."""
        ...

    def discard(self, kind: DiskKind, resource_id: str, date: datetime) -> None:
        """Move a volume that no process has open, or a snapshot, into the trash. `disk_ids` no longer has it; its
        bytes stay until `purge`."""
        ...

    def restore(self, kind: DiskKind, resource_id: str) -> None:
        """Restore a volume or snapshot from the trash, under its id and with its bytes.

        Raises:
            StorageFailed: it is neither in the trash nor in the store, or another disk has its id.
        """
        ...

    def purge(self, kind: DiskKind, resource_id: str) -> None:
        """Remove a volume or snapshot from the trash permanently."""
        ...

    def trash(self) -> Sequence[Trashed]:
        """The trash, oldest first."""
        ...

    def verify(self, *, deep: bool) -> Sequence[Fault]:
        """Damaged and missing disks, in a fixed order; empty if there are none. Changes nothing, and may run during
        other work. `deep` reads every byte and compares it with the hashes of `record_hashes`."""
        ...

    def record_hashes(self, bytes_per_second: float) -> int:
        """Hash the frozen and imported layers that have no hash yet, reading at most `bytes_per_second`. Returns the
        number of bytes hashed. Does not block captures."""
        ...

    def compare_hashes(self, bytes_per_second: float) -> bool | None:
        """Compare the layer with the oldest last comparison with its hash, reading at most `bytes_per_second`. Returns
        whether it is unchanged (None: there was none to compare). A changed layer is logged and refused from then
        on."""
        ...
