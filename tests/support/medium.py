"""A small medium for tests, which contains only one folder."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from souche.room import Room, Usage


@dataclass
class Medium:
    """`most_used_bytes`: the largest use that any query saw."""

    folder: Path
    capacity_bytes: int
    most_used_bytes: int = 0

    def measure(self) -> Usage:
        used_bytes = 0
        for path in self.folder.rglob("*"):
            with suppress(FileNotFoundError):
                used_bytes += path.lstat().st_blocks * 512
        self.most_used_bytes = max(self.most_used_bytes, used_bytes)
        return Usage(used_bytes, max(self.capacity_bytes - used_bytes, 0))

    def room(self, reserve_bytes: int = 0) -> Room:
        return Room(self.measure, reserve_bytes)
