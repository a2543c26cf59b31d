"""Operations on volumes."""

from dataclasses import dataclass
from typing import ClassVar

from souche.model.operations import Operation, Params, make
from souche.model.volume_updates import VolumeUpdate
from souche.model.volumes import Volume


@dataclass(frozen=True)
class CreateVolume(Params):
    """The volume's record has the rest."""

    workflow: ClassVar[str] = "create_volume"


def create_volume(volume: Volume) -> Operation[CreateVolume]:
    """Make a volume, empty or from a snapshot."""
    return make(CreateVolume(), volume.volume_id, volume.account_id)


@dataclass(frozen=True)
class DeleteVolume(Params):
    """The volume that the operation is for."""

    workflow: ClassVar[str] = "delete_volume"


def delete_volume(volume: Volume, run: int = 0) -> Operation[DeleteVolume]:
    """Delete a volume. `run` other than 0: once more, as an earlier operation was lost."""
    return make(DeleteVolume(), volume.volume_id, volume.account_id, f"{run:x}" if run else "")


@dataclass(frozen=True)
class LinkVolume(Params):
    """To the VM `vm_id`."""

    workflow: ClassVar[str] = "link_volume"

    vm_id: str


def link_volume(volume: Volume, vm_id: str, run: int) -> Operation[LinkVolume]:
    """Attach a volume to a VM. `run` is no other operation's."""
    return make(LinkVolume(vm_id), volume.volume_id, volume.account_id, f"{run:x}")


@dataclass(frozen=True)
class UnlinkVolume(Params):
    """From the VM `vm_id`."""

    workflow: ClassVar[str] = "unlink_volume"

    vm_id: str


def unlink_volume(volume: Volume, vm_id: str, run: int) -> Operation[UnlinkVolume]:
    """Detach a volume from its VM. `run` is no other operation's."""
    return make(UnlinkVolume(vm_id), volume.volume_id, volume.account_id, f"{run:x}")


@dataclass(frozen=True)
class UpdateVolume(Params):
    """The volume is `volume_id`; the task's record has the rest."""

    workflow: ClassVar[str] = "update_volume"

    volume_id: str


def update_volume(task: VolumeUpdate) -> Operation[UpdateVolume]:
    """Change a volume's size, type or Iops."""
    return make(UpdateVolume(task.volume_id), task.task_id, task.account_id)
