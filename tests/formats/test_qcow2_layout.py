"""Files of `qcow2_stream` are recognised, and no others."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from souche import run
from souche.formats import qcow2_layout
from souche.formats.extents import CLUSTER_BYTES, Allocation
from souche.formats.qcow2_layout import ForeignLayout, is_of_stream, read_qcow2
from souche.formats.qcow2_stream import layout, metadata, qcow2_stream
from souche.formats.raw_stream import raw_stream
from tests.formats.allocations import MIB, SHAPES, allocated, chunks


def file_of(allocation: Allocation) -> bytes:
    return b"".join(bytes(piece) for piece in qcow2_stream(allocation, chunks(allocation)))


def disk_of(allocation: Allocation) -> bytes:
    return b"".join(bytes(piece) for piece in raw_stream(allocation.size_bytes, chunks(allocation)))


def read_back(file: bytes, piece_bytes: int = 100_000) -> bytes:
    """The disk in a file that comes in pieces."""
    disk = read_qcow2(cut(file, piece_bytes))
    return b"".join(bytes(piece) for piece in raw_stream(disk.allocation.size_bytes, disk.chunks()))


def cut(file: bytes, piece_bytes: int) -> Iterator[bytes]:
    return (file[start : start + piece_bytes] for start in range(0, len(file), piece_bytes))


@pytest.mark.parametrize("name", SHAPES)
def test_the_disk_is_read_out_of_the_stream(name: str) -> None:
    allocation = allocated(*SHAPES[name])
    assert read_back(file_of(allocation)) == disk_of(allocation)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_whatever_is_allocated_and_however_the_stream_is_cut(data: st.DataObject) -> None:
    size = 512 * data.draw(st.integers(1, 4000))
    starts = sorted(data.draw(st.sets(st.integers(0, size // 512 - 1), max_size=6)))
    allocation = allocated(size, [(512 * start, 512) for start in starts])
    assert read_back(file_of(allocation), data.draw(st.integers(1000, MIB))) == disk_of(allocation)


def test_tables_that_would_take_much_memory_are_not_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second cluster of a disk of 15 TiB would be 2 GB of runs; in gzip its tables are a few MiB."""
    monkeypatch.setattr(qcow2_layout, "MOST_RUNS", 10_000)
    allocation = allocated(1024**4, [(0, CLUSTER_BYTES)])
    header, *_ = metadata(allocation)
    before = layout(allocation).l1_cluster * CLUSTER_BYTES - len(header)
    read = 0

    def scattered() -> Iterator[bytes]:
        nonlocal read
        yield header + bytes(before) + (b"\1" * 8) * 2048 + bytes(CLUSTER_BYTES - 8 * 2048)
        while True:
            read += 1
            yield (b"\1" * 8 + bytes(8)) * (CLUSTER_BYTES // 16)

    with pytest.raises(ForeignLayout, match="too many runs"):
        read_qcow2(scattered())
    assert read == 3


def test_a_changed_bit_of_any_table_is_seen() -> None:
    allocation = allocated(*SHAPES["far apart"])
    file, dice = file_of(allocation), random.Random(1)
    tables = layout(allocation).first_data * CLUSTER_BYTES
    set_places = [place for place in range(tables) if file[place]]
    for place in [*set_places, *dice.sample(range(tables), 100)]:
        changed = bytearray(file)
        changed[place] ^= 1 << dice.randrange(8)
        with pytest.raises(ForeignLayout):
            read_qcow2(cut(bytes(changed), CLUSTER_BYTES))


@pytest.mark.parametrize("change", [lambda file: file[:-1], lambda file: file + b"x"], ids=["short", "long"])
def test_a_file_of_another_length_is_seen(change: object, tmp_path: Path) -> None:
    allocation = allocated(*SHAPES["across two L2 tables"])
    file = change(file_of(allocation))  # type: ignore[operator]
    with pytest.raises(ForeignLayout):
        read_back(file)
    (tmp_path / "file").write_bytes(file)
    assert not is_of_stream(tmp_path / "file", allocation.size_bytes)


def test_data_beyond_the_end_of_the_disk_is_seen() -> None:
    """The tables are those of such an allocation."""
    with pytest.raises(ForeignLayout, match="beyond"):
        read_qcow2(metadata(allocated(MIB, [(0, 2 * MIB)])))


def test_a_file_is_known_by_its_tables_and_its_size(tmp_path: Path) -> None:
    allocation, file = allocated(*SHAPES["full"]), tmp_path / "file"
    file.write_bytes(file_of(allocation))
    assert is_of_stream(file, 3 * MIB)
    assert not is_of_stream(file, 4 * MIB)


@pytest.mark.parametrize("options", ["compat=1.1", "compat=0.10", "compat=1.1,cluster_size=4096"])
def test_a_file_of_qemu_is_another_one(options: str, tmp_path: Path) -> None:
    raw, file = tmp_path / "raw", tmp_path / "file"
    raw.write_bytes(b"x" * MIB)
    argv: list[str | Path] = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", options, raw, file]
    run.run(argv, timeout_seconds=60)
    assert not is_of_stream(file, MIB)


@pytest.mark.parametrize("content", [b"", b"QFI\xfb", b"QFI\xfb" + bytes(CLUSTER_BYTES), bytes(2 * MIB)])
def test_what_is_no_qcow2_at_all(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    assert not is_of_stream(tmp_path / "file", MIB)
