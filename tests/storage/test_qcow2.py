"""The qcow2 store keeps the contract."""

# ruff: noqa: ARG002  a test's side of a protocol need not use all that it is told

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from souche import run
from souche.model.disks import DiskSource, FileSource
from souche.storage.memory import convert_argv
from souche.storage.qcow2 import Qcow2Store
from tests.storage.contract import StoreContract
from tests.storage.machine import StoreMachine


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


class Qcow2Machine(StoreMachine):
    def make_bench(self) -> Qcow2Bench:
        self._home = TemporaryDirectory()
        return Qcow2Bench(Path(self._home.name), max_chain=3)

    def teardown(self) -> None:
        super().teardown()
        self._home.cleanup()


TestQcow2Histories = Qcow2Machine.TestCase
TestQcow2Histories.settings = settings(max_examples=10, stateful_step_count=36, deadline=None)
