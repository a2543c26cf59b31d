"""One random sequence."""

from collections.abc import Callable, Sequence

from tests.sequences.creations import Creations
from tests.sequences.model import (
    Image,
    Snapshot,
)
from tests.sequences.sequence_state import ACCOUNTS
from tests.support.exported import put_disk


class RandomSequence(Creations):
    """Operations that the model allows, and some that must be refused."""

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
