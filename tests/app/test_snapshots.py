"""What making and deleting snapshots requests and keeps (reference section 3)."""

from dataclasses import dataclass, replace

import pytest

from souche.app import images, snapshots
from souche.app.context.region import Region
from souche.app.snapshots import Copy, FromVolume
from souche.db import snapshots as snapshot_records
from souche.db.store import Store
from souche.model.accounts import Principal
from souche.refusals import ClientTokenReused, SnapshotInUse, WrongSnapshotState
from souche.states import SnapshotState, VolumeState
from tests.support.region import RecordedWorkflows
from tests.support.resources import (
    attach,
    make_image,
    make_snapshot,
    make_vm,
    make_volume,
    read_snapshot,
    requested,
)


def test_a_snapshot_is_taken_of_a_volume_that_is_attached_or_not(region: Region, alice: Principal) -> None:
    vm = make_vm(region, alice, devices=())
    for volume in (make_volume(region, alice), attach(region, vm, "/dev/sda1")):
        snapshot = snapshots.create_from_volume(region, alice, FromVolume(volume.volume_id))
        assert read_snapshot(region, snapshot.snapshot_id) == snapshot
    assert requested(region) == ["create_snapshot", "create_snapshot"]


def test_a_snapshot_inherits_the_product_codes_of_its_source(region: Region, alice: Principal) -> None:
    volume = make_volume(region, alice, product_codes=("0002",))
    snapshot = snapshots.create_from_volume(region, alice, FromVolume(volume.volume_id))
    assert snapshot.product_codes == ("0002",)
    source = make_snapshot(region, alice, product_codes=("0002",))
    assert snapshots.copy(region, alice, Copy(source.snapshot_id, region.name)).product_codes == ("0002",)


def test_a_token_gives_the_same_snapshot_again(region: Region, alice: Principal, bob: Principal) -> None:
    volume, source = make_volume(region, alice), make_snapshot(region, alice)
    taking = FromVolume(volume.volume_id, client_token="a")
    copying = Copy(source.snapshot_id, region.name, client_token="b")
    first = [
        snapshots.create_from_volume(region, alice, taking),
        snapshots.copy(region, alice, copying),
    ]
    assert [
        snapshots.create_from_volume(region, alice, taking),
        snapshots.copy(region, alice, copying),
    ] == first
    assert requested(region) == ["create_snapshot", "copy_snapshot"]
    of_bob = make_volume(region, bob)
    snapshots.create_from_volume(region, bob, FromVolume(of_bob.volume_id, client_token="a"))


def test_a_token_is_refused_for_another_source(region: Region, alice: Principal) -> None:
    volume, other = make_volume(region, alice), make_volume(region, alice)
    source = make_snapshot(region, alice)
    snapshots.create_from_volume(region, alice, FromVolume(volume.volume_id, client_token="t"))
    with pytest.raises(ClientTokenReused):
        snapshots.create_from_volume(region, alice, FromVolume(other.volume_id, client_token="t"))
    with pytest.raises(ClientTokenReused):
        snapshots.copy(region, alice, Copy(source.snapshot_id, region.name, client_token="t"))


@dataclass
class PromptWorkflows(RecordedWorkflows):
    """A copy is made by the time of the first wait."""

    store: Store | None = None

    def wait(self, operation_id: str, timeout_seconds: float) -> bool:  # noqa: ARG002
        assert self.store is not None
        with self.store.begin() as connection:
            made = [operation_id.rpartition(":")[2]]
            snapshot_records.set_state(connection, made, SnapshotState.COMPLETED, progress_percent=100)
        return True


def test_a_copy_that_is_made_in_time_is_answered_as_completed(region: Region, alice: Principal) -> None:
    command = Copy(make_snapshot(region, alice).snapshot_id, region.name)
    copy = snapshots.copy(replace(region, workflows=PromptWorkflows(store=region.store)), alice, command)
    assert (copy.state, copy.progress_percent) == (SnapshotState.COMPLETED, 100)
    assert snapshots.copy(region, alice, command).state == SnapshotState.IN_QUEUE


# Deletion.


@pytest.mark.parametrize("at", [SnapshotState.COMPLETED, SnapshotState.ERROR])
def test_a_snapshot_that_is_completed_or_in_error_can_be_deleted(
    region: Region, alice: Principal, at: SnapshotState
) -> None:
    snapshot = make_snapshot(region, alice, state=at)
    snapshots.delete(region, alice, snapshot.snapshot_id)
    assert requested(region) == ["delete_snapshot"]
    assert read_snapshot(region, snapshot.snapshot_id).state == SnapshotState.DELETING


def test_a_snapshot_is_in_use_by_an_image_until_the_image_is_gone(region: Region, alice: Principal) -> None:
    image = make_image(region, alice)
    snapshot_id = str(image.mappings[0].snapshot_id)
    with pytest.raises(SnapshotInUse, match=image.image_id):
        snapshots.delete(region, alice, snapshot_id)
    images.delete(region, alice, image.image_id)
    snapshots.delete(region, alice, snapshot_id)


def test_volumes_made_from_a_snapshot_do_not_hold_it(region: Region, alice: Principal) -> None:
    snapshot = make_snapshot(region, alice)
    make_volume(region, alice, snapshot_id=snapshot.snapshot_id)
    make_snapshot(region, alice, source_snapshot_id=snapshot.snapshot_id)
    snapshots.delete(region, alice, snapshot.snapshot_id)


def test_a_snapshot_cannot_go_while_a_volume_or_a_copy_is_made_from_it(
    region: Region, alice: Principal, bob: Principal
) -> None:
    cloned, copied = make_snapshot(region, alice), make_snapshot(region, alice)
    volume = make_volume(region, bob, snapshot_id=cloned.snapshot_id, state=VolumeState.CREATING)
    copy = make_snapshot(region, bob, source_snapshot_id=copied.snapshot_id, state=SnapshotState.PENDING)
    for source, hidden_id in ((cloned, volume.volume_id), (copied, copy.snapshot_id)):
        with pytest.raises(WrongSnapshotState) as refusal:
            snapshots.delete(region, alice, source.snapshot_id)
        assert hidden_id not in str(refusal.value)
