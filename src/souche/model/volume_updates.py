"""Tasks that change a volume while it is in use."""

from dataclasses import dataclass
from datetime import datetime

from souche.states import VolumeUpdateState


@dataclass(frozen=True)
class VolumeShape:
    """The attributes that an update can change. `iops` is an io1 volume's."""

    size_gib: int
    volume_type: str
    iops: int | None


@dataclass(frozen=True)
class VolumeUpdate:
    """An update of a volume, from its previous shape to its new one. `comment` explains a failure."""

    task_id: str
    account_id: str
    volume_id: str
    state: VolumeUpdateState
    comment: str
    origin: VolumeShape
    target: VolumeShape
    creation_date: datetime
    completion_date: datetime | None = None
