"""What is asked for right after something else, while the resource is on its way, is done when it has arrived."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from souche.app import snapshots, volumes
from souche.app.context import settling
from souche.app.context.settling import MOST_WAITING, WAIT_SECONDS, WaitCounts
from souche.db import operations
from souche.refusals import WrongVolumeState
from tests.support.client import Client, state
from tests.support.resources import read_volume
from tests.workflows.world import Cast, World

ROOT = "/dev/sda1"


@dataclass
class Waited:
    """A wait runs the workflow; a wait for those in `stuck` times out."""

    worker: ClassVar[None] = None

    world: World
    stuck: frozenset[str] = frozenset()
    waits: int = 0

    def start(self, operation: object) -> None:
        """It runs when somebody waits."""

    def wait(self, operation_id: str, timeout_seconds: float) -> bool:
        assert timeout_seconds <= WAIT_SECONDS
        self.waits += 1
        with self.world.region.store.read() as connection:
            operation = operations.get(connection, operation_id)
        assert operation is not None
        if operation.workflow in self.stuck:
            return False
        self.world.run(operation)
        return True


@dataclass(frozen=True)
class Alice:
    """Her calls, by the API; `made` is a volume that is still being created."""

    world: World
    cast: Cast
    call: Client
    waited: Waited

    def volume(self) -> str:
        made = self.call("CreateVolume", SubregionName=self.world.region.subregion_name, Size=1)
        volume_id: str = made["Volume"]["VolumeId"]
        return volume_id

    def link(self, volume_id: str, device_name: str = "/dev/xvdc") -> None:
        vm_id = self.cast.running.vm_id
        self.call("LinkVolume", VolumeId=volume_id, VmId=vm_id, DeviceName=device_name)


@pytest.fixture
def alice(scene: tuple[World, Cast]) -> Alice:
    world, cast = scene
    waited = Waited(world)
    return Alice(world, cast, Client(replace(world.region, workflows=waited), cast.alice), waited)


def _image(alice: Alice, vm_id: str) -> set[str]:
    """The volumes that are in an image of the VM."""
    made = alice.call("CreateImage", VmId=vm_id, ImageName="all", NoReboot=True)
    alice.world.run_all()
    names = [mapping["Bsu"]["SnapshotId"] for mapping in made["Image"]["BlockDeviceMappings"]]
    found = alice.call("ReadSnapshots", Filters={"SnapshotIds": names})["Snapshots"]
    assert {snapshot["State"] for snapshot in found} == {"completed"}
    return {snapshot["VolumeId"] for snapshot in found}


def test_a_volume_just_linked_is_in_the_image(alice: Alice) -> None:
    """Shown as `in-use`, it was left out without a word."""
    alice.link(alice.cast.volume_id)
    volume_ids = {volume.volume_id for volume in alice.cast.running.volumes}
    assert _image(alice, alice.cast.running.vm_id) == {*volume_ids, alice.cast.volume_id}


def test_a_root_volume_just_linked_is_one(alice: Alice) -> None:
    vm_id, root = alice.cast.stopped.vm_id, alice.cast.stopped.volumes[0].volume_id
    alice.call("UnlinkVolume", VolumeId=root)
    alice.call("LinkVolume", VolumeId=root, VmId=vm_id, DeviceName=ROOT)
    assert _image(alice, vm_id) == {root}


def test_an_image_names_the_volume_that_does_not_arrive(alice: Alice) -> None:
    alice.link(alice.cast.volume_id)
    alice.waited.stuck = frozenset({"link_volume"})
    vm_id = alice.cast.running.vm_id
    refused = alice.call.refusal("CreateImage", VmId=vm_id, ImageName="all", NoReboot=True)
    assert refused.row == state(6003)
    assert f"The volume {alice.cast.volume_id} is attaching" in refused.details


ACTIONS: dict[str, Callable[[Alice, str], object]] = {
    "CreateSnapshot": lambda alice, volume_id: alice.call("CreateSnapshot", VolumeId=volume_id),
    "LinkVolume": lambda alice, volume_id: alice.link(volume_id),
    "DeleteVolume": lambda alice, volume_id: alice.call("DeleteVolume", VolumeId=volume_id),
    "UpdateVolume": lambda alice, volume_id: alice.call("UpdateVolume", VolumeId=volume_id, Size=2),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_volume_just_created_is_waited_for(alice: Alice, action: str) -> None:
    ACTIONS[action](alice, alice.volume())
    assert alice.waited.waits == 1
    alice.world.run_all()


def test_a_volume_just_linked_is_waited_for(alice: Alice) -> None:
    alice.link(alice.cast.volume_id)
    alice.call("UnlinkVolume", VolumeId=alice.cast.volume_id)
    alice.link(alice.cast.volume_id)
    alice.call("UpdateVolume", VolumeId=alice.cast.volume_id, Size=2)
    alice.world.run_all()
    assert alice.waited.waits == 3


def test_a_volume_just_unlinked_is_waited_for_by_its_deletion(alice: Alice) -> None:
    alice.link(alice.cast.volume_id)
    alice.world.run_all()
    alice.call("UnlinkVolume", VolumeId=alice.cast.volume_id)
    alice.call("DeleteVolume", VolumeId=alice.cast.volume_id)
    assert read_volume(alice.world.region, alice.cast.volume_id).state == "deleting"


def test_a_root_volume_that_comes_is_waited_for_by_the_start(alice: Alice) -> None:
    vm_id, root = alice.cast.stopped.vm_id, alice.cast.stopped.volumes[0].volume_id
    alice.call("UnlinkVolume", VolumeId=root)
    alice.call("LinkVolume", VolumeId=root, VmId=vm_id, DeviceName=ROOT)
    alice.call("StartVms", VmIds=[vm_id])
    alice.world.run_all()
    assert root in (alice.world.hypervisor.open_disks(vm_id) or {})


def test_a_place_that_becomes_free_is_waited_for(alice: Alice) -> None:
    alice.link(alice.cast.volume_id)
    alice.world.run_all()
    alice.call("UnlinkVolume", VolumeId=alice.cast.volume_id)
    alice.link(alice.volume())
    alice.world.run_all()


def test_a_snapshot_just_made_is_waited_for(alice: Alice) -> None:
    made = alice.call("CreateSnapshot", VolumeId=alice.cast.volume_id)
    snapshot_id = made["Snapshot"]["SnapshotId"]
    subregion = alice.world.region.subregion_name
    volume = alice.call("CreateVolume", SubregionName=subregion, SnapshotId=snapshot_id)["Volume"]
    alice.call("DeleteSnapshot", SnapshotId=snapshot_id)
    assert read_volume(alice.world.region, volume["VolumeId"]).state == "available"


def test_a_volume_is_deleted_once_its_snapshots_are_made(alice: Alice) -> None:
    """Terraform's termination_snapshot_name: the snapshot, then at once the deletion."""
    for _ in range(3):
        alice.call("CreateSnapshot", VolumeId=alice.cast.volume_id)
    alice.call("DeleteVolume", VolumeId=alice.cast.volume_id)
    assert read_volume(alice.world.region, alice.cast.volume_id).state == "deleting"


