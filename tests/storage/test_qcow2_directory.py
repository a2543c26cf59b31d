"""What the qcow2 store leaves on the medium: names, links, chains, and what a collection does to them."""

import errno
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from souche import run
from souche.errors import ComputeFailed, OutOfSpace, StorageFailed
from souche.formats.qcow2 import read_header
from souche.model.disks import DiskSource, FileSource, GuestHold
from souche.room import MIB
from souche.storage.base import Capture
from souche.storage.qcow2 import Qcow2Store
from souche.storage.qcow2.argv import rename_backing
from tests.storage.bench import SIZE, VM, A, B, Guest, S, T, freeze, padded, read, read_snapshot, write
from tests.storage.test_qcow2 import Qcow2Bench, exported
from tests.support.inventories import inventory_of
from tests.support.medium import Medium


@pytest.fixture
def bench(tmp_path: Path) -> Qcow2Bench:
    bench = Qcow2Bench(tmp_path / "home")
    bench.store.create_volume(A, SIZE)
    return bench


@pytest.fixture
def disks(tmp_path: Path) -> Path:
    return tmp_path / "home" / "disks"


def chain(disks: Path, link: str) -> list[str]:
    """The file names below a link, the lowest last."""
    path = (disks / link).resolve()
    names = [path.name]
    while True:
        with (disks / "layers" / names[-1]).open("rb") as image:
            below = read_header(image).backing_file
        if below is None:
            return names
        names.append(below)


def test_files_are_named_after_what_they_were_made_for(disks: Path, bench: Qcow2Bench) -> None:
    freeze(bench, A, S)
    freeze(bench, A, T)
    assert str((disks / "volumes" / A).readlink()) == f"../layers/{A}.{T}.qcow2"
    assert str((disks / "snapshots" / S).readlink()) == f"../layers/{A}.qcow2"
    assert chain(disks, f"volumes/{A}") == [f"{A}.{T}.qcow2", f"{A}.{S}.qcow2", f"{A}.qcow2"]


def test_name_in_use_is_not_taken(disks: Path, bench: Qcow2Bench) -> None:
    freeze(bench, A, S)
    bench.store.delete_volume(A)
    bench.store.create_volume(A, SIZE)
    assert str((disks / "volumes" / A).readlink()) == f"../layers/{A}.1.qcow2"


def test_layers_are_version_3_of_a_stated_backing_format(disks: Path, bench: Qcow2Bench) -> None:
    freeze(bench, A, S)
    with (disks / "volumes" / A).open("rb") as image:
        header = read_header(image)
    assert (header.version, header.incompatible_features, header.backing_format) == (3, 0, "qcow2")


def test_store_can_move(disks: Path, bench: Qcow2Bench, tmp_path: Path) -> None:
    write(bench, A, b"A")
    freeze(bench, A, S)
    shutil.move(tmp_path / "home", tmp_path / "elsewhere")
    moved = Qcow2Bench(tmp_path / "elsewhere")
    assert read_snapshot(moved.store, S) == read(moved, A) == padded(b"A")


def modes(disks: Path) -> dict[str, int]:
    """Of all files and folders, by their names below `disks`."""
    found = (disks, *disks.rglob("*"))
    return {
        str(each.relative_to(disks)): each.stat().st_mode & 0o777 for each in found if not each.is_symlink()
    }


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_nobody_else_reads_anything_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        bench = Qcow2Bench(tmp_path / "home")
        bench.store.create_volume(A, SIZE)
        freeze(bench, A, S)
    finally:
        os.umask(before)
    assert {mode & 0o077 for mode in modes(tmp_path / "home" / "disks").values()} == {0}


