"""Frozen disks are hashed in the background, and compared (issue 9, 1.7)."""

from dataclasses import replace
from pathlib import Path

from structlog.testing import capture_logs

from souche.reconcile import layer_hashes
from souche.storage.base import Capture
from souche.storage.qcow2 import Qcow2Store
from tests.storage.bench import SIZE, A, S
from tests.workflows.world import World


def test_what_was_frozen_is_hashed_and_compared_by_sweeps(world: World, tmp_path: Path) -> None:
    store = Qcow2Store(tmp_path)
    store.create_volume(A, SIZE)
    store.capture([Capture(A, S)], vm_id=None, live=None)
    parts = replace(world.parts, volumes=store)
    layer_hashes.record(parts)
    layer_hashes.compare(parts)
    with (tmp_path / "disks" / "snapshots" / S).open("r+b") as layer:
        layer.seek(-8, 2)
        layer.write(b"changed!")
    with capture_logs() as logs:
        layer_hashes.compare(parts)
    assert [each["layer"] for each in logs] == [f"{A}.qcow2"]
    assert store.verify(deep=False)[0].resource_ids == (S, A)
