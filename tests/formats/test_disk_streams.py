"""qcow2 and raw streams, judged by qemu-img; tree hashes, judged by botocore."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from souche import run
from souche.formats.extents import CLUSTER_BYTES, Extent, pieces
from souche.formats.qcow2_stream import COPIED, layout, qcow2_stream
from souche.formats.raw_stream import raw_stream
from souche.formats.tree_hash import TreeHash, hashed
from tests.formats.allocations import MIB, SHAPES, allocated, chunks
from tests.support.tree_hash import tree_hash_by_botocore


@pytest.mark.parametrize("name", SHAPES)
def test_qemu_finds_both_streams_whole_and_the_same(name: str, tmp_path: Path) -> None:
    allocation = allocated(*SHAPES[name])
    qcow2, raw = tmp_path / "disk.qcow2", tmp_path / "disk.raw"
    with qcow2.open("wb") as file:
        file.writelines(qcow2_stream(allocation, chunks(allocation)))
    with raw.open("wb") as file:
        for piece in raw_stream(allocation.size_bytes, chunks(allocation)):
            file.seek(len(piece), io.SEEK_CUR) if bytes(piece).count(0) == len(piece) else file.write(piece)
        file.truncate(allocation.size_bytes)
    run.run(["qemu-img", "check", "-f", "qcow2", qcow2], timeout_seconds=60)
    run.run(["qemu-img", "compare", "-f", "qcow2", "-F", "raw", qcow2, raw], timeout_seconds=60)
    said = json.loads(
        run.run(["qemu-img", "check", "--output=json", "-f", "qcow2", qcow2], timeout_seconds=60)
    )
    assert said.get("allocated-clusters", 0) == allocation.clusters
    assert qcow2.stat().st_size == layout(allocation).file_bytes


def test_one_more_refcount_block_when_the_tables_themselves_need_it() -> None:
    """At the edge, the block that counts the clusters is one of them."""
    for clusters in range(32_750, 32_775):
        plan = layout(allocated(clusters * CLUSTER_BYTES, [(0, clusters * CLUSTER_BYTES)]))
        assert plan.refcount_blocks == -(-plan.clusters // 32_768)


def test_a_large_disk_takes_little_memory_for_its_tables() -> None:
    """1 TiB, data everywhere: the tables come one by one, and are right at the far end."""
    tebibyte = 1 << 40
    allocation = allocated(tebibyte, [(0, tebibyte)])
    plan = layout(allocation)
    stream = qcow2_stream(allocation, iter(()))
    read = 0
    while read < plan.first_data * CLUSTER_BYTES:
        piece = next(stream)
        assert len(piece) <= 8 * (tebibyte >> 29) + CLUSTER_BYTES
        read += len(piece)
    last = int.from_bytes(bytes(piece[-8:]))
    assert last == (plan.clusters - 1) * CLUSTER_BYTES | COPIED


def test_too_little_data_is_noticed() -> None:
    allocation = allocated(MIB, [(0, MIB)])
    with pytest.raises(ValueError, match="0 bytes of data"):
        list(qcow2_stream(allocation, iter(())))


def test_runs_merge_and_are_cut() -> None:
    allocation = allocated(10 * MIB, [(0, 512), (512, 512), (CLUSTER_BYTES, 1), (5 * MIB - 1, 2)])
    assert list(allocation) == [
        Extent(0, 2 * CLUSTER_BYTES),
        Extent(5 * MIB - CLUSTER_BYTES, 2 * CLUSTER_BYTES),
    ]
    assert [piece.offset for piece in pieces(allocation, MIB)] == [0, 5 * MIB - CLUSTER_BYTES, 5 * MIB]


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 9 * MIB),
    st.lists(st.tuples(st.integers(0, 9 * MIB), st.integers(1, 2 * MIB)), max_size=4),
    st.integers(1, 3 * MIB),
)
def test_the_tree_hash_is_botocores(size_bytes: int, parts: list[tuple[int, int]], most_bytes: int) -> None:
    inside = sorted((offset % size_bytes, length) for offset, length in parts)
    allocation = allocated(size_bytes, [(at, min(length, size_bytes - at)) for at, length in inside])
    tree = TreeHash()
    whole = b"".join(raw_stream(size_bytes, hashed(chunks(allocation, most_bytes), size_bytes, tree)))
    assert len(whole) == size_bytes
    assert tree.hexdigest() == tree_hash_by_botocore(io.BytesIO(whole))


def test_the_tree_hash_of_nothing() -> None:
    assert TreeHash().hexdigest() == tree_hash_by_botocore(io.BytesIO(b""))


def test_holes_cost_next_to_nothing() -> None:
    """A PiB of zeros; SHA-256 would walk it for days."""
    tree, longer = TreeHash(), TreeHash()
    tree.add_zeros(1 << 50)
    longer.add_zeros(1 << 49)
    longer.add_zeros(1 << 49)
    assert tree.hexdigest() == longer.hexdigest()
