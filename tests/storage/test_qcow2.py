"""The qcow2 store keeps the contract."""

# ruff: noqa: ARG002  a test's side of a protocol need not use all that it is told

import errno
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from souche import run
from souche.formats.extents import Allocation, Chunk
from souche.formats.qcow2_stream import qcow2_stream
from souche.model.disks import DiskSource, FileSource
from souche.storage.base import Capture
from souche.storage.qcow2 import Qcow2Store
from tests.storage.bench import SIZE, A, S, padded, read_snapshot, write
from tests.storage.contract import StoreContract
from tests.storage.machine import StoreMachine
from tests.support.memory_volumes import convert_argv


class Qcow2Bench:
    """The guest's side is qemu-io and qemu-img."""

    def __init__(self, home: Path, max_chain: int = 4) -> None:
        home.mkdir(exist_ok=True)
        self.store = Qcow2Store(home, max_chain=max_chain)
        self._spare = home / "spare"

    def write(self, volume_id: str, source: DiskSource, offset: int, data: bytes) -> None:
        assert isinstance(source, FileSource)
        self._spare.write_bytes(data)
        command = f"write -s {self._spare} {offset} {len(data)}"
        run.run(["qemu-io", "-f", source.format, "-c", command, source.path], timeout_seconds=60)

    def read(self, volume_id: str, source: DiskSource) -> bytes:
        assert isinstance(source, FileSource)
        run.run(convert_argv(source.path, source.format, self._spare), timeout_seconds=60)
        return self._spare.read_bytes()


class TestQcow2Store(StoreContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Qcow2Bench:
        return Qcow2Bench(tmp_path)


def test_a_snapshot_is_served_however_deep_the_home_lies(tmp_path: Path) -> None:
    """The name of a socket has at most 107 characters (unix(7))."""
    home = tmp_path / ("deep" * 40)
    bench = Qcow2Bench(home)
    bench.store.create_volume(A, SIZE)
    write(bench, A, b"deep down")
    bench.store.capture([Capture(A, S)], vm_id=None, live=None)
    assert read_snapshot(bench.store, S) == padded(b"deep down")


def exported(path: Path, data: bytes) -> Path:
    """A file as an export writes it."""
    allocation = Allocation(SIZE)
    allocation.add(0, SIZE)
    path.write_bytes(b"".join(map(bytes, qcow2_stream(allocation, [Chunk(0, padded(data))]))))
    return path


def test_a_file_as_exports_write_it_is_taken_in_without_a_copy(tmp_path: Path) -> None:
    bench, file = Qcow2Bench(tmp_path), exported(tmp_path / "import", b"from a region")
    bench.store.import_snapshot(S, FileSource(file, "qcow2"), SIZE)
    assert (tmp_path / "disks" / "snapshots" / S).stat().st_ino == file.stat().st_ino
    file.unlink()
    bench.store.clone_volume(A, S, 2 * SIZE)
    write(bench, A, b"written above")
    bench.store.collect()
    assert read_snapshot(bench.store, S) == padded(b"from a region")


def test_a_file_for_a_larger_disk_is_copied(tmp_path: Path) -> None:
    bench, file = Qcow2Bench(tmp_path), exported(tmp_path / "import", b"from a region")
    before = file.read_bytes()
    bench.store.import_snapshot(S, FileSource(file, "qcow2"), 2 * SIZE)
    assert (tmp_path / "disks" / "snapshots" / S).stat().st_ino != file.stat().st_ino
    assert file.read_bytes() == before
    assert read_snapshot(bench.store, S) == padded(b"from a region", 2 * SIZE)


def test_a_file_on_another_file_system_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    bench, file = Qcow2Bench(tmp_path), exported(tmp_path / "import", b"from a region")
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    bench.store.import_snapshot(S, FileSource(file, "qcow2"), SIZE)
    assert read_snapshot(bench.store, S) == padded(b"from a region")


class Qcow2Machine(StoreMachine):
    def make_bench(self) -> Qcow2Bench:
        self._home = TemporaryDirectory()
        return Qcow2Bench(Path(self._home.name), max_chain=3)

    def teardown(self) -> None:
        super().teardown()
        self._home.cleanup()


TestQcow2Histories = Qcow2Machine.TestCase
TestQcow2Histories.settings = settings(max_examples=10, stateful_step_count=36, deadline=None)
