"""What every volume store promises about captures of volumes, and of the disks of a running guest."""

import pytest

from souche.errors import StorageFailed, Unavailable
from souche.model.disks import GuestHold
from souche.storage.base import Capture
from tests.storage.bench import (
    MIB,
    SIZE,
    VM,
    A,
    B,
    Bench,
    Guest,
    LostGuest,
    S,
    StubbornGuest,
    SwitchedAndLostGuest,
    T,
    U,
    freeze,
    guest_write,
    padded,
    read,
    read_snapshot,
    running,
    write,
)
from tests.support.inventories import inventory_of


class CaptureContract:
    """A part of `StoreContract`. Subclasses provide the fixture `bench`, with an empty store."""

    def test_a_running_guest_is_told_that_its_volume_grows(self, bench: Bench) -> None:
        bench.store.create_volume(A, SIZE)
        bench.store.create_volume(B, SIZE)
        live = Guest({A: bench.store.volume_source(A)})
        for volume_id in (A, B):
            bench.store.grow_volume(volume_id, 2 * MIB, vm_id=VM, live=live)
        assert live.grown == {A: 2 * MIB}
        assert read(bench, A) == read(bench, B) == bytes(2 * MIB)

    def test_capture_takes_the_bytes_of_that_moment(self, bench: Bench) -> None:
        self._snapshot(bench, b"first")
        write(bench, A, b"second")
        freeze(bench, A, T)
        write(bench, A, b"third")
        assert read_snapshot(bench.store, S) == padded(b"first")
        assert read_snapshot(bench.store, T) == padded(b"second")
        assert read(bench, A) == padded(b"thirdd")

    def test_capturing_twice_keeps_the_first(self, bench: Bench) -> None:
        self._snapshot(bench, b"first")
        source = bench.store.volume_source(A)
        write(bench, A, b"second")
        freeze(bench, A, S)
        assert read_snapshot(bench.store, S) == padded(b"first")
        assert bench.store.volume_source(A) == source

    def test_capture_tells_how_large_its_snapshots_are(self, bench: Bench) -> None:
        """Each time: a volume grows, and what was captured before does not."""
        bench.store.create_volume(A, SIZE)
        bench.store.create_volume(B, 2 * MIB)
        both = [Capture(A, S), Capture(B, T)]
        assert bench.store.capture(both, vm_id=None, live=None).sizes_bytes == {S: SIZE, T: 2 * MIB}
        bench.store.grow_volume(A, 3 * MIB)
        assert bench.store.capture(both, vm_id=None, live=None).sizes_bytes == {S: SIZE, T: 2 * MIB}
        assert bench.store.capture([Capture(A, U)], vm_id=None, live=None).sizes_bytes == {U: 3 * MIB}

    def test_capture_of_nothing_changes_nothing(self, bench: Bench) -> None:
        assert bench.store.capture([], vm_id=None, live=None).hold is None

    def test_capture_of_a_volume_that_is_off_pauses_nobody(self, bench: Bench) -> None:
        bench.store.create_volume(A, SIZE)
        report = bench.store.capture([Capture(A, S)], vm_id=VM, live=Guest(None))
        assert report.hold is None

    def test_capture_with_an_unknown_volume_makes_no_snapshot(self, bench: Bench) -> None:
        bench.store.create_volume(A, SIZE)
        source = bench.store.volume_source(A)
        with pytest.raises(StorageFailed):
            bench.store.capture([Capture(A, S), Capture(B, T)], vm_id=None, live=None)
        assert inventory_of(bench.store).snapshot_ids == frozenset()
        assert bench.store.volume_source(A) == source

    def test_snapshots_of_two_moments_are_not_one_capture(self, bench: Bench) -> None:
        self._snapshot(bench, b"first")
        bench.store.create_volume(B, SIZE)
        with pytest.raises(StorageFailed):
            bench.store.capture([Capture(A, S), Capture(B, T)], vm_id=None, live=None)
        assert inventory_of(bench.store).snapshot_ids == {S}

    def test_running_guest_goes_on_beside_its_snapshots(self, bench: Bench) -> None:
        guest = self._two_volumes(bench)
        report = bench.store.capture([Capture(A, S), Capture(B, T)], vm_id=VM, live=guest)
        assert report.hold == GuestHold(0.001, quiesced=True)
        assert guest.open == {A: bench.store.volume_source(A), B: bench.store.volume_source(B)}
        guest_write(bench, guest, A, b"later")
        assert read_snapshot(bench.store, S) == padded(b"A")
        assert read_snapshot(bench.store, T) == padded(b"B")
        assert read(bench, A) == padded(b"later")

    def test_volume_that_the_guest_has_not_open_is_captured_too(self, bench: Bench) -> None:
        self._two_volumes(bench)
        guest = running(bench, A)
        bench.store.capture([Capture(A, S), Capture(B, T)], vm_id=VM, live=guest)
        assert guest.open == {A: bench.store.volume_source(A)}
        assert read_snapshot(bench.store, T) == padded(b"B")

    def test_refused_switch_leaves_everything_as_it_was(self, bench: Bench) -> None:
        guest = self._two_volumes(bench, StubbornGuest)
        with pytest.raises(StorageFailed):
            bench.store.capture([Capture(A, S), Capture(B, T)], vm_id=VM, live=guest)
        assert inventory_of(bench.store).snapshot_ids == frozenset()
        assert guest.open == {A: bench.store.volume_source(A), B: bench.store.volume_source(B)}
        bench.store.capture([Capture(A, S), Capture(B, T)], vm_id=VM, live=Guest(guest.open))
        assert read_snapshot(bench.store, S) == padded(b"A")

    @pytest.mark.parametrize("kind", [LostGuest, SwitchedAndLostGuest])
    def test_lost_switch_can_be_tried_again(self, bench: Bench, kind: type[Guest]) -> None:
        guest = self._lost(bench, kind)
        guest_write(bench, guest, A, b"between")
        bench.store.capture([Capture(A, S), Capture(B, T)], vm_id=VM, live=guest)
        guest_write(bench, guest, A, b"later!!")
        assert read_snapshot(bench.store, S) == padded(b"between")
        assert read_snapshot(bench.store, T) == padded(b"B")
        assert read(bench, A) == padded(b"later!!")

    @pytest.mark.parametrize("kind", [LostGuest, SwitchedAndLostGuest])
    def test_lost_switch_can_be_undone(self, bench: Bench, kind: type[Guest]) -> None:
        guest = self._lost(bench, kind)
        for snapshot_id in (S, T):
            bench.store.delete_snapshot(snapshot_id)
        guest_write(bench, guest, A, b"between")
        bench.store.collect()
        guest_write(bench, guest, B, b"after")
        assert inventory_of(bench.store).snapshot_ids == frozenset()
        assert read(bench, A) == padded(b"between")
        assert read(bench, B) == padded(b"after")

    @pytest.mark.parametrize("kind", [LostGuest, SwitchedAndLostGuest])
    def test_lost_switch_of_a_guest_that_ended_can_be_tried_again(
        self, bench: Bench, kind: type[Guest]
    ) -> None:
        guest = self._lost(bench, kind)
        guest_write(bench, guest, A, b"last")
        guest.open = None
        bench.store.capture([Capture(A, S), Capture(B, T)], vm_id=VM, live=guest)
        write(bench, A, b"next")
        assert read_snapshot(bench.store, S) == padded(b"last")
        assert read(bench, A) == padded(b"next")

    def _two_volumes(self, bench: Bench, kind: type[Guest] = Guest) -> Guest:
        """A guest that runs on volumes A and B, which hold their letters."""
        for volume_id, data in ((A, b"A"), (B, b"B")):
            bench.store.create_volume(volume_id, SIZE)
            write(bench, volume_id, data)
        return running(bench, A, B, kind=kind)

    def _lost(self, bench: Bench, kind: type[Guest]) -> Guest:
        """The guest, seen again, after a capture of A into S and B into T whose end is not known."""
        guest = self._two_volumes(bench, kind)
        with pytest.raises(Unavailable):
            bench.store.capture([Capture(A, S), Capture(B, T)], vm_id=VM, live=guest)
        assert inventory_of(bench.store).snapshot_ids == frozenset()
        return Guest(guest.open)

    def _snapshot(self, bench: Bench, data: bytes) -> None:
        """Volume A with these bytes, captured into S."""
        bench.store.create_volume(A, SIZE)
        write(bench, A, data)
        freeze(bench, A, S)
