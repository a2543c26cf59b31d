"""Killed at any moment: the process dies right before each of its changes to the disk in turn, for real.

A forked child makes the call and ends itself by `os._exit` when Python reports the n-th change by an audit
event, so no `finally` runs and the kernel drops its locks. The guest survives: its record is a file of its
own."""

# ruff: noqa: ARG002  a test's side of a protocol need not use all that it is told

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from souche.model.disks import DiskSource, FileSource, GuestHold
from souche.storage.base import Capture
from souche.storage.qcow2.inspection import Qcow2Inspector
from tests.storage.bench import SIZE, VM, A, B, S, T, padded, read, read_snapshot, write
from tests.storage.test_qcow2 import Qcow2Bench, exported
from tests.support.inventories import inventory_of

CHANGES = {"os.link", "os.rename", "os.remove", "os.symlink", "subprocess.Popen"}
KILLED = 137


class RecordedGuest:
    """A guest in a file, which survives the process that talks to it."""

    def __init__(self, record: Path, sources: Mapping[str, DiskSource]) -> None:
        self._record = record
        self._save(sources)

    def open_disks(self, vm_id: str) -> Mapping[str, DiskSource]:
        known = json.loads(self._record.read_text())
        return {volume_id: FileSource(Path(path), "qcow2") for volume_id, path in known.items()}

    def switch_disks(self, vm_id: str, sources: Mapping[str, DiskSource]) -> GuestHold:
        self._save(sources)
        return GuestHold(0.001, quiesced=True)

    def resize_disk(self, vm_id: str, volume_id: str, size_bytes: int) -> None:
        raise NotImplementedError

    def shorten_disks(self, vm_id: str, most_files: int) -> None:
        raise NotImplementedError

    def _save(self, sources: Mapping[str, DiskSource]) -> None:
        paths = {
            volume_id: str(source.path)
            for volume_id, source in sources.items()
            if isinstance(source, FileSource)
        }
        draft = self._record.with_suffix(".draft")
        draft.write_text(json.dumps(paths))
        draft.rename(self._record)


def killed_before_change(number: int, call: Callable[[], object]) -> bool:
    """Make a call in a child that dies right before its change of this number; False if it had fewer to
    make."""
    child = os.fork()
    if child == 0:
        left = number

        def count(event: str, arguments: tuple[str, ...]) -> None:
            nonlocal left
            if event in CHANGES and not (event == "os.remove" and not os.path.lexists(arguments[0])):
                left -= 1
                if left == 0:
                    os._exit(KILLED)

        sys.addaudithook(count)
        status = 1
        try:
            call()
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, KILLED)
    return status == KILLED


def two_volumes(home: Path) -> Qcow2Bench:
    """A store with volumes A and B, which hold their letters."""
    home.mkdir()
    bench = Qcow2Bench(home)
    for volume_id, data in ((A, b"A"), (B, b"B")):
        bench.store.create_volume(volume_id, SIZE)
        write(bench, volume_id, data)
    return bench


def copies(home: Path) -> Iterator[tuple[int, Path]]:
    """Copies of a store, each with its number from 1 on."""
    for number in range(1, 100):
        yield number, shutil.copytree(home, home.with_name(f"{home.name}{number}"), symlinks=True)


def assert_nothing_is_left_over(bench: Qcow2Bench, home: Path) -> None:
    for _ in range(2):
        bench.store.collect()
    assert not any((home / "disks/work").iterdir())
    assert not any((home / "disks/captures").iterdir())
    links = [*(home / "disks/volumes").iterdir(), *(home / "disks/snapshots").iterdir()]
    assert {path.name for path in links} == inventory_of(bench.store).volume_ids | inventory_of(
        bench.store
    ).snapshot_ids
    for volume_id in inventory_of(bench.store).volume_ids:
        bench.store.delete_volume(volume_id)
    for snapshot_id in inventory_of(bench.store).snapshot_ids:
        bench.store.delete_snapshot(snapshot_id)
    assert bench.store.collect() == 0


CAPTURES = [Capture(A, S), Capture(B, T)]


def guest_write(bench: Qcow2Bench, guest: RecordedGuest, data: bytes) -> None:
    for volume_id, source in guest.open_disks(VM).items():
        bench.write(volume_id, source, 0, data)


@pytest.mark.parametrize("power", ["running", "off"])
def test_killed_capture_is_repeated(tmp_path: Path, power: str) -> None:
    two_volumes(tmp_path / "world")
    for number, home in copies(tmp_path / "world"):
        bench = Qcow2Bench(home)
        guest = _guest(bench, home) if power == "running" else None
        killed = killed_before_change(number, lambda: bench.store.capture(CAPTURES, vm_id=VM, live=guest))  # noqa: B023
        bench.store.capture(CAPTURES, vm_id=VM, live=guest)
        guest_write(bench, guest, b"later") if guest else write(bench, A, b"later")
        assert read_snapshot(bench.store, S) == padded(b"A")
        assert read_snapshot(bench.store, T) == padded(b"B")
        assert read(bench, A) == padded(b"later")
        found = Qcow2Inspector(home / "disks").inspect().faults
        assert [fault for fault in found if not fault.leftover] == []
        assert_nothing_is_left_over(bench, home)
        if not killed:
            return


