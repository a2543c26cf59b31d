"""The contract of a volume store: writable volumes, immutable snapshots.

For every method: the ids are the caller's and are chosen before the work starts; doing it again after it was
done, wholly or in part, succeeds and changes nothing more; what is to be deleted and is gone already is success.
A store is used by one region; several processes and threads of it may call at the same time.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from souche.model.disks import DiskSource, FileSource, GuestHold


@dataclass(frozen=True)
class Capture:
    """One volume to be frozen into one snapshot."""

    volume_id: str
    snapshot_id: str


@dataclass(frozen=True)
class CaptureReport:
    """`hold`: how a running guest's disks were held; None if none ran, or if the snapshots were there before
    (`done_before`). `sizes_bytes`: how large each snapshot is, by its id; also when it was there already."""

    hold: GuestHold | None
    sizes_bytes: Mapping[str, int]
    done_before: bool = False


@dataclass(frozen=True)
class Inventory:
    """Everything that the store holds by id, for the reconcile sweep."""

    volume_ids: frozenset[str]
    snapshot_ids: frozenset[str]


@dataclass(frozen=True)
class Fault:
    """Something that is not as it has to be: the volumes and snapshots that it concerns, and a sentence without any
    path of the host."""

    resource_ids: tuple[str, ...]
    problem: str


@dataclass(frozen=True)
class Usage:
    """What snapshots take on the medium, in bytes: alone, which would be freed if all of them were deleted; and
    together with other volumes and snapshots, those in the trash among them."""

    own_bytes: int
    shared_bytes: int


@dataclass(frozen=True)
class StoreFigures:
    """What a store has on its medium. `shares`: bytes, by the ids of the volumes and snapshots that have them in
    common, those in the trash too; those of nobody are removed by `collect`. `files`: how many files each volume that
    is not in the trash stands on. `layers`: how many files there are. `trashed`: the ids in the trash."""

    shares: Mapping[frozenset[str], int]
    files: Mapping[str, int]
    layers: int
    trashed: frozenset[str]

    @property
    def own_bytes(self) -> int:
        """What one volume or snapshot has alone."""
        return sum(size for users, size in self.shares.items() if len(users) == 1)

    @property
    def shared_bytes(self) -> int:
        """What several have in common, each byte once."""
        return sum(size for users, size in self.shares.items() if len(users) > 1)

    @property
    def unnamed_bytes(self) -> int:
        """What is nobody's."""
        return self.shares.get(frozenset(), 0)


DiskKind: TypeAlias = Literal["volume", "snapshot"]


@dataclass(frozen=True)
class Trashed:
    """A volume or snapshot in the trash. `size_bytes` is its size as a guest saw it, 0 if that cannot be read any more;
    `date` when it was discarded."""

    kind: DiskKind
    resource_id: str
    size_bytes: int
    date: datetime


class LiveDisks(Protocol):
    """What a store asks of the hypervisor for a running guest: only QEMU may touch the disks that it has open. Each
    store uses what its medium needs."""

    def open_disks(self, vm_id: str) -> Mapping[str, DiskSource] | None:
        """The source that each attached volume is written to at this moment, by volume id; None if the guest
        is not running."""
        ...

    def switch_disks(self, vm_id: str, sources: Mapping[str, DiskSource]) -> GuestHold:
        """Make the running guest write to other sources (by volume id; they exist, and read as the present ones),
        all at one instant by one atomic operation. Guest file systems are quiesced where the guest agent answers.

        Raises:
            ComputeFailed: nothing was switched.
            Unavailable: it is not known whether anything was; `open_disks` tells.
        """
        ...

    def resize_disk(self, vm_id: str, volume_id: str, size_bytes: int) -> None:
        """Make a disk of a running guest at least this large, before the guest's eyes; the new part reads as zeros.

        Raises:
            ComputeFailed: the guest does not run, or has no such disk.
        """
        ...

    def shorten_disks(self, vm_id: str, most_files: int) -> None:
        """Let a running guest's disks that stand on more than `most_files` files stand on few again. Returns at once,
        the hypervisor does it beside the guest; a capture, `resize_disk` and `detach` end it. A guest that is off or
        unknown is passed over."""
        ...


