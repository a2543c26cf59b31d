"""Exports, judged by gunzip, qemu-img, sha256sum and botocore; and exports that break."""

import gzip
import hashlib
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from souche import run
from souche.errors import StorageFailed
from souche.formats.gzip_members import PADDING_LEAST, decompress, padding
from souche.objects.base import ObjectsUnavailable, Part, Upload
from souche.objects.seaweedfs.server import SeaweedFs
from souche.transfer import multipart
from souche.transfer.export_disk import export_disk
from souche.transfer.multipart import PART_BYTES, PARTS_BYTES, BucketSink, part_bytes_for, parts_under_way
from souche.transfer.reader import connect
from tests.objects.server import OPERATOR, store
from tests.support.memory_objects import MemoryStore
from tests.support.tree_hash import tree_hash_by_botocore
from tests.transfer.disks import MIB, SIZE, WRITTEN, qcow2_disk, served

KEY = "exports/ami-12345678/snap-12345678-9abcdef0.qcow2.gz"


class Cancelled(Exception):
    """The user thought better of it."""


class FlakyStore(MemoryStore):
    """A store whose second part does not arrive."""

    def put_part(self, upload: Upload, number: int, data: bytes | bytearray) -> Part:
        if number == 2:
            raise ObjectsUnavailable(endpoint="test", reason="cut off")
        return super().put_part(upload, number, data)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return qcow2_disk(tmp_path_factory.mktemp("source"))


@pytest.fixture
def uri(source: Path) -> Iterator[str]:
    with served(source) as uri:
        yield uri


def sink(store: MemoryStore | None = None) -> BucketSink:
    store = store or MemoryStore()
    store.ensure_bucket("bucket")
    return BucketSink(store, "bucket", KEY)


def nothing(_done: int, _total: int) -> None:
    """No interest in the progress."""


@pytest.mark.parametrize("disk_format", ["qcow2", "raw"])
def test_programs_of_others_find_the_same_disk(
    disk_format: Literal["qcow2", "raw"], source: Path, uri: str, tmp_path: Path
) -> None:
    target = sink()
    told: list[tuple[int, int]] = []
    exported = export_disk(uri, disk_format, target, progress=lambda *each: told.append(each))
    packed = tmp_path / f"disk.{disk_format}.gz"
    packed.write_bytes(target.store.get("bucket", KEY))
    assert run.run(["sha256sum", packed], timeout_seconds=60).split()[0].decode() == exported.object_sha256
    assert packed.stat().st_size == exported.object_bytes
    run.run(["gunzip", packed], timeout_seconds=60)
    disk = packed.with_suffix("")
    run.run(["qemu-img", "compare", "-f", "qcow2", "-F", disk_format, source, disk], timeout_seconds=60)
    if disk_format == "qcow2":
        run.run(["qemu-img", "check", "-f", "qcow2", disk], timeout_seconds=60)
    else:
        with disk.open("rb") as file:
            assert tree_hash_by_botocore(file) == exported.disk_tree_sha256
    assert exported.disk_bytes == SIZE
    assert exported.data_bytes <= sum(WRITTEN.values()) + 2 * len(WRITTEN) * 65536
    assert told[0] == (0, exported.data_bytes)
    assert told[-1] == (exported.data_bytes, exported.data_bytes)


def test_both_formats_have_the_same_tree_hash(uri: str) -> None:
    hashes = {export_disk(uri, kind, sink(), progress=nothing).disk_tree_sha256 for kind in ("qcow2", "raw")}
    assert len(hashes) == 1


def test_zeroed_parts_are_not_read(uri: str) -> None:
    with connect(uri) as disk:
        allocation = disk.allocation()
    assert not any(extent.offset <= 200 * MIB < extent.offset + extent.length for extent in allocation)


def test_into_a_real_bucket_in_parts(oos: SeaweedFs, tmp_path: Path) -> None:
    path = qcow2_disk(tmp_path, {0: 20 * MIB}, 32 * MIB)
    objects = store(oos, *OPERATOR)
    objects.ensure_bucket("exports")
    target = BucketSink(objects, "exports", KEY)
    objects.put_part(objects.start_upload("exports", KEY), 1, b"left by an earlier try")
    with served(path) as uri:
        exported = export_disk(uri, "qcow2", target, progress=nothing)
    assert exported.object_bytes > 2 * PART_BYTES
    packed = tmp_path / "disk.qcow2.gz"
    packed.write_bytes(objects.get("exports", KEY))
    run.run(["gunzip", packed], timeout_seconds=60)
    run.run(["qemu-img", "compare", path, packed.with_suffix("")], timeout_seconds=60)
    assert objects.uploads("exports", "") == []
    target.remove()
    assert objects.keys("exports", "") == []


