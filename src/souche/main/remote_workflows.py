"""Operations for a process that runs none: the region's server runs them."""

import time
from typing import Final

from souche.db import operations
from souche.db.store import Store
from souche.model.operations import Operation

FIRST_PAUSE_SECONDS: Final = 0.01
LONGEST_PAUSE_SECONDS: Final = 0.2


class RemoteWorkflows:
    """Leaves operations to the server, which is notified of each commit, or finds them within a second."""

    worker: Final = None

    def __init__(self, store: Store) -> None:
        self._store = store

    def start(self, operation: Operation) -> None:
        """Does nothing: the server starts it."""

    def wait(self, operation_id: str, timeout_seconds: float) -> bool:
        """Poll until the operation has ended. Returns whether it ended in time."""
        deadline = time.monotonic() + timeout_seconds
        pause = FIRST_PAUSE_SECONDS
        while self._is_outstanding(operation_id):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return True

    def _is_outstanding(self, operation_id: str) -> bool:
        with self._store.reader() as reader:
            return operations.is_outstanding(reader, operation_id)
