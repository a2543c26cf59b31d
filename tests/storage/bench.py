"""What the tests of volume stores have in common: guests, and reading disks back."""

# ruff: noqa: ARG002  a test's side of a protocol need not use all that it is told

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, cast

import nbd

from souche.errors import ComputeFailed, Unavailable
from souche.model.disks import DiskSource, GuestHold
from souche.storage.base import Capture, VolumeStore

MIB = 1024 * 1024
SIZE = MIB


class Bench(Protocol):
    """A driver under test, and the guest's side of its volumes."""

    @property
    def store(self) -> VolumeStore: ...

    def write(self, volume_id: str, source: DiskSource, offset: int, data: bytes) -> None:
        """Write through the source that a hypervisor has open."""
        ...

    def read(self, volume_id: str, source: DiskSource) -> bytes:
        """All the bytes seen through a source."""
        ...


@dataclass
class Guest:
    """A VM without a machine: it knows only the files that its volumes are written to, and their announced sizes.
    `open` is None while it is off."""

    open: dict[str, DiskSource] | None
    grown: dict[str, int] = field(default_factory=dict)

    def open_disks(self, vm_id: str) -> Mapping[str, DiskSource] | None:
        return self.open

    def switch_disks(self, vm_id: str, sources: Mapping[str, DiskSource]) -> GuestHold:
        assert self.open is not None
        assert sources.keys() <= self.open.keys()
        self.open |= sources
        return GuestHold(0.001, quiesced=True)

    def resize_disk(self, vm_id: str, volume_id: str, size_bytes: int) -> None:
        self.grown[volume_id] = size_bytes

    def shorten_disks(self, vm_id: str, most_files: int) -> None:
        """Nothing opens them."""


class StubbornGuest(Guest):
    """One whose hypervisor refuses."""

    def switch_disks(self, vm_id: str, sources: Mapping[str, DiskSource]) -> GuestHold:
        raise ComputeFailed(reason="no")


class LostGuest(Guest):
    """One whose hypervisor is lost sight of before the switch."""

    def switch_disks(self, vm_id: str, sources: Mapping[str, DiskSource]) -> GuestHold:
        raise Unavailable(what="the hypervisor", reason="lost before the switch")


class SwitchedAndLostGuest(Guest):
    """One whose hypervisor is lost sight of after the switch."""

    def switch_disks(self, vm_id: str, sources: Mapping[str, DiskSource]) -> GuestHold:
        super().switch_disks(vm_id, sources)
        raise Unavailable(what="the hypervisor", reason="lost after the switch")


def write(bench: Bench, volume_id: str, data: bytes, offset: int = 0) -> None:
    """Write to a volume that no guest has open."""
    bench.write(volume_id, bench.store.volume_source(volume_id), offset, data)


def read(bench: Bench, volume_id: str) -> bytes:
    """Read a volume as its next start would."""
    return bench.read(volume_id, bench.store.volume_source(volume_id))


def read_snapshot(store: VolumeStore, snapshot_id: str) -> bytes:
    """All the bytes of a snapshot, by NBD."""
    with store.read_snapshot(snapshot_id) as uri:
        client = nbd.NBD()
        client.connect_uri(uri)
        data = client.pread(client.get_size(), 0) if client.get_size() else b""
        client.shutdown()
    return cast(bytes, data)


def padded(data: bytes, size: int = SIZE) -> bytes:
    """Bytes at the start of a disk of zeros."""
    return data.ljust(size, b"\0")


A, B, C = "vol-0000000a", "vol-0000000b", "vol-0000000c"
S, T, U = "snap-00000001", "snap-00000002", "snap-00000003"
VM = "i-00000001"
DATE = datetime(2026, 11, 24, 10, 0, 0, 125000, tzinfo=UTC)


def freeze(bench: Bench, volume_id: str, snapshot_id: str) -> None:
    bench.store.capture([Capture(volume_id, snapshot_id)], vm_id=None, live=None)


def running(bench: Bench, *volume_ids: str, kind: type[Guest] = Guest) -> Guest:
    return kind({volume_id: bench.store.volume_source(volume_id) for volume_id in volume_ids})


def guest_write(bench: Bench, guest: Guest, volume_id: str, data: bytes, offset: int = 0) -> None:
    assert guest.open is not None
    bench.write(volume_id, guest.open[volume_id], offset, data)
