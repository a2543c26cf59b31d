"""UpdateVolume and ReadVolumeUpdateTasks."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import pytest

from souche.app.context.region import Region
from souche.db import volume_updates
from souche.states import LinkState, VmState, VolumeState, VolumeUpdateState
from tests.support.client import Client, absent, missing, state, value
from tests.support.region import make_account
from tests.support.resources import attach, make_vm, make_volume, read_volume, requested

Row: TypeAlias = tuple[int, str, str]


def settle(region: Region, task_id: str, reached: VolumeUpdateState) -> None:
    with region.store.begin() as connection:
        volume_updates.set_state(connection, task_id, reached, ended=region.clock.now())


def test_the_answer_shows_the_previous_values_and_the_task(region: Region, client: Client) -> None:
    volume = make_volume(region, client.who, volume_type="gp2")
    shown = client("UpdateVolume", VolumeId=volume.volume_id, Size=20, VolumeType="io1", Iops=200)["Volume"]
    assert (shown["Size"], shown["VolumeType"], shown["Iops"]) == (10, "gp2", 100)
    (task,) = client("ReadVolumeUpdateTasks")["VolumeUpdateTasks"]
    assert task == {
        "Comment": f"Update of volume {volume.volume_id}",
        "Progress": 0,
        "StartDate": "2026-11-24T10:00:00.000Z",
        "State": "pending",
        "Tags": [],
        "TaskId": shown["TaskId"],
        "VolumeId": volume.volume_id,
        "VolumeUpdate": {
            "Origin": {"Iops": 100, "Size": 10, "VolumeType": "gp2"},
            "Target": {"Iops": 200, "Size": 20, "VolumeType": "io1"},
        },
    }
    assert requested(region) == ["update_volume"]
    assert client("ReadVolumes")["Volumes"][0]["TaskId"] == shown["TaskId"]


def test_a_task_that_is_done_is_complete_and_not_shown_at_the_volume(region: Region, client: Client) -> None:
    volume = make_volume(region, client.who)
    task_id = client("UpdateVolume", VolumeId=volume.volume_id, Size=20)["Volume"]["TaskId"]
    settle(region, task_id, VolumeUpdateState.COMPLETED)
    (task,) = client("ReadVolumeUpdateTasks", Filters={"TaskIds": [task_id]})["VolumeUpdateTasks"]
    assert (task["State"], task["Progress"]) == ("completed", 100)
    assert task["CompletionDate"] == "2026-11-24T10:00:00.000Z"
    assert "TaskId" not in client("ReadVolumes")["Volumes"][0]
    client("UpdateVolume", VolumeId=volume.volume_id, Size=21)


@pytest.mark.parametrize(
    ("reached", "percent"), [("pending", 0), ("active", 0), ("completed", 100), ("failed", 0)]
)
def test_states_are_in_the_words_of_the_specification(
    region: Region, client: Client, reached: str, percent: int
) -> None:
    client("UpdateVolume", VolumeId=make_volume(region, client.who).volume_id, Size=20)
    (task,) = client("ReadVolumeUpdateTasks")["VolumeUpdateTasks"]
    settle(region, task["TaskId"], VolumeUpdateState(reached))
    (task,) = client("ReadVolumeUpdateTasks")["VolumeUpdateTasks"]
    assert (task["State"], task["Progress"]) == (reached, percent)


def test_a_task_has_tags_and_keeps_them_when_it_is_done(region: Region, client: Client) -> None:
    volume = make_volume(region, client.who)
    task_id = client("UpdateVolume", VolumeId=volume.volume_id, Size=20)["Volume"]["TaskId"]
    tagged = [{"Key": "why", "Value": "full"}]
    client("CreateTags", ResourceIds=[task_id], Tags=tagged)
    settle(region, task_id, VolumeUpdateState.COMPLETED)
    assert client("ReadVolumeUpdateTasks")["VolumeUpdateTasks"][0]["Tags"] == tagged
    assert client("ReadTags", Filters={"ResourceTypes": ["task"]})["Tags"] == [
        {"Key": "why", "ResourceId": task_id, "ResourceType": "task", "Value": "full"}
    ]
    client("DeleteTags", ResourceIds=[task_id], Tags=tagged)
    assert client("ReadVolumeUpdateTasks")["VolumeUpdateTasks"][0]["Tags"] == []
    unknown = client.refusal("CreateTags", ResourceIds=["vol-update-00000000"], Tags=tagged)
    assert unknown.row == absent(5058)


def test_a_volume_that_goes_with_its_vm_is_neither_changed_nor_captured(
    region: Region, client: Client
) -> None:
    """Its VM is being deleted: either would come after the volume is gone, and fail after a 200."""
    vm = make_vm(region, client.who, VmState.SHUTTING_DOWN)
    goes, stays = vm.volumes[0], attach(region, vm, "/dev/xvdb", delete_on_vm_deletion=False)
    assert client.refusal("UpdateVolume", VolumeId=goes.volume_id, Size=20).row == state(6003)
    refused = client.refusal("CreateSnapshot", VolumeId=goes.volume_id)
    assert refused.row == state(6003)
    assert f"it is being deleted with {vm.vm_id}" in refused.details
    assert requested(region) == []
    client("UpdateVolume", VolumeId=stays.volume_id, Size=20)
    client("CreateSnapshot", VolumeId=stays.volume_id)
    assert requested(region) == ["update_volume", "create_snapshot"]


def test_a_volume_may_be_changed_while_it_is_attached(region: Region, client: Client) -> None:
    volume = attach(region, make_vm(region, client.who), "/dev/xvdb")
    assert client("UpdateVolume", VolumeId=volume.volume_id, Size=11)["Volume"]["State"] == "in-use"


def test_an_io1_volume_keeps_its_iops_when_only_its_size_changes(region: Region, client: Client) -> None:
    volume = make_volume(region, client.who, volume_type="io1", iops=300)
    client("UpdateVolume", VolumeId=volume.volume_id, Size=20)
    update = read_volume(region, volume.volume_id).update
    assert update is not None
    assert update.target.iops == 300


def _refused(region: Region, client: Client, changes: Mapping[str, Any], expected: Row) -> None:
    volume = make_volume(region, client.who)
    refusal = client.refusal("UpdateVolume", VolumeId=volume.volume_id, **changes)
    assert refusal.row == expected
    assert refusal.details
    assert client("ReadVolumeUpdateTasks")["VolumeUpdateTasks"] == []


def test_an_update_that_says_nothing_is_refused(region: Region, client: Client) -> None:
    _refused(region, client, {}, missing(7007))


@pytest.mark.parametrize("size", [9, 0, 14_902])
def test_a_volume_only_grows_and_up_to_14901_gib(region: Region, client: Client, size: int) -> None:
    _refused(region, client, {"Size": size}, value(4078))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"VolumeType": "io2"}, value(4047)),
        ({"VolumeType": ""}, value(4047)),
        ({"VolumeType": "io1"}, missing(7007)),
        ({"VolumeType": "io1", "Iops": 99}, value(4029)),
        ({"VolumeType": "io1", "Iops": 3_001}, value(4047)),
        ({"Iops": 200}, value(4045)),
        ({"Size": "20"}, value(4110)),
    ],
)
def test_an_update_keeps_to_the_rules_of_volumes(
    region: Region, client: Client, changes: Mapping[str, Any], expected: Row
) -> None:
    _refused(region, client, changes, expected)


@pytest.mark.parametrize("volume_state", [VolumeState.CREATING, VolumeState.DELETING, VolumeState.ERROR])
def test_a_volume_in_passing_cannot_be_changed(
    region: Region, client: Client, volume_state: VolumeState
) -> None:
    volume = make_volume(region, client.who, state=volume_state)
    assert client.refusal("UpdateVolume", VolumeId=volume.volume_id, Size=20).row == state(6003)


def test_a_volume_that_is_being_unlinked_cannot_be_changed(region: Region, client: Client) -> None:
    volume = attach(region, make_vm(region, client.who), "/dev/xvdb")
    client("UnlinkVolume", VolumeId=volume.volume_id)
    link = read_volume(region, volume.volume_id).link
    assert link is not None
    assert link.state == LinkState.DETACHING
    assert client.refusal("UpdateVolume", VolumeId=volume.volume_id, Size=20).row == state(6003)


def test_a_volume_that_is_being_changed_is_neither_changed_again_nor_deleted(
    region: Region, client: Client
) -> None:
    volume = make_volume(region, client.who)
    client("UpdateVolume", VolumeId=volume.volume_id, Size=20)
    assert client.refusal("UpdateVolume", VolumeId=volume.volume_id, Size=21).row == state(6003)
    assert client.refusal("DeleteVolume", VolumeId=volume.volume_id).row == state(6003)


def test_a_snapshot_is_as_large_as_an_update_under_way_may_make_it(region: Region, client: Client) -> None:
    """It may be taken after the disk has grown: then a volume of the old size could not hold it."""
    volume = make_volume(region, client.who)
    client("UpdateVolume", VolumeId=volume.volume_id, Size=20)
    assert client("CreateSnapshot", VolumeId=volume.volume_id)["Snapshot"]["VolumeSize"] == 20


def test_another_account_sees_no_tasks(region: Region, client: Client) -> None:
    client("UpdateVolume", VolumeId=make_volume(region, client.who).volume_id, Size=20)
    assert Client(region, make_account(region, "bob"))("ReadVolumeUpdateTasks")["VolumeUpdateTasks"] == []


def test_tasks_are_found_by_volume_and_go_by_pages_of_100(region: Region, client: Client) -> None:
    """Specification: 100 tasks on a page where the caller says nothing."""
    volumes = [make_volume(region, client.who).volume_id for _ in range(101)]
    tasks = [client("UpdateVolume", VolumeId=each, Size=11)["Volume"]["TaskId"] for each in volumes]
    found = client("ReadVolumeUpdateTasks", Filters={"VolumeIds": [volumes[7]]})["VolumeUpdateTasks"]
    assert [each["TaskId"] for each in found] == [tasks[7]]
    first = client("ReadVolumeUpdateTasks")
    assert len(first["VolumeUpdateTasks"]) == 100
    rest = client("ReadVolumeUpdateTasks", NextPageToken=first["NextPageToken"])["VolumeUpdateTasks"]
    assert {each["TaskId"] for each in [*first["VolumeUpdateTasks"], *rest]} == set(tasks)
