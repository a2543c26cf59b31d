"""Operations that make and delete snapshots."""

from dataclasses import dataclass
from typing import ClassVar

from souche.model.operations import Operation, Params, make
from souche.model.snapshots import Snapshot


@dataclass(frozen=True)
class CreateSnapshot(Params):
    """Of the volume `volume_id`."""

    workflow: ClassVar[str] = "create_snapshot"

    volume_id: str


def create_snapshot(snapshot: Snapshot, volume_id: str) -> Operation[CreateSnapshot]:
    """Make a snapshot of a volume."""
    return make(CreateSnapshot(volume_id), snapshot.snapshot_id, snapshot.account_id)


@dataclass(frozen=True)
class CopySnapshot(Params):
    """Of the snapshot `source_snapshot_id`."""

    workflow: ClassVar[str] = "copy_snapshot"

    source_snapshot_id: str


def copy_snapshot(snapshot: Snapshot, source_snapshot_id: str) -> Operation[CopySnapshot]:
    """Make a snapshot with another's bytes."""
    return make(CopySnapshot(source_snapshot_id), snapshot.snapshot_id, snapshot.account_id)


@dataclass(frozen=True)
class ImportSnapshot(Params):
    """From the disk that is recorded for the snapshot."""

    workflow: ClassVar[str] = "import_snapshot"


def import_snapshot(snapshot: Snapshot) -> Operation[ImportSnapshot]:
    """Make a snapshot from a disk that a URL leads to."""
    return make(ImportSnapshot(), snapshot.snapshot_id, snapshot.account_id)


@dataclass(frozen=True)
class DeleteSnapshot(Params):
    """The snapshot that the operation is for."""

    workflow: ClassVar[str] = "delete_snapshot"


def delete_snapshot(snapshot: Snapshot, run: int = 0) -> Operation[DeleteSnapshot]:
    """Delete a snapshot. `run` other than 0: once more, as an earlier operation was lost."""
    return make(DeleteSnapshot(), snapshot.snapshot_id, snapshot.account_id, f"{run:x}" if run else "")