class VolumeStore(Protocol):
    """See the module's text for what holds of every method. All of them raise StorageFailed, and OutOfSpace where the
    medium is full; `capture` also lets Unavailable of the hypervisor through."""

    def create_volume(self, volume_id: str, size_bytes: int) -> None:
        """Make an empty volume that reads as zeros."""
        ...

    def clone_volume(self, volume_id: str, snapshot_id: str, size_bytes: int) -> None:
        """Make a volume with a snapshot's bytes, in constant time; `size_bytes` >= the snapshot's, the rest zeros."""
        ...

    def grow_volume(
        self, volume_id: str, size_bytes: int, *, vm_id: str | None = None, live: LiveDisks | None = None
    ) -> None:
        """Make a volume at least this large; the new part reads as zeros. A running guest sees it at once: `vm_id` and
        `live` are as for `capture`, and errors of `live` pass through."""
        ...

    def delete_volume(self, volume_id: str) -> None:
        """Forget a volume that nobody has open."""
        ...

    def volume_source(self, volume_id: str) -> DiskSource:
        """What a hypervisor opens to run the volume. It changes with every capture.

        Raises:
            StorageFailed: there is no such volume.
        """
        ...

    def capture(
        self, captures: Sequence[Capture], *, vm_id: str | None, live: LiveDisks | None
    ) -> CaptureReport:
        """Freeze all the volumes into their snapshots at one point in time, without copying data.

        `vm_id` is the VM that they are attached to (None: to none) and `live` the way to it; whether it runs is
        asked of `live`. On failure no snapshot exists and the volumes are as they were;
        after Unavailable it is not known whether the guest writes to new overlays, and either is right.
        """
        ...

    def copy_snapshot(self, snapshot_id: str, source_snapshot_id: str) -> None:
        """Make a snapshot with another's bytes, in constant time, with a life of its own."""
        ...

    def import_snapshot(self, snapshot_id: str, image: FileSource, size_bytes: int) -> None:
        """Make a snapshot of `size_bytes` from a disk image file that has been inspected and is trusted to be of
        its format, without a backing file. The file is left as it is, and may be part of the store from now on:
        it can be removed, but nobody writes to it any more."""
        ...

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Forget a snapshot. Blocks that others share stay."""
        ...

    def read_snapshot(self, snapshot_id: str) -> AbstractContextManager[str]:
        """An NBD URI (RFC-style `nbd+unix:///?socket=...`) that serves the snapshot read-only while the context
        lives; block status tells holes."""
        ...

    def write_volume(self, volume_id: str) -> AbstractContextManager[str]:
        """An NBD URI that serves a volume that no guest has open, to be read and written while the context lives. What
        was written is in the volume when the context has ended; where this process is killed, what was flushed is."""
        ...

    def usage(self, snapshot_ids: Collection[str]) -> Usage:
        """What these snapshots take on the medium, taken together; those that are gone take nothing."""
        ...

    def stock(self) -> StoreFigures:
        """What everything takes on the medium. It costs a look at each file, and nobody waits for it: what changes
        meanwhile may be missing."""
        ...

    def inventory(self) -> Inventory:
        """Everything that the store holds."""
        ...

    def tend_open_disks(self, vm_id: str, live: LiveDisks) -> None:
        """Undo what many captures of a running guest cost its disks. Returns at once. Idempotent, may be called at any
        time, for a guest that is off or unknown too."""
        ...

    def collect(self, *, removing: bool = True) -> int:
        """Remove what nothing names, the trash included, and undo what many captures cost. Returns the bytes in use on
        the medium afterwards. Idempotent, may be called at any time, never touches what a running guest writes to.
        Without `removing`, what nothing names stays too."""
        ...

    def discard(self, kind: DiskKind, resource_id: str, date: datetime) -> None:
        """Put a volume that nobody has open, or a snapshot, into the trash: it is in the inventory no longer, and its
        bytes stay until `purge`."""
        ...

    def restore(self, kind: DiskKind, resource_id: str) -> None:
        """Bring a volume or snapshot back from the trash, under its id and with its bytes.

        Raises:
            StorageFailed: it is neither in the trash nor in the inventory, or another disk has its id.
        """
        ...

    def purge(self, kind: DiskKind, resource_id: str) -> None:
        """Remove a volume or snapshot from the trash for good."""
        ...

    def trash(self) -> Sequence[Trashed]:
        """What is in the trash, what was discarded first before the rest."""
        ...

    def verify(self, *, deep: bool) -> Sequence[Fault]:
        """What is damaged or missing, in a fixed order; nothing where all is well. Changes nothing, and may be called
        while others work. `deep` reads every byte and compares it with the hashes that `record_hashes` has left."""
        ...

    def record_hashes(self, bytes_per_second: float) -> int:
        """Compute the hashes of what has been frozen or imported and has none yet, reading no faster than this.
        Returns of how much. Whatever is captured meanwhile is not held up."""
        ...

    def compare_hashes(self, bytes_per_second: float) -> bool | None:
        """Compare what was compared longest ago with its hash, reading no faster than this: whether it is the same
        (None: there was nothing to compare). What is not is logged, and refused to all uses from now on."""
        ...
