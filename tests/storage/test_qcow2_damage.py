"""Damage affects only itself: missing, truncated or changed layers, and unreadable entries, links and files (issue 9,
1.6 and 1.7)."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from souche.errors import DiskDamaged, StorageFailed, Unavailable
from souche.storage.base import Capture, Fault
from souche.storage.qcow2.inspection import Qcow2Inspector
from tests.storage.bench import (
    SIZE,
    VM,
    A,
    B,
    C,
    Guest,
    LostGuest,
    S,
    SwitchedAndLostGuest,
    T,
    U,
    freeze,
    padded,
    read,
    read_snapshot,
    write,
)
from tests.storage.damaged_layers import DAMAGES, FAST, change, spoil_header
from tests.storage.damaged_layers import bench as bench
from tests.storage.damaged_layers import disks as disks
from tests.storage.damaged_layers import layer as layer
from tests.storage.test_qcow2 import Qcow2Bench
from tests.storage.test_qcow2_directory import chain
from tests.support.inventories import inventory_of


@pytest.mark.parametrize("damage", DAMAGES)
def test_layer_that_is_not_the_file_that_it_was_is_refused_to_every_use(
    bench: Qcow2Bench, disks: Path, layer: Path, damage: Callable[[Path], object]
) -> None:
    damage(layer)
    uses: list[Callable[[], object]] = [
        lambda: bench.store.clone_volume(C, S, SIZE),
        lambda: bench.store.copy_snapshot(U, S),
        lambda: read_snapshot(bench.store, S),
        lambda: bench.store.volume_source(A),
        lambda: freeze(bench, A, U),
    ]
    for use in uses:
        with pytest.raises(DiskDamaged, match=f"{S}|{A}") as refused:
            use()
        assert str(disks) not in str(refused.value)
    assert read_snapshot(bench.store, T) == read(bench, B) == padded(B.encode())
    assert inventory_of(bench.store).snapshot_ids == {S, T}
    [fault] = bench.store.verify(deep=False)
    assert fault.resource_ids == tuple(sorted((S, A)))
    assert f"layer {layer.name} " in fault.problem


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_layer_keeps_no_other_chain_from_being_collected_and_shortened(
    bench: Qcow2Bench, disks: Path, layer: Path, damage: Callable[[Path], object]
) -> None:
    for number in range(8):
        freeze(bench, B, f"snap-{number}")
    bench.store.create_volume(C, SIZE)
    bench.store.delete_volume(C)
    damage(layer)
    with capture_logs() as logs:
        bench.store.collect()
        bench.store.collect()
    assert [each["name"] for each in logs if "problem" in each] == [layer.name]
    assert not (disks / "layers" / f"{C}.qcow2").exists()
    assert len(chain(disks, f"volumes/{B}")) <= 4


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_a_damaged_layer_stands_on_is_kept_and_all_is_well_when_it_comes_back(
    bench: Qcow2Bench, layer: Path, damage: Callable[[Path], object]
) -> None:
    """Nothing else names the layer below: only the record of the damaged one."""
    freeze(bench, A, U)
    for snapshot_id in (S, T):
        bench.store.delete_snapshot(snapshot_id)
    damaged = layer.with_name(f"{A}.{S}.qcow2")
    whole = damaged.read_bytes()
    damage(damaged)
    for _ in range(2):
        bench.store.collect()
    assert layer.exists()
    damaged.write_bytes(whole)
    assert read_snapshot(bench.store, U) == read(bench, A) == padded(A.encode())


@pytest.mark.parametrize("damage", [Path.unlink, spoil_header])
def test_what_a_damaged_file_of_a_volume_stands_on_is_kept_until_the_volume_goes(
    bench: Qcow2Bench, disks: Path, layer: Path, damage: Callable[[Path], object]
) -> None:
    """No record names its backing file, because it is written to."""
    bench.store.delete_snapshot(S)
    current = (disks / "volumes" / A).resolve()
    whole = current.read_bytes()
    damage(current)
    for _ in range(2):
        bench.store.collect()
    current.write_bytes(whole)
    assert read(bench, A) == padded(A.encode())
    damage(current)
    bench.store.delete_volume(A)
    bench.store.collect()
    assert not layer.exists()


@pytest.mark.parametrize("damage", [Path.unlink, spoil_header])
def test_what_a_guest_writes_to_below_a_damaged_overlay_is_kept(
    bench: Qcow2Bench, disks: Path, damage: Callable[[Path], object]
) -> None:
    """The capture that made the overlay was interrupted: the guest has never switched to it, and the file that it
    writes to has no record."""
    guest = LostGuest({A: bench.store.volume_source(A)})
    written = (disks / "volumes" / A).resolve()
    with pytest.raises(Unavailable):
        bench.store.capture([Capture(A, U)], vm_id=VM, live=guest)
    bench.store.delete_volume(C)  # settles what was interrupted
    overlay = (disks / "volumes" / A).resolve()
    assert overlay != written
    whole = overlay.read_bytes()
    damage(overlay)
    for _ in range(2):
        bench.store.collect()
    assert written.exists()
    assert not (disks / "records" / written.name).exists()
    assert guest.open is not None
    bench.write(A, guest.open[A], 0, b"between")
    overlay.write_bytes(whole)
    assert read(bench, A).startswith(b"between")
    damage(overlay)
    bench.store.delete_volume(A)
    bench.store.collect()
    assert not written.exists()


def test_layer_that_stands_on_itself_ends_no_collection(bench: Qcow2Bench, layer: Path) -> None:
    name, patched = layer.name.encode(), bytearray(layer.read_bytes())
    offset = 0x200
    patched[8:16], patched[16:20] = offset.to_bytes(8), len(name).to_bytes(4)
    patched[offset : offset + len(name)] = name
    layer.write_bytes(patched)
    bench.store.collect()
    with pytest.raises(DiskDamaged, match="is its own backing file"):
        bench.store.volume_source(A)


def test_name_of_a_missing_layer_is_not_given_to_another(bench: Qcow2Bench, layer: Path) -> None:
    """Files above it would read the other's bytes."""
    layer.unlink()
    bench.store.delete_volume(A)
    bench.store.create_volume(A, SIZE)
    assert not layer.exists()
    with pytest.raises(DiskDamaged):
        read_snapshot(bench.store, S)