@pytest.mark.parametrize("power", ["running", "off"])
def test_killed_capture_is_undone(tmp_path: Path, power: str) -> None:
    two_volumes(tmp_path / "world")
    for number, home in copies(tmp_path / "world"):
        bench = Qcow2Bench(home)
        guest = _guest(bench, home) if power == "running" else None
        killed = killed_before_change(number, lambda: bench.store.capture(CAPTURES, vm_id=VM, live=guest))  # noqa: B023
        if guest:
            guest_write(bench, guest, b"later")
        assert len(inventory_of(bench.store).snapshot_ids) in (0, 2)
        for snapshot_id in (S, T):
            bench.store.delete_snapshot(snapshot_id)
        bench.store.collect()
        assert read(bench, A) == padded(b"later" if guest else b"A")
        assert read(bench, B) == padded(b"later" if guest else b"B")
        assert_nothing_is_left_over(bench, home)
        if not killed:
            return


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_killed_calls_are_repeated(tmp_path: Path, image_format: Literal["raw", "qcow2"]) -> None:
    """A qcow2 file as an export writes it is taken in by a link."""
    image = exported(tmp_path / "image", b"image")
    if image_format == "raw":
        image.write_bytes(padded(b"image"))
    two_volumes(tmp_path / "world")
    for number, home in copies(tmp_path / "world"):
        bench = Qcow2Bench(home)
        call = _all_of_it(bench, image, image_format)
        killed = killed_before_change(number, call)
        call()
        assert read_snapshot(bench.store, S) == padded(b"image")
        assert read(bench, "vol-00000002") == padded(b"image", 2 * SIZE)
        assert read(bench, "vol-00000001") == bytes(SIZE)
        assert_nothing_is_left_over(bench, home)
        if not killed:
            return


def test_killed_collection_is_repeated(tmp_path: Path) -> None:
    names = [f"snap-{each:08x}" for each in range(6)]
    expected = _six_snapshots(tmp_path / "world", names)
    for number, home in copies(tmp_path / "world"):
        bench = Qcow2Bench(home)
        killed = killed_before_change(number, bench.store.collect)
        bench.store.collect()
        assert {name: read_snapshot(bench.store, name) for name in expected} == expected
        assert_nothing_is_left_over(bench, home)
        if not killed:
            return


def test_killed_discard_and_restore_are_repeated(tmp_path: Path) -> None:
    two_volumes(tmp_path / "world")
    date = datetime.now(UTC)
    for number, home in copies(tmp_path / "world"):
        bench = Qcow2Bench(home)

        def call(bench: Qcow2Bench = bench) -> None:
            bench.store.discard("volume", A, date)
            bench.store.restore("volume", A)
            bench.store.discard("volume", B, date)

        killed = killed_before_change(number, call)
        bench.store.collect()
        known = inventory_of(bench.store).volume_ids | {each.resource_id for each in bench.store.trash()}
        assert known == {A, B}
        call()
        assert read(bench, A) == padded(b"A")
        bench.store.restore("volume", B)
        assert read(bench, B) == padded(b"B")
        assert bench.store.trash() == []
        assert_nothing_is_left_over(bench, home)
        if not killed:
            return


def test_volume_of_a_killed_restore_never_writes_to_a_snapshot(tmp_path: Path) -> None:
    """It had a link in the trash still, which named what a capture froze later: a second restore led there."""
    two_volumes(tmp_path / "world").store.discard("volume", A, datetime.now(UTC))
    for number, home in copies(tmp_path / "world"):
        bench = Qcow2Bench(home)
        killed = killed_before_change(number, lambda: bench.store.restore("volume", A))  # noqa: B023
        if A in inventory_of(bench.store).volume_ids:
            bench.store.capture([Capture(A, S)], vm_id=None, live=None)
            bench.store.delete_volume(A)
            for _ in bench.store.trash():
                bench.store.restore("volume", A)
                write(bench, A, b"something else")
            assert read_snapshot(bench.store, S) == padded(b"A")
        if not killed:
            return


def _guest(bench: Qcow2Bench, home: Path) -> RecordedGuest:
    sources = {volume_id: bench.store.volume_source(volume_id) for volume_id in (A, B)}
    return RecordedGuest(home / "guest.json", sources)


def _six_snapshots(home: Path, names: list[str]) -> dict[str, bytes]:
    """A chain of volume A's snapshots, some of it without a name; returns the bytes of those that have
    one."""
    bench = two_volumes(home)
    for position, name in enumerate(names):
        write(bench, A, name.encode(), 1000 * position)
        bench.store.capture([Capture(A, name)], vm_id=None, live=None)
    expected = {name: read_snapshot(bench.store, name) for name in names}
    bench.store.delete_volume(B)
    for name in names[1:4]:
        bench.store.delete_snapshot(name)
        del expected[name]
    return expected


def _all_of_it(bench: Qcow2Bench, image: Path, image_format: Literal["raw", "qcow2"]) -> Callable[[], None]:
    def call() -> None:
        bench.store.import_snapshot(S, FileSource(image, image_format), SIZE)
        bench.store.copy_snapshot(T, S)
        bench.store.clone_volume("vol-00000002", T, SIZE)
        bench.store.grow_volume("vol-00000002", 2 * SIZE)
        bench.store.create_volume("vol-00000001", SIZE)
        bench.store.delete_snapshot(T)
        bench.store.delete_volume(B)

    return call
