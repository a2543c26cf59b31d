"""What making, linking and deleting volumes requests and keeps (reference section 7)."""

import pytest

from souche.app import volumes
from souche.app.context.region import Region
from souche.app.volumes import Create, Link
from souche.db import volumes as volume_records
from souche.model.accounts import Principal
from souche.refusals import ClientTokenReused, VolumeInUse, WrongVmState, WrongVolumeState
from souche.states import LinkState, SnapshotState, VmState, VolumeState
from tests.support.resources import (
    attach,
    make_snapshot,
    make_vm,
    make_volume,
    read_vm,
    read_volume,
    requested,
)


def test_a_volume_is_recorded_and_its_operation_requested(region: Region, alice: Principal) -> None:
    volume = volumes.create(region, alice, Create(region.subregion_name, 10))
    assert read_volume(region, volume.volume_id) == volume
    assert requested(region) == ["create_volume"]


def test_a_volume_inherits_the_product_codes_of_its_snapshot(region: Region, alice: Principal) -> None:
    snapshot = make_snapshot(region, alice, product_codes=("0002",))
    volume = volumes.create(region, alice, Create(region.subregion_name, snapshot_id=snapshot.snapshot_id))
    assert volume.product_codes == ("0002",)


def test_a_token_gives_the_same_volume_again_and_no_other(region: Region, alice: Principal) -> None:
    command = Create(region.subregion_name, 10, client_token="t")
    volume = volumes.create(region, alice, command)
    assert volumes.create(region, alice, command) == volume
    assert requested(region) == ["create_volume"]
    snapshot = make_snapshot(region, alice)
    with pytest.raises(ClientTokenReused):
        volumes.create(
            region,
            alice,
            Create(region.subregion_name, snapshot_id=snapshot.snapshot_id, client_token="t"),
        )


@pytest.mark.parametrize("at", [VolumeState.AVAILABLE, VolumeState.ERROR])
def test_a_volume_at_rest_can_be_deleted(region: Region, alice: Principal, at: VolumeState) -> None:
    volume = make_volume(region, alice, state=at)
    volumes.delete(region, alice, volume.volume_id)
    assert read_volume(region, volume.volume_id).state == VolumeState.DELETING
    assert requested(region) == ["delete_volume"]
    with pytest.raises(WrongVolumeState):
        volumes.delete(region, alice, volume.volume_id)


def test_a_volume_stays_while_a_snapshot_of_it_is_made(region: Region, alice: Principal) -> None:
    volume = make_volume(region, alice)
    make_snapshot(region, alice, volume_id=volume.volume_id)
    make_snapshot(region, alice, volume_id=volume.volume_id, state=SnapshotState.PENDING)
    with pytest.raises(WrongVolumeState, match="a snapshot of it is being made"):
        volumes.delete(region, alice, volume.volume_id)


# Links.


@pytest.mark.parametrize("at", [VmState.RUNNING, VmState.STOPPED])
def test_a_linked_volume_is_in_use_and_does_not_go_with_the_vm(
    region: Region, alice: Principal, at: VmState
) -> None:
    vm, volume = make_vm(region, alice, at), make_volume(region, alice)
    volumes.link(region, alice, Link(volume.volume_id, vm.vm_id, "/dev/xvdb"))
    linked = read_volume(region, volume.volume_id)
    assert linked.state == VolumeState.IN_USE
    assert linked.link is not None
    assert (linked.link.state, linked.link.delete_on_vm_deletion) == (LinkState.ATTACHING, False)
    assert requested(region) == ["link_volume"]


def test_a_volume_is_linked_to_one_vm_at_a_time(region: Region, alice: Principal) -> None:
    volume = make_volume(region, alice)
    first, second = make_vm(region, alice), make_vm(region, alice)
    volumes.link(region, alice, Link(volume.volume_id, first.vm_id, "/dev/xvdb"))
    with pytest.raises(VolumeInUse, match=first.vm_id):
        volumes.link(region, alice, Link(volume.volume_id, second.vm_id, "/dev/xvdb"))


def test_a_device_name_is_taken_on_its_own_vm_only(region: Region, alice: Principal) -> None:
    make_vm(region, alice, devices=("/dev/sda1", "/dev/xvdb"))
    vm, volume = make_vm(region, alice), make_volume(region, alice)
    volumes.link(region, alice, Link(volume.volume_id, vm.vm_id, "/dev/xvdb"))


def test_a_detaching_volume_is_still_linked(region: Region, alice: Principal) -> None:
    vm = make_vm(region, alice)
    volume = attach(region, vm, "/dev/xvdb")
    volumes.unlink(region, alice, volume.volume_id)
    leaving = read_volume(region, volume.volume_id)
    assert leaving.link is not None
    assert (leaving.state, leaving.link.state) == (VolumeState.IN_USE, LinkState.DETACHING)
    assert requested(region) == ["unlink_volume"]
    with pytest.raises(WrongVolumeState):
        volumes.unlink(region, alice, volume.volume_id)


def test_the_root_volume_leaves_a_stopped_vm_only_and_may_come_back(region: Region, alice: Principal) -> None:
    running, stopped = make_vm(region, alice), make_vm(region, alice, VmState.STOPPED)
    with pytest.raises(WrongVmState):
        volumes.unlink(region, alice, running.volumes[0].volume_id)
    root = stopped.volumes[0].volume_id
    volumes.unlink(region, alice, root)
    with region.store.begin() as connection:
        volume_records.unlink(connection, root)
        volume_records.set_state(connection, root, VolumeState.AVAILABLE)
    volumes.link(region, alice, Link(root, stopped.vm_id, "/dev/sda1"))
    assert [volume.volume_id for volume in read_vm(region, stopped.vm_id).volumes] == [root]


@pytest.mark.parametrize("at", [VmState.PENDING, VmState.STOPPING, VmState.SHUTTING_DOWN])
def test_nothing_is_unlinked_while_the_vm_is_changing(region: Region, alice: Principal, at: VmState) -> None:
    vm = make_vm(region, alice, at)
    with pytest.raises(WrongVmState):
        volumes.unlink(region, alice, attach(region, vm, "/dev/xvdb").volume_id)
