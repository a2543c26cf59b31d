"""The store and the OOS in a folder, which other tests use, keep the contracts."""

from pathlib import Path

import pytest

from tests.objects.contract import ObjectsContract
from tests.objects.oos_contract import OosContract
from tests.support.folder_oos import FolderOos, FolderStore


class TestFolderStore(ObjectsContract):
    @pytest.fixture
    def objects(self, tmp_path: Path) -> FolderStore:
        return FolderStore(tmp_path)

    @pytest.fixture
    def bucket(self, objects: FolderStore) -> str:
        objects.ensure_bucket("bucket-1")
        return "bucket-1"


class TestFolderOos(OosContract):
    @pytest.fixture
    def oos(self, tmp_path: Path) -> FolderOos:
        return FolderOos(tmp_path)
