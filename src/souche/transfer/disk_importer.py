"""Where disks on their way in are kept, and how many come in at once."""

from pathlib import Path
from typing import Final

from souche.objects.fetch import Fetcher
from souche.room import ENDLESS, Room
from souche.transfer.turns import Turns

PARALLEL_IMPORTS: Final = 4


class DiskImporter:
    """One for a region. The files of a workflow are in a folder of `staging` that has the name of what it makes: the
    sweep of staged files leaves it alone for as long as the operation is outstanding."""

    def __init__(
        self, fetcher: Fetcher, staging: Path, *, parallel: int = PARALLEL_IMPORTS, room: Room = ENDLESS
    ) -> None:
        self.fetcher = fetcher
        self._staging = staging
        self.room = room
        self.turns = Turns(parallel)

    def file(self, subject_id: str, snapshot_id: str) -> Path:
        """Where the disk of a snapshot comes in."""
        folder = self._staging / subject_id
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder / snapshot_id

    def folder(self, subject_id: str) -> Path:
        """Where all disks of an image come in, or that of a snapshot."""
        return self._staging / subject_id
