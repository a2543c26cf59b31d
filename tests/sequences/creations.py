"""The operations of random sequences that make disks, images and VMs, and use them."""

from tests.sequences.model import (
    BLOCKS,
    WRITTEN_BYTES,
    Content,
    Snapshot,
    Vm,
    Volume,
)
from tests.sequences.sequence_state import DATA_DEVICES, ROOT, SUBREGION, SequenceState, _snapshots_of


class Creations(SequenceState):
    """Each operation returns what it did; None: the model has nothing for it."""

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