def test_group_that_passes_through_the_directory_reads_the_layers_and_nothing_else(tmp_path: Path) -> None:
    disks = tmp_path / "home" / "disks"
    disks.mkdir(parents=True)
    os.chown(disks, -1, os.getgid())
    disks.chmod(0o710)
    bench = Qcow2Bench(tmp_path / "home")
    bench.store.create_volume(A, SIZE)
    freeze(bench, A, S)
    bench.store.import_snapshot(T, FileSource(exported(tmp_path / "image", b"image"), "qcow2"), SIZE)
    opened = {name: mode & 0o077 for name, mode in modes(disks).items() if mode & 0o077}
    names = (f"{A}.qcow2", f"{A}.{S}.qcow2", f"{T}.qcow2")
    assert opened == {".": 0o010, "layers": 0o010, **{f"layers/{name}": 0o040 for name in names}}


def test_two_stores_on_one_directory_see_the_same(disks: Path, bench: Qcow2Bench) -> None:
    freeze(bench, A, S)
    assert inventory_of(Qcow2Store(disks.parent)) == inventory_of(bench.store)


@pytest.mark.parametrize("name", ["../vol-1", "", ".vol-1", "vol/1", "Vol-1", "vol-1\n"])
def test_what_is_not_an_id_makes_no_file_name(disks: Path, bench: Qcow2Bench, name: str) -> None:
    for call in (bench.store.volume_source, bench.store.delete_volume, bench.store.delete_snapshot):
        with pytest.raises(StorageFailed):
            call(name)
    with pytest.raises(StorageFailed):
        bench.store.capture([Capture(A, name)], vm_id=None, live=None)


def test_chains_are_bounded_and_the_lowest_layer_stays_shared(disks: Path, bench: Qcow2Bench) -> None:
    write(bench, A, b"image")
    freeze(bench, A, S)
    bench.store.clone_volume(B, S, SIZE)
    for number in range(12):
        write(bench, B, b"x" * (12 - number))
        freeze(bench, B, f"snap-b{number}")
    expected = [read_snapshot(bench.store, f"snap-b{number}") for number in range(12)]
    bench.store.collect()
    lengths = [len(chain(disks, f"{link.parent.name}/{link.name}")) for link in disks.glob("[vs][on]*/*")]
    assert len(lengths) == 15
    assert max(lengths) <= 4
    assert chain(disks, f"volumes/{B}")[-1] == chain(disks, f"snapshots/{S}")[-1] == f"{A}.qcow2"
    assert [read_snapshot(bench.store, f"snap-b{number}") for number in range(12)] == expected


def test_merge_across_sizes_keeps_the_bytes(disks: Path, bench: Qcow2Bench) -> None:
    for number in range(1, 9):
        write(bench, A, bytes([number]) * 1000, number * SIZE - 1000)
        freeze(bench, A, f"snap-{number}")
        bench.store.grow_volume(A, (number + 1) * SIZE)
    expected = [read_snapshot(bench.store, f"snap-{number}") for number in range(1, 9)]
    bench.store.collect()
    assert len(chain(disks, f"volumes/{A}")) <= 4
    assert [read_snapshot(bench.store, f"snap-{number}") for number in range(1, 9)] == expected


def test_merge_leaves_the_current_file_and_what_was_below(disks: Path, bench: Qcow2Bench) -> None:
    for number in range(4):
        freeze(bench, A, f"snap-{number}")
        bench.store.delete_snapshot(f"snap-{number}")
    before = {path.name: path.stat().st_ino for path in (disks / "layers").iterdir()}
    bench.store.collect()
    after = {path.name: path.stat().st_ino for path in (disks / "layers").iterdir()}
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == [f"{A}.snap-2.qcow2"]
    bench.store.collect()
    assert {path.name for path in (disks / "layers").iterdir()} == set(chain(disks, f"volumes/{A}"))


def test_layers_that_nothing_names_stay_where_nothing_is_to_be_removed(
    disks: Path, bench: Qcow2Bench
) -> None:
    bench.store.delete_volume(A)
    bench.store.collect(removing=False)
    assert (disks / "layers" / f"{A}.qcow2").exists()
    bench.store.collect()
    assert not (disks / "layers" / f"{A}.qcow2").exists()


