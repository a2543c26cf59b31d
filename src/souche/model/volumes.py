"""Volumes and their links to VMs."""

from dataclasses import dataclass
from datetime import datetime

from souche.model.volume_updates import VolumeUpdate
from souche.states import LinkState, VolumeState


@dataclass(frozen=True)
class VolumeLink:
    """The attachment of a volume to a VM: at most one a volume."""

    volume_id: str
    vm_id: str
    device_name: str
    delete_on_vm_deletion: bool
    state: LinkState
    link_date: datetime


@dataclass(frozen=True)
class Volume:
    """A writable disk. `link` exists while it is attached to a VM, and `update` while a task changes it.
    `request_digest` is that of the request with `client_token` (`app/context/client_tokens.py`)."""

    volume_id: str
    account_id: str
    snapshot_id: str | None
    size_gib: int
    volume_type: str
    iops: int | None
    state: VolumeState
    subregion_name: str
    creation_date: datetime
    product_codes: tuple[str, ...] = ()
    client_token: str | None = None
    request_digest: str | None = None
    link: VolumeLink | None = None
    update: VolumeUpdate | None = None

    @property
    def captured_size_gib(self) -> int:
        """The size of a capture: at least the size to which an unfinished update may already have grown the volume."""
        return max(self.size_gib, self.update.target.size_gib if self.update else 0)