def test_what_takes_too_long_is_refused(alice: Alice) -> None:
    alice.waited.stuck = frozenset({"create_volume"})
    refused = alice.call.refusal("CreateSnapshot", VolumeId=alice.volume())
    assert (refused.row, alice.waited.waits) == (state(6003), 1)


def test_a_rehearsal_waits_for_nothing(alice: Alice) -> None:
    refused = alice.call.refusal("CreateSnapshot", VolumeId=alice.volume(), DryRun=True)
    assert (refused.row, alice.waited.waits) == (state(6003), 0)


def test_what_may_take_minutes_is_not_waited_for(alice: Alice) -> None:
    alice.call("StopVms", VmIds=[alice.cast.running.vm_id])
    vm_id = alice.cast.running.vm_id
    refused = alice.call.refusal("CreateImage", VmId=vm_id, ImageName="all")
    assert (refused.row, alice.waited.waits) == (state(6003), 0)


def test_only_so_many_requests_of_an_account_wait(alice: Alice) -> None:
    """They hold threads, which are for others too."""
    region, who = alice.call.region, alice.cast.alice
    volume_id, waiters = alice.volume(), WaitCounts()

    def act() -> object:
        return snapshots.create_from_volume(region, who, snapshots.FromVolume(volume_id))

    places = [waiters.place(who.account_id) for _ in range(MOST_WAITING)]
    assert all(place.__enter__() for place in places)
    with pytest.raises(WrongVolumeState):
        settling.when_settled(region, who.account_id, act, waiters)
    assert alice.waited.waits == 0
    with waiters.place("another") as free:
        assert free
    places.pop().__exit__(None, None, None)
    settling.when_settled(region, who.account_id, act, waiters)
    assert alice.waited.waits == 1


def test_what_settled_between_is_tried_again(alice: Alice) -> None:
    """The work ends after the refusal, and before the next check."""
    region, volume_id, tries = alice.call.region, alice.volume(), 0

    def act() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            try:
                volumes.delete(region, alice.cast.alice, volume_id)
            finally:
                alice.world.run_all()
        volumes.delete(region, alice.cast.alice, volume_id)

    settling.when_settled(region, alice.cast.alice.account_id, act)
    assert (tries, alice.waited.waits) == (2, 0)