def test_chains_are_bounded_where_nothing_is_to_be_removed_too(disks: Path, bench: Qcow2Bench) -> None:
    for number in range(6):
        freeze(bench, A, f"snap-{number}")
    bench.store.collect(removing=False)
    assert len(chain(disks, f"volumes/{A}")) <= 4


def test_what_a_guest_wrote_before_it_died_in_the_switch_is_kept(disks: Path, bench: Qcow2Bench) -> None:
    """QEMU had switched, and ended before the hypervisor could say so."""

    class Dying(Guest):
        def switch_disks(self, vm_id: str, sources: Mapping[str, DiskSource]) -> GuestHold:
            super().switch_disks(vm_id, sources)
            bench.write(A, sources[A], 0, b"written")
            self.open = None
            raise ComputeFailed(reason="the domain does not run")

    bench.store.create_volume(B, SIZE)
    guest = Dying({each: bench.store.volume_source(each) for each in (A, B)})
    with pytest.raises(StorageFailed):
        bench.store.capture([Capture(A, S), Capture(B, T)], vm_id=VM, live=guest)
    bench.store.collect()
    assert read(bench, A) == padded(b"written")
    assert read(bench, B) == bytes(SIZE)
    assert inventory_of(bench.store).snapshot_ids == set()


def test_volume_in_the_trash_keeps_its_current_file(disks: Path, bench: Qcow2Bench) -> None:
    """It may be restored, and opened by a guest, while a merge is under way."""
    for number in range(6):
        freeze(bench, A, f"snap-{number}")
    write(bench, A, b"current")
    current = (disks / "volumes" / A).resolve()
    before = current.stat().st_ino
    bench.store.discard("volume", A, datetime.now(UTC))
    bench.store.clone_volume(B, "snap-5", SIZE)
    bench.store.collect()
    assert current.stat().st_ino == before
    bench.store.restore("volume", A)
    assert read(bench, A) == padded(b"current")


def test_backing_file_outside_the_store_is_refused(disks: Path, bench: Qcow2Bench) -> None:
    outside = disks.parent / "outside.qcow2"
    run.run(["qemu-img", "create", "-q", "-f", "qcow2", outside, str(SIZE)], timeout_seconds=60)
    run.run(rename_backing(disks / "volumes" / A, str(outside)), timeout_seconds=60)
    with pytest.raises(StorageFailed, match="cannot be read"):
        bench.store.volume_source(A)


def test_layer_that_cannot_be_served_says_why(disks: Path, bench: Qcow2Bench) -> None:
    freeze(bench, A, S)
    (disks / "layers" / f"{A}.qcow2").write_bytes(b"no image")
    with pytest.raises(StorageFailed, match=f"{A}.qcow2 cannot be read"), bench.store.read_snapshot(S):
        pass


SERVING = """
import os, pathlib, signal, sys
from souche.storage.qcow2 import Qcow2Store
with Qcow2Store(pathlib.Path(sys.argv[1])).read_snapshot(sys.argv[2]):
    print(pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text(), flush=True)
    signal.pause()
"""


