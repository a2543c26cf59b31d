"""The slower engine keeps the contract, with a file system that the fast one does not read."""

import threading
from pathlib import Path

import pytest

from souche.trust.appliance import ApplianceEngine
from tests.trust import corpus
from tests.trust.contract import BAD, EngineContract

pytestmark = pytest.mark.guest


class TestApplianceEngine(EngineContract):
    """Each examination starts a VM, so there is one."""

    engine = ApplianceEngine(threading.Lock())

    def disk(self, folder: Path) -> Path:
        return corpus.btrfs(folder, BAD)
