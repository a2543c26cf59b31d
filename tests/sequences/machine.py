"""Random sequences of operations by three accounts, through the API and on real qcow2 files, against a model in plain
values (design 3.1 to 3.5).

After each sequence every snapshot and every volume is read back: each holds the very bytes that the model has. Then
everything is deleted, and nothing may be left in the store. A seed makes the same sequence again.
"""

import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from souche import run
from souche.reconcile import leftovers
from souche.storage.qcow2.driver import Qcow2Store
from souche.workflows.parts import Parts
from tests.sequences.model import (
    BLOCK_BYTES,
    BLOCKS,
    WRITTEN_BYTES,
    Content,
    Image,
    Model,
    Snapshot,
    Vm,
    Volume,
)
from tests.support.client import Client
from tests.support.exported import put_disk
from tests.support.inventories import inventory_of
from tests.support.region import make_account
from tests.workflows.world import Qcow2Disks, World, assemble

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


@dataclass(frozen=True)
class Figures:
    """What sequences did."""

    sequences: int
    operations: int
    refusals: int
    compares: int

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            self.sequences + other.sequences,
            self.operations + other.operations,
            self.refusals + other.refusals,
            self.compares + other.compares,
        )


class Machine:
    """A region on real qcow2 files, with guests that are pretended, in which sequences run one after the other."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True)
        disks = Qcow2Disks(home)
        disks.store = Qcow2Store(home, max_chain=SHORT_CHAIN)
        self._world: World = assemble(home, disks, seed=1)
        self._world.region.store.migrate()
        self._parts: Parts = self._world.parts
        self._home = home
        principals = {name: make_account(self._world.region, name) for name in ACCOUNTS}
        self._ids = {name: who.account_id for name, who in principals.items()}
        self._clients = {name: Client(self._world.region, who) for name, who in principals.items()}

    def close(self) -> None:
        """Close the region's database."""
        self._world.close()

    def sequence(self, seed: int, length: int) -> Figures:
        """Run one sequence of `length` operations, check everything, and delete everything.

        Raises:
            Violation: with the seed, and the operations that led to it.
        """
        run_ = _Sequence(self, random.Random(seed))
        try:
            for _ in range(length):
                run_.step()
            run_.check()
            run_.clear()
        except AssertionError as error:
            raise Violation(f"seed {seed}: {error}\n" + "\n".join(run_.told)) from error
        return Figures(1, len(run_.told), run_.refusals, run_.compares)

    def call(self, account: str, action: str, **request: object) -> dict[str, Any]:
        """A call that succeeds, with the operations that it requests done."""
        answer = self._clients[account](action, **request)
        self._world.run_all()
        return answer

    def refused(self, account: str, action: str, **request: object) -> str:
        """The code of a call that is refused."""
        return self._clients[account].refusal(action, **request).code

    def account_id(self, account: str) -> str:
        return self._ids[account]

    def write(self, volume_id: str, block: int, data: bytes) -> None:
        """As the guest does, to where the volume is written at this moment."""
        spare = self._home / "spare"
        spare.write_bytes(data)
        path = (self._home / "disks" / "volumes" / volume_id).resolve(strict=True)
        command = f"write -s {spare} {block * BLOCK_BYTES} {len(data)}"
        run.run(["qemu-io", "-f", "qcow2", "-c", command, path], timeout_seconds=60)

    def read(self, folder: str, resource_id: str) -> bytes:
        """The first blocks of a volume or a snapshot."""
        path = (self._home / "disks" / folder / resource_id).resolve(strict=True)
        spare = self._home / "spare"
        output = ["-O", "raw", f"bs={BLOCK_BYTES}", f"count={BLOCKS}", f"if={path}", f"of={spare}"]
        run.run(["qemu-img", "dd", "-f", "qcow2", *output], timeout_seconds=60)
        return spare.read_bytes()

    def collect(self) -> None:
        """What the sweeps do: merge, shorten what running guests have open, remove what nothing names."""
        for vm_id in self._parts.hypervisor.power_states():
            self._parts.live.shorten_disks(vm_id, MOST_FILES)
        self._parts.volumes.collect()
        self._parts.volumes.collect()

    def sweep(self) -> None:
        """Leftovers: there are none."""
        leftovers.remove(self._parts)

    def exported(self, bucket: str, key: str) -> bytes:
        return self._world.oos.store().get(bucket, key)

    def keys(self, bucket: str, prefix: str) -> list[str]:
        return self._world.oos.store().keys(bucket, prefix)

    def left(self) -> list[str]:
        """Every name and every file in the store."""
        inventory = inventory_of(self._world.disks.store)
        layers = (path.name for path in (self._home / "disks" / "layers").glob("*.qcow2"))
        return sorted([*inventory.volume_ids, *inventory.snapshot_ids, *layers])