def test_cancelled(uri: str) -> None:
    def stop(done: int, _total: int) -> None:
        if done > 5 * MIB:
            raise Cancelled

    target = sink()
    with pytest.raises(Cancelled):
        export_disk(uri, "qcow2", target, progress=stop)
    assert (target.store.uploads("bucket", ""), target.store.keys("bucket", "")) == ([], [])


def test_a_part_that_does_not_arrive(uri: str) -> None:
    target = sink(FlakyStore())
    with pytest.raises(ObjectsUnavailable):
        export_disk(uri, "qcow2", target, progress=nothing)
    assert (target.store.uploads("bucket", ""), target.store.keys("bucket", "")) == ([], [])


def test_a_disk_that_goes_away(source: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageFailed):
        export_disk(f"nbd+unix:///?socket={tmp_path}/none", "qcow2", sink(), progress=nothing)
    target = sink()
    server = served(source)
    uri = server.__enter__()

    def end(done: int, _total: int) -> None:
        if done == MIB:
            server.__exit__(None, None, None)

    with pytest.raises(StorageFailed):
        export_disk(uri, "raw", target, progress=end)
    assert (target.store.uploads("bucket", ""), target.store.keys("bucket", "")) == ([], [])


def test_an_empty_disk(tmp_path: Path) -> None:
    target = sink()
    with served(qcow2_disk(tmp_path, {}, MIB)) as uri:
        exported = export_disk(uri, "qcow2", target, progress=nothing)
    assert exported.data_bytes == 0


@pytest.mark.parametrize(
    ("most_bytes", "part_bytes"),
    [(0, 8 * MIB), (78 << 30, 8 * MIB), (100 << 30, 11 * MIB), (5 << 40, 525 * MIB)],
)
def test_ten_thousand_parts_are_enough(most_bytes: int, part_bytes: int) -> None:
    assert part_bytes_for(most_bytes) == part_bytes
    assert part_bytes * 10_000 >= most_bytes


class CrowdedStore(MemoryStore):
    """Takes no part before this many are on their way, and records the largest number."""

    def __init__(self, at_once: int) -> None:
        super().__init__()
        self._all_there = threading.Barrier(at_once, timeout=60)
        self._lock = threading.Lock()
        self._now = self.most = 0

    def put_part(self, upload: Upload, number: int, data: bytes | bytearray) -> Part:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self._all_there.wait()
        with self._lock:
            self._now -= 1
        return super().put_part(upload, number, data)


@pytest.mark.parametrize(
    ("part_mib", "under_way"), [(8, 3), (10, 3), (11, 2), (13, 2), (14, 1), (20, 1), (21, 0), (525, 0)]
)
def test_parts_take_the_same_memory_whatever_their_length(part_mib: int, under_way: int) -> None:
    """Larger ones than that are not held at all."""
    assert parts_under_way(part_mib * MIB) == under_way
    assert (under_way + 1) * part_mib * MIB <= max(PARTS_BYTES, part_mib * MIB)


@pytest.mark.parametrize(("most_bytes", "part_mib", "at_once"), [(1, 8, 3), (290 << 30, 30, 1)])
def test_no_more_parts_are_on_their_way_than_memory_has_room_for(
    most_bytes: int, part_mib: int, at_once: int
) -> None:
    store = CrowdedStore(at_once)
    stream = (bytes(MIB) for _ in range(6 * part_mib))
    stored = sink(store).write(stream, most_bytes=most_bytes, padding=padding)
    assert stored.object_bytes == 6 * part_mib * MIB
    assert store.most == at_once