NO_ENTRIES = [b"", b"\0" * 50, b"{", b"[1]", b'[{"volume_id": "vol-1"}]', b"\xff\xfe", b'{"a": 1}', b"[null]"]


@pytest.mark.parametrize("state", ["prepared", "frozen"])
@pytest.mark.parametrize("content", NO_ENTRIES)
def test_damaged_entry_is_set_aside_and_nothing_waits_for_it(
    bench: Qcow2Bench, disks: Path, state: str, content: bytes
) -> None:
    entry = disks / "captures" / f"{U}.{state}"
    entry.write_bytes(content)
    with capture_logs() as logs:
        bench.store.create_volume(C, SIZE)
    assert entry.name in [each.get("name") for each in logs]
    freeze(bench, A, U)
    bench.store.collect()
    assert read_snapshot(bench.store, U) == read(bench, A) == padded(A.encode())
    kept = disks / "captures" / f"{entry.name}.damaged"
    assert kept.read_bytes() == content
    [fault] = bench.store.verify(deep=False)
    assert fault.resource_ids == (U,)


@pytest.mark.parametrize("kind", [LostGuest, SwitchedAndLostGuest])
def test_volume_of_a_damaged_entry_goes_on_where_the_guest_writes(
    bench: Qcow2Bench, disks: Path, kind: type[Guest]
) -> None:
    """What a guest has written since a switch that only the entry recorded is not lost."""
    guest = kind({A: bench.store.volume_source(A), B: bench.store.volume_source(B)})
    with pytest.raises(Unavailable):
        bench.store.capture([Capture(A, U), Capture(B, "snap-9")], vm_id=VM, live=guest)
    (disks / "captures" / f"{U}.prepared").write_bytes(b"\0" * 512)
    assert guest.open is not None
    for volume_id, source in guest.open.items():
        bench.write(volume_id, source, 0, b"between")
    bench.store.collect()
    for volume_id in (A, B):
        assert read(bench, volume_id).startswith(b"between")
    bench.store.capture([Capture(A, U), Capture(B, "snap-9")], vm_id=VM, live=Guest(guest.open))
    assert read_snapshot(bench.store, U).startswith(b"between")


