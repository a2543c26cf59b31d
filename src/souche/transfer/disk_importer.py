"""The place of imported disks, and the limit on concurrent imports."""

from pathlib import Path
from typing import Final

from souche.objects.fetch import Fetcher
from souche.room import ENDLESS, Room
from souche.transfer.turns import Turns

PARALLEL_IMPORTS: Final = 4


class DiskImporter:
    """One per region. The files of a workflow are in a folder of `staging` named after the resource that it makes. The
    sweep of staged files leaves the folder alone while the operation exists."""

    def __init__(
        self, fetcher: Fetcher, staging: Path, *, parallel: int = PARALLEL_IMPORTS, room: Room = ENDLESS
    ) -> None:
        self.fetcher = fetcher
        self._staging = staging
        self.room = room
        self.turns = Turns(parallel)

    def file(self, subject_id: str, snapshot_id: str) -> Path:
        """The file of the disk of a snapshot."""
        folder = self._staging / subject_id
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder / snapshot_id

    def folder(self, subject_id: str) -> Path:
        """The folder of all disks of an image, or of the disk of a snapshot."""
        return self._staging / subject_id
