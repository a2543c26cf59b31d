"""The state of a random sequence, and what all of its operations need."""

import random
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from tests.sequences.model import (
    Image,
    Model,
)

if TYPE_CHECKING:
    from tests.sequences.machine import Machine

ACCOUNTS: Final = ("alice", "bob", "carol")
ROOT: Final = "/dev/sda1"
DATA_DEVICES: Final = ("/dev/xvdb", "/dev/xvdc", "/dev/xvdd")
MOST_VOLUMES: Final = 12
SUBREGION: Final = "eu-test-1a"
SHORT_CHAIN: Final = 3
"""files of a chain before the store merges: every sequence meets merges"""
MOST_FILES: Final = 4
"""that a running guest has open before they are shortened"""


class Violation(AssertionError):
    """What should always hold does not."""


class SequenceState:
    """The model of a sequence beside the machine, and random choices."""

    def __init__(self, machine: "Machine", chance: random.Random) -> None:
        self._machine = machine
        self._chance = chance
        self._model = Model()
        self.told: list[str] = []
        self.refusals = 0
        self.compares = 0

    def check(self) -> None:
        """Every disk holds what the model has."""
        for kind, disks in (("volumes", self._model.volumes), ("snapshots", self._model.snapshots)):
            for name, disk in disks.items():
                self.compares += 1
                if self._machine.read(kind, name) != disk.content.head():
                    raise AssertionError(f"{name} does not hold its bytes")

    def clear(self) -> None:
        """Delete everything as its owner does; nothing is left."""
        model = self._model
        for vm_id in list(model.vms):
            self._end_vm(vm_id)
        for image_id, image in list(model.images.items()):
            self._machine.call(image.owner, "DeleteImage", ImageId=image_id)
        for snapshot_id, snapshot in list(model.snapshots.items()):
            self._machine.call(snapshot.owner, "DeleteSnapshot", SnapshotId=snapshot_id)
        for volume_id, volume in list(model.volumes.items()):
            self._machine.call(volume.owner, "DeleteVolume", VolumeId=volume_id)
        self._machine.sweep()
        self._machine.collect()
        if left := self._machine.left():
            raise AssertionError(f"left over: {left}")

    def _pick(self, names: Sequence[str]) -> str | None:
        return self._chance.choice(names) if names else None

    def _own(self, kind: dict[str, Any], account: str) -> list[str]:
        return [name for name, each in kind.items() if each.owner == account]

    def _name(self) -> str:
        return "".join(self._chance.choices(string.ascii_lowercase, k=12))

    def _has_room(self) -> bool:
        return len(self._model.volumes) < MOST_VOLUMES

    def _must_refuse(
        self, account: str, action: str, request: dict[str, Any], code: str | None = None
    ) -> str:
        self.refusals += 1
        refused = self._machine.refused(account, action, **request)
        if code is not None and refused != code:
            raise AssertionError(f"{action} {request} by {account}: {refused}, not {code}")
        return f"{action} {request} is refused to {account}"

    def _end_vm(self, vm_id: str) -> None:
        """Its volumes go with it, but for those that were linked by hand."""
        owner = self._model.vms.pop(vm_id).owner
        (vm,) = self._machine.call(owner, "ReadVms", Filters={"VmIds": [vm_id]})["Vms"]
        going = {
            each["Bsu"]["VolumeId"] for each in vm["BlockDeviceMappings"] if each["Bsu"]["DeleteOnVmDeletion"]
        }
        self._machine.call(owner, "DeleteVms", VmIds=[vm_id])
        for volume_id, volume in self._model.volumes_of(vm_id).items():
            volume.vm_id, volume.device = None, ""
            if volume_id in going:
                del self._model.volumes[volume_id]

    def _new_image(self, account: str, made: dict[str, Any], mapped: dict[str, str]) -> str:
        self._model.images[made["ImageId"]] = Image(account, mapped)
        return f"{account} makes {made['ImageId']} of {mapped}"


def _snapshots_of(image: dict[str, Any]) -> dict[str, str]:
    return {each["DeviceName"]: each["Bsu"]["SnapshotId"] for each in image["BlockDeviceMappings"]}
