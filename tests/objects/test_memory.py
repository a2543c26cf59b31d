"""The store in memory keeps the contract."""

import pytest

from tests.objects.contract import ObjectsContract
from tests.support.memory_objects import MemoryStore


class TestMemoryStore(ObjectsContract):
    @pytest.fixture
    def objects(self) -> MemoryStore:
        return MemoryStore()

    @pytest.fixture
    def bucket(self, objects: MemoryStore) -> str:
        objects.ensure_bucket("bucket-1")
        return "bucket-1"
