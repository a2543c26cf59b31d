"""Pieces of answers, each kept under the version of the row that it shows.

A commit makes all of `db/memo.py` old. A piece stays true while its row has its version, which whoever asks has just
read: what others commit meanwhile costs nothing.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

MOST_BYTES: Final = 8 * 1024 * 1024

# What Python takes for one beside its bytes, about.
OVERHEAD_BYTES: Final = 300


class Pieces:
    """Keeps bytes by the id and the version of a row. Threads may share it."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._mutex = threading.Lock()
        self._kept: OrderedDict[str, tuple[int, bytes]] = OrderedDict()
        self._bytes = 0

    def known(self, versions: Iterable[tuple[str, int]]) -> dict[str, bytes]:
        """By id, what is kept of those of the rows that still have the version they had."""
        found: dict[str, bytes] = {}
        with self._mutex:
            for row_id, version in versions:
                kept = self._kept.get(row_id)
                if kept is not None and kept[0] == version:
                    found[row_id] = kept[1]
                    self._kept.move_to_end(row_id)
        return found

    def put(self, row_id: str, version: int, piece: bytes) -> None:
        """Keep what a row shows at a version. Those that nobody has asked for the longest make room."""
        with self._mutex:
            self._forget(row_id)
            self._kept[row_id] = (version, piece)
            self._bytes += len(piece) + OVERHEAD_BYTES
            while self._bytes > self._most_bytes:
                self._forget(next(iter(self._kept)))

    def _forget(self, row_id: str) -> None:
        _, piece = self._kept.pop(row_id, (0, None))
        if piece is not None:
            self._bytes -= len(piece) + OVERHEAD_BYTES
