"""Operations that capture disks for backups. They belong to no account."""

from dataclasses import dataclass
from typing import ClassVar

from souche.model.operations import Operation, Params, make


@dataclass(frozen=True)
class CaptureForBackup(Params):
    """Each volume into the snapshot of this prefix and the volume's id."""

    workflow: ClassVar[str] = "capture_for_backup"

    snapshot_prefix: str


def capture_for_backup(subject_id: str, snapshot_prefix: str, run: str) -> Operation[CaptureForBackup]:
    """Freeze the volumes of a VM, or one volume, for a backup. `run` is no other operation's."""
    return make(CaptureForBackup(snapshot_prefix), subject_id, "", run)
