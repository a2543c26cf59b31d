"""Records of layers, and layers without one."""

import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from souche.errors import DiskDamaged
from souche.storage.base import Fault
from souche.storage.qcow2 import Qcow2Store
from tests.storage.bench import A, B, S, U, freeze, padded, read_snapshot
from tests.storage.damaged_layers import FAST, change, cut
from tests.storage.damaged_layers import bench as bench
from tests.storage.damaged_layers import disks as disks
from tests.storage.damaged_layers import layer as layer
from tests.storage.test_qcow2 import Qcow2Bench


def test_other_bytes_are_found_by_the_deep_look_and_refused_after_the_sweep(
    bench: Qcow2Bench, layer: Path
) -> None:
    assert bench.store.record_hashes(FAST) == 2
    assert bench.store.record_hashes(FAST) == 0
    whole = layer.read_bytes()
    change(layer)
    assert list(bench.store.verify(deep=False)) == []
    problem = f"layer {layer.name} has changed since it was made"
    assert list(bench.store.verify(deep=True)) == [Fault(tuple(sorted((S, A))), problem)]
    assert {bench.store.compare_hashes(FAST) for _ in range(2)} == {True, False}
    with pytest.raises(DiskDamaged, match="has changed"):
        read_snapshot(bench.store, S)
    assert [fault.problem for fault in bench.store.verify(deep=False)] == [problem]
    layer.unlink()
    layer.write_bytes(whole)
    assert read_snapshot(bench.store, S) == padded(A.encode())
    assert list(bench.store.verify(deep=True)) == []


def test_layers_of_a_home_without_records_get_theirs_at_first_sight(
    bench: Qcow2Bench, disks: Path, layer: Path
) -> None:
    freeze(bench, A, U)
    bench.store.delete_snapshot(S)
    for path in (disks / "records").iterdir():
        path.unlink()
    (disks / "records").rmdir()
    older = Qcow2Store(disks.parent)
    older.collect()
    names = {path.name for path in (disks / "records").iterdir()}
    assert names == {f"{A}.qcow2", f"{A}.{S}.qcow2", f"{B}.qcow2"}
    cut(layer)
    with pytest.raises(DiskDamaged):
        read_snapshot(older, U)


def test_layer_that_lost_its_record_and_its_end_is_refused_and_never_taken_for_whole(
    bench: Qcow2Bench, disks: Path, layer: Path
) -> None:
    whole = layer.read_bytes()
    for path in (disks / "records").iterdir():
        path.unlink()
    cut(layer)
    bench.store.collect()
    with pytest.raises(DiskDamaged, match="ends before its data"):
        read_snapshot(bench.store, S)
    assert {fault.problem for fault in bench.store.verify(deep=False)} == {
        f"layer {A}.qcow2 ends before its data"
    }
    layer.write_bytes(whole)
    bench.store.collect()
    assert read_snapshot(bench.store, S) == padded(A.encode())
    assert (disks / "records" / layer.name).exists()


def test_lost_records_are_told_when_others_take_their_place(bench: Qcow2Bench, disks: Path) -> None:
    shutil.rmtree(disks / "records")
    with capture_logs() as logged:
        Qcow2Store(disks.parent).collect()
    told = {line["event"]: line for line in logged}
    assert told["folders of the disks are missing, empty ones take their place"]["folders"] == ["records"]
    unknown = told["layers have no record, their lengths are kept as they are"]
    assert unknown["layers"] == [f"{A}.qcow2", f"{B}.qcow2"]


def test_record_that_cannot_be_read_is_made_again(bench: Qcow2Bench, disks: Path) -> None:
    for content in ("", "{}", "[]", '{"length_bytes": "1"}', "\0" * 100):
        (disks / "records" / f"{A}.qcow2").write_text(content)
        assert read_snapshot(bench.store, S) == padded(A.encode())
        bench.store.collect()
        assert list(bench.store.verify(deep=True)) == []
