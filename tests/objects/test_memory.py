"""The store in memory keeps the contract."""

import pytest

from souche.objects.memory import MemoryStore
from tests.objects.contract import ObjectsContract


class TestMemoryStore(ObjectsContract):
    @pytest.fixture
    def objects(self) -> MemoryStore:
        return MemoryStore()

    @pytest.fixture
    def bucket(self, objects: MemoryStore) -> str:
        objects.ensure_bucket("bucket-1")
        return "bucket-1"