def test_server_of_a_killed_process_ends(disks: Path, bench: Qcow2Bench) -> None:
    freeze(bench, A, S)
    with subprocess.Popen(
        [sys.executable, "-c", SERVING, disks.parent, S], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        server = next(int(line) for line in process.stdout if line.strip().isdigit())
        ended = select.poll()
        ended.register(os.pidfd_open(server))
        process.kill()
    assert ended.poll(10_000)
    bench.store.collect()
    assert not any((disks / "work").iterdir())


class AskingGuest(Guest):
    """One during whose switch other calls arrive."""

    def __init__(self, store: Qcow2Store, pool: ThreadPoolExecutor, sources: dict[str, DiskSource]) -> None:
        super().__init__(sources)
        self.store, self.pool = store, pool
        self.deletion: Future[None] | None = None
        self.written = store.volume_source(A).path
        self.inode = self.written.stat().st_ino

    def switch_disks(self, vm_id: str, overlays: Mapping[str, DiskSource]) -> GuestHold:
        self.pool.submit(self.store.create_volume, B, SIZE).result(30)
        self.pool.submit(self.store.collect).result(30)
        assert self.written.stat().st_ino == self.inode
        self.deletion = self.pool.submit(self.store.delete_snapshot, S)
        with pytest.raises(TimeoutError):
            self.deletion.result(0.2)
        return super().switch_disks(vm_id, overlays)


def test_capture_under_way_holds_up_only_what_it_touches(disks: Path, bench: Qcow2Bench) -> None:
    """A layer that the guest still writes to is not merged, although its place in the chain is due."""
    for number in range(3):
        freeze(bench, A, f"snap-{number}")
    with ThreadPoolExecutor() as pool:
        guest = AskingGuest(bench.store, pool, {A: bench.store.volume_source(A)})
        bench.store.capture([Capture(A, S)], vm_id=VM, live=guest)
        assert guest.deletion is not None
        guest.deletion.result(30)
    assert guest.open == {A: bench.store.volume_source(A)}
    assert inventory_of(bench.store).snapshot_ids == {"snap-0", "snap-1", "snap-2"}
    assert inventory_of(bench.store).volume_ids == {A, B}


def test_guest_on_a_file_below_what_was_written_is_refused(disks: Path, bench: Qcow2Bench) -> None:
    """It was started from a source that was out of date: freezing it would lose what the volume holds."""
    guest = Guest({A: bench.store.volume_source(A)})
    freeze(bench, A, S)
    write(bench, A, b"newer")
    with pytest.raises(StorageFailed, match="the guest writes to"):
        bench.store.capture([Capture(A, T)], vm_id=VM, live=guest)
    assert read(bench, A) == padded(b"newer")


def test_a_capture_whose_entry_does_not_fit_on_the_medium_changes_nothing(
    bench: Qcow2Bench, disks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is written to a medium that gets full, the system takes a part, and says so. With half an entry in the
    journal nothing in the store would be usable after a crash."""
    bench.store.create_volume(B, SIZE)
    room, to_medium = 50, os.write

    def write_what_fits(descriptor: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part, room = data[:room], 0
        return to_medium(descriptor, part)

    monkeypatch.setattr(os, "write", write_what_fits)
    with pytest.raises(OutOfSpace):
        bench.store.capture([Capture(A, S), Capture(B, T)], vm_id=None, live=None)
    monkeypatch.undo()
    inventory = inventory_of(bench.store)
    assert inventory.volume_ids == {A, B}
    assert not inventory.snapshot_ids
    bench.store.collect()
    assert sorted(path.name for path in (disks / "layers").iterdir()) == [f"{A}.qcow2", f"{B}.qcow2"]
    assert list((disks / "captures").iterdir()) == []


def test_layers_are_merged_when_there_is_room(tmp_path: Path) -> None:
    """A merge writes as much as it merges, so a full medium keeps its chains as they are."""
    medium = Medium(tmp_path, 1024 * MIB)
    bench = Qcow2Bench(tmp_path / "home")
    bench.store = Qcow2Store(tmp_path / "home", max_chain=4, room=medium.room(reserve_bytes=1024 * MIB))
    bench.store.create_volume(A, SIZE)
    for number in range(6):
        write(bench, A, f"of {number}".encode())
        freeze(bench, A, f"snap-{number}")
    bench.store.collect()
    assert len(chain(tmp_path / "home" / "disks", f"volumes/{A}")) == 7
    bench.store = Qcow2Store(tmp_path / "home", max_chain=4, room=medium.room())
    bench.store.collect()
    assert len(chain(tmp_path / "home" / "disks", f"volumes/{A}")) <= 4
    assert read_snapshot(bench.store, "snap-5") == padded(b"of 5")