@pytest.mark.parametrize("folder", ["volumes", "snapshots", "captures", "layers", "work", "records"])
def test_foreign_files_and_folders_hold_up_nothing(bench: Qcow2Bench, disks: Path, folder: str) -> None:
    for name in ("notes.txt", ".hidden", f"{U}.prepared", "snap-99999999"):
        (disks / folder / f"{name}.d").mkdir()
        (disks / folder / f"{name}.d" / "inside").write_text("x")
        with suppress(FileExistsError):
            (disks / folder / name).mkdir()
    (disks / folder / "plain").write_text("x")
    (disks / folder / "dangling").symlink_to("nowhere")
    for _ in range(2):
        bench.store.collect()
    bench.store.create_volume(C, SIZE)
    freeze(bench, A, U)
    assert {A, B, C} <= inventory_of(bench.store).volume_ids
    assert {S, T, U} <= inventory_of(bench.store).snapshot_ids
    assert read_snapshot(bench.store, U) == padded(A.encode())
    list(bench.store.verify(deep=True))


def test_dangling_link_is_the_one_thing_that_fails(bench: Qcow2Bench, disks: Path) -> None:
    (disks / "snapshots" / U).symlink_to("../layers/gone.qcow2")
    bench.store.collect()
    with pytest.raises(StorageFailed, match=U):
        read_snapshot(bench.store, U)
    assert [fault.resource_ids for fault in bench.store.verify(deep=False)] == [(U,)]
    bench.store.delete_snapshot(U)
    assert list(bench.store.verify(deep=False)) == []


def test_merge_does_not_take_in_what_has_other_bytes(bench: Qcow2Bench, disks: Path) -> None:
    """The merged file was hashed as it came out, so the change was never found again."""
    for number in range(6):
        write(bench, B, str(number).encode(), number * 65536)
        freeze(bench, B, f"snap-{number}")
    bench.store.record_hashes(FAST)
    changed = (disks / "snapshots" / "snap-1").resolve()
    change(changed)
    bench.store.collect()
    bench.store.record_hashes(FAST)
    problems = {fault.problem for fault in bench.store.verify(deep=True)}
    assert problems == {f"layer {changed.name} has changed since it was made"}
    with pytest.raises(DiskDamaged):
        read_snapshot(bench.store, "snap-5")


def test_link_that_cannot_be_read_for_a_moment_costs_no_layer(
    bench: Qcow2Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.store.delete_volume(B)
    readlink = os.readlink

    def failing(path: str | Path) -> str:
        if Path(path).name == T:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return readlink(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "readlink", failing)
        with pytest.raises(StorageFailed):
            bench.store.collect()
    assert read_snapshot(bench.store, T) == padded(B.encode())


def test_layer_that_the_medium_cannot_read_keeps_no_other_from_being_compared(
    bench: Qcow2Bench, disks: Path, layer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pread, damaged = os.pread, layer.stat().st_ino

    def failing(descriptor: int, length: int, offset: int) -> bytes:
        if os.fstat(descriptor).st_ino == damaged:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", failing)
    assert bench.store.record_hashes(FAST) == 1
    monkeypatch.undo()
    assert bench.store.record_hashes(FAST) == 1
    monkeypatch.setattr(os, "pread", failing)
    assert {bench.store.compare_hashes(FAST) for _ in range(2)} == {True, None}
    problem = f"layer {layer.name} cannot be read to its end"
    assert list(bench.store.verify(deep=True)) == [Fault(tuple(sorted((S, A))), problem)]
    assert [fault.text for fault in Qcow2Inspector(disks).compare()] == [problem] * 2
