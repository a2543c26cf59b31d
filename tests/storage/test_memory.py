"""The memory store keeps the contract."""

# ruff: noqa: ARG002  a test's side of a protocol need not use all that it is told

import pytest
from hypothesis import settings

from souche.model.disks import DiskSource
from tests.storage.contract import StoreContract
from tests.storage.machine import StoreMachine
from tests.support.memory_volumes import MemoryStore


class MemoryBench:
    def __init__(self) -> None:
        self.store = MemoryStore()

    def write(self, volume_id: str, source: DiskSource, offset: int, data: bytes) -> None:
        self.store.write(volume_id, offset, data)

    def read(self, volume_id: str, source: DiskSource) -> bytes:
        return self.store.read(volume_id)


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def bench(self) -> MemoryBench:
        return MemoryBench()


class MemoryMachine(StoreMachine):
    def make_bench(self) -> MemoryBench:
        return MemoryBench()


TestMemoryHistories = MemoryMachine.TestCase
TestMemoryHistories.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
