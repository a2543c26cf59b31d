"""The qcow2 store under a real QEMU that writes all the time."""

# ruff: noqa: ARG002  a test's side of a protocol need not use all that it is told

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from souche.errors import StorageFailed, Unavailable
from souche.model.disks import DiskSource, GuestHold
from souche.storage.base import Capture
from souche.storage.qcow2 import Qcow2Store
from tests.storage.bench import SIZE, VM, A, B, padded, read_snapshot
from tests.storage.daemon import Daemon, daemon
from tests.storage.test_qcow2 import Qcow2Bench
from tests.support.inventories import inventory_of

COUNTER_BYTES = 8


class Writer(threading.Thread):
    """Writes 1, 2, 3... to both volumes, always to A first."""

    def __init__(self, guest: Daemon) -> None:
        super().__init__(daemon=True)
        self._guest = guest
        self._stop_asked = threading.Event()
        self.last = 0

    def run(self) -> None:
        with self._guest.disk(A) as first, self._guest.disk(B) as second:
            while not self._stop_asked.is_set():
                self.last += 1
                data = self.last.to_bytes(COUNTER_BYTES)
                first.pwrite(data, 0)
                second.pwrite(data, 0)

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()


class LostDaemon:
    """Lost sight of before the switch."""

    def __init__(self, guest: Daemon) -> None:
        self.open_disks = guest.open_disks
        self.resize_disk = guest.resize_disk
        self.shorten_disks = guest.shorten_disks

    def switch_disks(self, vm_id: str, sources: Mapping[str, DiskSource]) -> GuestHold:
        raise Unavailable(what="QEMU", reason="lost before the switch")


@pytest.fixture
def bench(tmp_path: Path) -> Qcow2Bench:
    bench = Qcow2Bench(tmp_path)
    for volume_id in (A, B):
        bench.store.create_volume(volume_id, SIZE)
    return bench


@contextmanager
def guest_on(bench: Qcow2Bench, directory: Path) -> Iterator[Daemon]:
    with daemon(
        directory, {volume_id: bench.store.volume_source(volume_id) for volume_id in (A, B)}
    ) as guest:
        yield guest


def counter(store: Qcow2Store, snapshot_id: str) -> int:
    return int.from_bytes(read_snapshot(store, snapshot_id)[:COUNTER_BYTES])


def test_captures_are_one_instant_and_stay_as_they_are(bench: Qcow2Bench, tmp_path: Path) -> None:
    seen = {}
    with guest_on(bench, tmp_path) as guest:
        writer = Writer(guest)
        writer.start()
        for number in range(8):
            pair = [Capture(A, f"snap-a{number}"), Capture(B, f"snap-b{number}")]
            bench.store.capture(pair, vm_id=VM, live=guest)
            seen[number] = counter(bench.store, f"snap-a{number}"), counter(bench.store, f"snap-b{number}")
            bench.store.collect()
        writer.stop()
        assert writer.last > seen[7][0] > seen[0][0]
    assert all(second <= first <= second + 1 for first, second in seen.values())
    again = {n: (counter(bench.store, f"snap-a{n}"), counter(bench.store, f"snap-b{n}")) for n in seen}
    assert again == seen
    assert bench.read(A, bench.store.volume_source(A))[:COUNTER_BYTES] == writer.last.to_bytes(COUNTER_BYTES)


def test_clone_of_a_running_guest_is_written_beside_it(bench: Qcow2Bench, tmp_path: Path) -> None:
    with guest_on(bench, tmp_path) as guest, guest.disk(A) as disk:
        disk.pwrite(b"first", 0)
        bench.store.capture([Capture(A, "snap-1")], vm_id=VM, live=guest)
        bench.store.clone_volume("vol-clone", "snap-1", SIZE)
        source = bench.store.volume_source("vol-clone")
        bench.write("vol-clone", source, 0, b"other")
        assert disk.pread(5, 0) == b"first"
        assert bench.read("vol-clone", source) == padded(b"other")


def test_volume_that_is_written_to_is_not_frozen_behind_its_writer(bench: Qcow2Bench, tmp_path: Path) -> None:
    with guest_on(bench, tmp_path), pytest.raises(StorageFailed, match="lock"):
        bench.store.capture([Capture(A, "snap-1")], vm_id=None, live=None)
    assert inventory_of(bench.store).snapshot_ids == frozenset()


def test_layer_that_is_still_written_to_is_never_merged(bench: Qcow2Bench, tmp_path: Path) -> None:
    """An interrupted and undone capture leaves the guest on a file that now has an overlay, and is due for
    merging."""
    for number in range(3):
        bench.store.capture([Capture(A, f"snap-{number}")], vm_id=None, live=None)
    with guest_on(bench, tmp_path) as guest, guest.disk(A) as disk:
        written = bench.store.volume_source(A).path
        with pytest.raises(Unavailable):
            bench.store.capture([Capture(A, "snap-x")], vm_id=VM, live=LostDaemon(guest))
        bench.store.delete_snapshot("snap-x")
        assert bench.store.volume_source(A).path != written
        inode = written.stat().st_ino
        bench.store.collect()
        assert written.stat().st_ino == inode
        disk.pwrite(b"went on", 0)
        bench.store.capture([Capture(A, "snap-y")], vm_id=VM, live=guest)
        assert guest.open_disks(VM)[A] == bench.store.volume_source(A)
    bench.store.collect()
    assert written.stat().st_ino != inode
    assert read_snapshot(bench.store, "snap-y") == padded(b"went on")