@pytest.fixture
def huge_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects have the parts of objects a thousand times as large."""
    monkeypatch.setattr(multipart, "MOST_PARTS", 4)
    monkeypatch.setattr(multipart, "PARTS_BYTES", 2 * MIB)
    monkeypatch.setattr(multipart, "HELD_BYTES", MIB)


@pytest.mark.usefixtures("huge_parts")
@pytest.mark.parametrize("data_mib", [0, 1, 9, 27, 40])
def test_parts_that_cannot_be_held_are_sent_as_they_come(
    oos: SeaweedFs, data_mib: int, tmp_path: Path
) -> None:
    """A disk that is partly empty, so that the stream ends in the middle of a part."""
    objects = store(oos, *OPERATOR)
    objects.ensure_bucket("exports")
    target = BucketSink(objects, "exports", KEY)
    written = {0: data_mib * MIB} if data_mib else {}
    path = qcow2_disk(tmp_path, written, 40 * MIB)
    with served(path) as uri:
        exported = export_disk(uri, "qcow2", target, progress=nothing)
    packed = tmp_path / "disk.qcow2.gz"
    packed.write_bytes(objects.get("exports", KEY))
    assert run.run(["sha256sum", packed], timeout_seconds=60).split()[0].decode() == exported.object_sha256
    assert packed.stat().st_size == exported.object_bytes
    run.run(["gunzip", packed], timeout_seconds=60)
    run.run(["qemu-img", "compare", path, packed.with_suffix("")], timeout_seconds=60)


@pytest.mark.usefixtures("huge_parts")
@pytest.mark.parametrize("stream_mib", [0, 1, 2, 15, 16, 17, 31, 32, 33])
@pytest.mark.parametrize("more", [-1, 0, 1, 10, 19, 20, 21])
def test_a_stream_that_ends_within_a_part_is_followed_by_padding(stream_mib: int, more: int) -> None:
    """Parts of 16 MiB; the last MiB of a stream is a part of its own length."""
    length = max(0, stream_mib * MIB + more)
    content = random.Random(length).randbytes(length)
    target = sink()
    pieces = (content[at : at + 700_001] for at in range(0, length, 700_001))
    stored = target.write(pieces, most_bytes=64 * MIB, padding=padding)
    held = target.store.get("bucket", KEY)
    assert held[:length] == content
    assert stored == multipart.StoredObject(len(held), hashlib.sha256(held).hexdigest())
    assert len(held) <= length + 16 * MIB + PADDING_LEAST
    assert list(decompress([gzip.compress(b"x"), held[length:]], most_bytes=1)) == [b"x"]


@pytest.mark.usefixtures("huge_parts")
def test_a_stream_that_breaks_in_a_part_that_is_not_held(oos: SeaweedFs) -> None:
    objects = store(oos, *OPERATOR)
    objects.ensure_bucket("broken")
    target = BucketSink(objects, "broken", KEY)

    def stream() -> Iterator[bytes]:
        yield bytes(5 * MIB)
        raise Cancelled

    with pytest.raises(Cancelled):
        target.write(stream(), most_bytes=64 * MIB, padding=padding)
    assert (objects.uploads("broken", ""), objects.keys("broken", "")) == ([], [])


PEAK = """
import sys
from pathlib import Path
from souche.objects.s3 import S3Access, S3Store
from souche.transfer.export_disk import export_disk
from souche.transfer import multipart
from souche.transfer.multipart import BucketSink
uri, endpoint, access_key_id, secret_key, most_parts = sys.argv[1:]
multipart.MOST_PARTS = int(most_parts)
store = S3Store(S3Access(endpoint, access_key_id, secret_key))
store.ensure_bucket("peak")
export_disk(uri, "raw", BucketSink(store, "peak", "disk"), progress=lambda done, total: None)
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.parametrize("most_parts", [10_000, 1])
def test_memory_is_bounded(oos: SeaweedFs, tmp_path: Path, most_parts: int) -> None:
    """Of parts of 8 MiB, and where one part is larger than the bound. More data than that, which cannot be compressed,
    in a process of its own: its peak has the interpreter in it. VmHWM, because ru_maxrss begins with the parent's."""
    noise = tmp_path / "noise"
    noise.write_bytes(random.Random(0).randbytes(8 * MIB))
    path = tmp_path / "disk.qcow2"
    run.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "280M"], timeout_seconds=60)
    run.run(["qemu-io", "-f", "qcow2", "-c", f"write -q -s {noise} 0 280M", path], timeout_seconds=60)
    with served(path) as uri:
        said = run.run(
            [sys.executable, "-c", PEAK, uri, oos.endpoint, *OPERATOR, str(most_parts)],
            timeout_seconds=60,
            extra_environment={"PYTHONPATH": ":".join(sys.path)},
        )
    assert int(said.split()[-1]) * 1024 <= 256 * MIB
