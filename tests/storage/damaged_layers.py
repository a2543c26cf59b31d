"""Layers of a store, and damage to them."""

from pathlib import Path

import pytest

from souche.storage.qcow2.setting_aside import set_aside
from tests.storage.bench import SIZE, A, B, S, T, freeze, write
from tests.storage.test_qcow2 import Qcow2Bench

FAST = 1e12


@pytest.fixture
def bench(tmp_path: Path) -> Qcow2Bench:
    """A snapshot S of A, and one T of B, whose chains have nothing in common."""
    set_aside.cache_clear()
    bench = Qcow2Bench(tmp_path / "home")
    for volume_id, snapshot_id in ((A, S), (B, T)):
        bench.store.create_volume(volume_id, SIZE)
        write(bench, volume_id, volume_id.encode())
        freeze(bench, volume_id, snapshot_id)
    return bench


@pytest.fixture
def disks(tmp_path: Path) -> Path:
    return tmp_path / "home" / "disks"


@pytest.fixture
def layer(disks: Path) -> Path:
    """The layer of snapshot S, which is also the backing file of volume A."""
    return disks / "layers" / f"{A}.qcow2"


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 65536)


def change(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-10, 2)
        file.write(b"something")


def spoil_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"no image")


DAMAGES = [Path.unlink, cut, spoil_header]