class _Sequence:
    """One sequence."""

    def __init__(self, machine: Machine, chance: random.Random) -> None:
        self._machine = machine
        self._chance = chance
        self._model = Model()
        self.told: list[str] = []
        self.refusals = 0
        self.compares = 0

    def step(self) -> None:
        """One operation that the model allows, or one that must be refused."""
        operations: Sequence[tuple[int, Callable[[str], str | None]]] = (
            (2, self._create_volume),
            (6, self._write),
            (4, self._snapshot),
            (2, self._copy_snapshot),
            (2, self._register),
            (4, self._image_of_vm),
            (2, self._copy_image),
            (4, self._launch),
            (2, self._link),
            (2, self._unlink),
            (2, self._share_image),
            (1, self._share_snapshot),
            (2, self._grow),
            (2, self._stop_or_start),
            (3, self._delete_snapshot),
            (2, self._delete_image),
            (1, self._delete_volume),
            (1, self._delete_vm),
            (1, self._export_and_import),
            (3, self._collect),
        )
        weights = [weight for weight, _ in operations]
        while True:
            (chosen,) = self._chance.choices([operation for _, operation in operations], weights)
            done = chosen(self._chance.choice(ACCOUNTS))
            if done is not None:
                self.told.append(done)
                return

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

    def _create_volume(self, account: str) -> str | None:
        """Empty, or of a snapshot; of one that the account may not use, it is refused."""
        if not self._has_room():
            return None
        snapshot_id = self._pick(["", *self._model.snapshots])
        if not snapshot_id:
            size = self._chance.choice((1, 2))
            made = self._machine.call(account, "CreateVolume", SubregionName=SUBREGION, Size=size)
            content = Content(size)
        else:
            snapshot = self._model.snapshots[snapshot_id]
            size = snapshot.content.size_gib + self._chance.choice((0, 1))
            request = {"SubregionName": SUBREGION, "SnapshotId": snapshot_id, "Size": size}
            if account != snapshot.owner and account not in snapshot.shared_with:
                return self._must_refuse(account, "CreateVolume", request)
            made = self._machine.call(account, "CreateVolume", **request)
            content = snapshot.content.grown(size)
        volume_id = made["Volume"]["VolumeId"]
        self._model.volumes[volume_id] = Volume(account, content)
        return f"{account} creates {volume_id} of {snapshot_id or 'nothing'}"

    def _write(self, account: str) -> str | None:
        volume_id = self._pick(self._own(self._model.volumes, account))
        if volume_id is None:
            return None
        volume, block = self._model.volumes[volume_id], self._chance.randrange(BLOCKS)
        data = self._chance.randbytes(WRITTEN_BYTES)
        self._machine.write(volume_id, block, data)
        old = volume.content.blocks[block]
        volume.content = volume.content.written(block, data + old[len(data) :])
        return f"{account} writes to {volume_id}, block {block}"

    def _snapshot(self, account: str) -> str | None:
        volume_id = self._pick(self._own(self._model.volumes, account))
        if volume_id is None:
            return None
        made = self._machine.call(account, "CreateSnapshot", VolumeId=volume_id)["Snapshot"]
        self._model.snapshots[made["SnapshotId"]] = Snapshot(account, self._model.volumes[volume_id].content)
        return f"{account} takes {made['SnapshotId']} of {volume_id}"

    def _copy_snapshot(self, account: str) -> str | None:
        snapshot_id = self._pick(list(self._model.snapshots))
        if snapshot_id is None:
            return None
        snapshot = self._model.snapshots[snapshot_id]
        request = {"SourceSnapshotId": snapshot_id, "SourceRegionName": "eu-test-1"}
        if account != snapshot.owner and account not in snapshot.shared_with:
            return self._must_refuse(account, "CreateSnapshot", request)
        made = self._machine.call(account, "CreateSnapshot", **request)["Snapshot"]
        self._model.snapshots[made["SnapshotId"]] = Snapshot(account, snapshot.content)
        return f"{account} copies {snapshot_id} to {made['SnapshotId']}"

    def _register(self, account: str) -> str | None:
        own = self._own(self._model.snapshots, account)
        chosen = self._chance.sample(own, min(len(own), self._chance.choice((1, 2))))
        if not chosen:
            return None
        mapped = dict(zip((ROOT, DATA_DEVICES[0]), chosen, strict=False))
        mappings = [{"DeviceName": device, "Bsu": {"SnapshotId": name}} for device, name in mapped.items()]
        made = self._machine.call(
            account,
            "CreateImage",
            ImageName=self._name(),
            BlockDeviceMappings=mappings,
            RootDeviceName=ROOT,
            Architecture="x86_64",
        )
        return self._new_image(account, made["Image"], mapped)

    def _image_of_vm(self, account: str) -> str | None:
        """Its snapshots hold what its volumes did."""
        vm_id = self._pick(self._own(self._model.vms, account))
        if vm_id is None:
            return None
        made = self._machine.call(account, "CreateImage", ImageName=self._name(), VmId=vm_id, NoReboot=True)
        volumes = {volume.device: volume for volume in self._model.volumes_of(vm_id).values()}
        mapped = _snapshots_of(made["Image"])
        if mapped.keys() != volumes.keys():
            raise AssertionError(f"the image of {vm_id} has {sorted(mapped)}, the VM {sorted(volumes)}")
        for device, snapshot_id in mapped.items():
            self._model.snapshots[snapshot_id] = Snapshot(account, volumes[device].content)
        return self._new_image(account, made["Image"], mapped)

    def _copy_image(self, account: str) -> str | None:
        image_id = self._pick(list(self._model.images))
        if image_id is None:
            return None
        image = self._model.images[image_id]
        request = {
            "SourceImageId": image_id,
            "SourceRegionName": "eu-test-1",
            "ImageName": self._name(),
        }
        if account != image.owner and account not in image.shared_with:
            return self._must_refuse(account, "CreateImage", request)
        made = self._machine.call(account, "CreateImage", **request)["Image"]
        mapped = _snapshots_of(made)
        for device, snapshot_id in mapped.items():
            content = self._model.snapshots[image.snapshots[device]].content
            self._model.snapshots[snapshot_id] = Snapshot(account, content)
        return self._new_image(account, made, mapped)

    def _new_image(self, account: str, made: dict[str, Any], mapped: dict[str, str]) -> str:
        self._model.images[made["ImageId"]] = Image(account, mapped)
        return f"{account} makes {made['ImageId']} of {mapped}"

    def _launch(self, account: str) -> str | None:
        image_id = self._pick(list(self._model.images))
        if image_id is None or not self._has_room():
            return None
        image = self._model.images[image_id]
        if account != image.owner and account not in image.shared_with:
            return self._must_refuse(account, "CreateVms", {"ImageId": image_id})
        vm_id = self._machine.call(account, "CreateVms", ImageId=image_id)["Vms"][0]["VmId"]
        (vm,) = self._machine.call(account, "ReadVms", Filters={"VmIds": [vm_id]})["Vms"]
        if vm["State"] != "running":
            raise AssertionError(f"{vm_id} is {vm['State']}")
        self._model.vms[vm_id] = Vm(account)
        for mapping in vm["BlockDeviceMappings"]:
            content = self._model.snapshots[image.snapshots[mapping["DeviceName"]]].content
            volume_id = mapping["Bsu"]["VolumeId"]
            self._model.volumes[volume_id] = Volume(account, content, vm_id, mapping["DeviceName"])
        return f"{account} launches {vm_id} of {image_id}"

    def _link(self, account: str) -> str | None:
        vm_id = self._pick(self._own(self._model.vms, account))
        free = [
            each for each in self._own(self._model.volumes, account) if not self._model.volumes[each].vm_id
        ]
        volume_id = self._pick(free)
        if vm_id is None or volume_id is None:
            return None
        taken = {volume.device for volume in self._model.volumes_of(vm_id).values()}
        device = self._pick([each for each in DATA_DEVICES if each not in taken])
        if device is None:
            return None
        self._machine.call(account, "LinkVolume", VmId=vm_id, VolumeId=volume_id, DeviceName=device)
        volume = self._model.volumes[volume_id]
        volume.vm_id, volume.device = vm_id, device
        return f"{account} links {volume_id} to {vm_id} as {device}"

    def _unlink(self, account: str) -> str | None:
        linked = [
            name
            for name in self._own(self._model.volumes, account)
            if self._model.volumes[name].vm_id and self._model.volumes[name].device != ROOT
        ]
        volume_id = self._pick(linked)
        if volume_id is None:
            return None
        self._machine.call(account, "UnlinkVolume", VolumeId=volume_id)
        volume = self._model.volumes[volume_id]
        told = f"{account} unlinks {volume_id} from {volume.vm_id}"
        volume.vm_id, volume.device = None, ""
        return told

    def _share_image(self, account: str) -> str | None:
        image_id = self._pick(self._own(self._model.images, account))
        if image_id is None:
            return None
        return self._share(
            account, self._model.images[image_id], "UpdateImage", "PermissionsToLaunch", {"ImageId": image_id}
        )

    def _share_snapshot(self, account: str) -> str | None:
        snapshot_id = self._pick(self._own(self._model.snapshots, account))
        if snapshot_id is None:
            return None
        request = {"SnapshotId": snapshot_id}
        snapshot = self._model.snapshots[snapshot_id]
        return self._share(account, snapshot, "UpdateSnapshot", "PermissionsToCreateVolume", request)

    def _share(
        self, account: str, shared: Image | Snapshot, action: str, field: str, request: dict[str, str]
    ) -> str:
        """Share with another account, or take it back."""
        other = self._chance.choice([each for each in ACCOUNTS if each != account])
        change = "Removals" if other in shared.shared_with else "Additions"
        permission = {change: {"AccountIds": [self._machine.account_id(other)]}}
        self._machine.call(account, action, **request, **{field: permission})
        shared.shared_with ^= {other}
        return f"{account}: {change} of {other} to {request}"

    def _grow(self, account: str) -> str | None:
        """Of one that no running VM has."""
        volume_id = self._pick(self._own(self._model.volumes, account))
        if volume_id is None:
            return None
        volume = self._model.volumes[volume_id]
        if volume.vm_id and self._model.vms[volume.vm_id].is_running:
            return None
        size = volume.content.size_gib + 1
        self._machine.call(account, "UpdateVolume", VolumeId=volume_id, Size=size)
        volume.content = volume.content.grown(size)
        return f"{account} grows {volume_id} to {size} GiB"

    def _stop_or_start(self, account: str) -> str | None:
        vm_id = self._pick(self._own(self._model.vms, account))
        if vm_id is None:
            return None
        vm = self._model.vms[vm_id]
        action: str = "StopVms" if vm.is_running else "StartVms"
        forced = {"ForceStop": True} if vm.is_running else {}
        self._machine.call(account, action, VmIds=[vm_id], **forced)
        vm.is_running = not vm.is_running
        return f"{account}: {action} of {vm_id}"

    def _delete_snapshot(self, account: str) -> str | None:
        """One that an image uses cannot be deleted, nor can another account's."""
        snapshot_id = self._pick(list(self._model.snapshots))
        if snapshot_id is None:
            return None
        request = {"SnapshotId": snapshot_id}
        owner = self._model.snapshots[snapshot_id].owner
        if account != owner:
            return self._must_refuse(account, "DeleteSnapshot", request)
        if self._model.images_of_snapshot(snapshot_id):
            return self._must_refuse(account, "DeleteSnapshot", request, "9094")
        self._machine.call(account, "DeleteSnapshot", **request)
        del self._model.snapshots[snapshot_id]
        return f"{account} deletes {snapshot_id}"

    def _delete_image(self, account: str) -> str | None:
        image_id = self._pick(list(self._model.images))
        if image_id is None:
            return None
        if account != self._model.images[image_id].owner:
            return self._must_refuse(account, "DeleteImage", {"ImageId": image_id})
        self._machine.call(account, "DeleteImage", ImageId=image_id)
        del self._model.images[image_id]
        return f"{account} deletes {image_id}"

    def _delete_volume(self, account: str) -> str | None:
        volume_id = self._pick(self._own(self._model.volumes, account))
        if volume_id is None:
            return None
        if self._model.volumes[volume_id].vm_id:
            return self._must_refuse(account, "DeleteVolume", {"VolumeId": volume_id})
        self._machine.call(account, "DeleteVolume", VolumeId=volume_id)
        del self._model.volumes[volume_id]
        return f"{account} deletes {volume_id}"

    def _delete_vm(self, account: str) -> str | None:
        vm_id = self._pick(self._own(self._model.vms, account))
        if vm_id is None:
            return None
        self._end_vm(vm_id)
        return f"{account} deletes {vm_id}"

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

    def _export_and_import(self, account: str) -> str | None:
        """A snapshot goes through a bucket, as qcow2 or raw, and comes back as another."""
        snapshot_id = self._pick(self._own(self._model.snapshots, account))
        if snapshot_id is None:
            return None
        disk_format = self._chance.choice(("qcow2", "raw"))
        bucket, prefix = f"of-{account}", self._name()
        export = {"DiskImageFormat": disk_format, "OsuBucket": bucket, "OsuPrefix": prefix}
        self._machine.call(account, "CreateSnapshotExportTask", SnapshotId=snapshot_id, OsuExport=export)
        (key,) = self._machine.keys(bucket, prefix)
        location = put_disk(self._machine.exported(bucket, key), key.rpartition("/")[2])
        content = self._model.snapshots[snapshot_id].content
        made = self._machine.call(
            account, "CreateSnapshot", FileLocation=location, SnapshotSize=content.size_gib * 1024**3
        )["Snapshot"]
        self._model.snapshots[made["SnapshotId"]] = Snapshot(account, content)
        return f"{account} exports {snapshot_id} as {disk_format} and imports it as {made['SnapshotId']}"

    def _collect(self, _account: str) -> str:
        self._machine.collect()
        return "the sweeps collect"

    def _must_refuse(
        self, account: str, action: str, request: dict[str, Any], code: str | None = None
    ) -> str:
        self.refusals += 1
        refused = self._machine.refused(account, action, **request)
        if code is not None and refused != code:
            raise AssertionError(f"{action} {request} by {account}: {refused}, not {code}")
        return f"{action} {request} is refused to {account}"


def _snapshots_of(image: dict[str, Any]) -> dict[str, str]:
    return {each["DeviceName"]: each["Bsu"]["SnapshotId"] for each in image["BlockDeviceMappings"]}
