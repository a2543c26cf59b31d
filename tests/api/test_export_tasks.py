"""Export tasks on the wire (reference sections 3 and 4)."""

import json

import pytest

from souche.app.region import Region
from souche.model.accounts import Principal
from souche.states import ExportState
from tests.support.client import Client, absent, missing, state, unsupported, value
from tests.support.resources import dump, make_export_task, make_image, make_snapshot

EXPORT = {"DiskImageFormat": "qcow2", "OsuBucket": "exports"}
KEY = {"ApiKeyId": "FOREIGN", "SecretKey": "hush-hush"}


def test_the_export_of_an_image(client: Client, region: Region, alice: Principal) -> None:
    image_id = make_image(region, alice).image_id
    request = {**EXPORT, "OsuPrefix": "there", "OsuManifestUrl": "ignored"}
    task = client("CreateImageExportTask", ImageId=image_id, OsuExport=request)["ImageExportTask"]
    assert task == {
        "TaskId": task["TaskId"],
        "ImageId": image_id,
        "State": "pending/queued",
        "Progress": 0,
        "Comment": f"Export of image {image_id}",
        "OsuExport": {**EXPORT, "OsuPrefix": f"there/{image_id}/"},
        "Tags": [],
    }
    assert client("ReadImageExportTasks") == {"ImageExportTasks": [task]}
    assert client("ReadSnapshotExportTasks") == {"SnapshotExportTasks": []}


def test_the_export_of_a_snapshot(client: Client, region: Region, alice: Principal) -> None:
    snapshot_id = make_snapshot(region, alice).snapshot_id
    request = {**EXPORT, "DiskImageFormat": "raw", "OsuPrefix": "there/"}
    task = client("CreateSnapshotExportTask", SnapshotId=snapshot_id, OsuExport=request)["SnapshotExportTask"]
    assert task == {
        "TaskId": task["TaskId"],
        "SnapshotId": snapshot_id,
        "State": "pending",
        "Progress": 0,
        "Comment": f"Export of snapshot {snapshot_id}",
        "OsuExport": request,
        "Tags": [],
    }
    assert client("ReadSnapshotExportTasks") == {"SnapshotExportTasks": [task]}


@pytest.mark.parametrize(
    ("kept", "of_image", "of_snapshot", "percent"),
    [
        (ExportState.QUEUED, "pending/queued", "pending", 0),
        (ExportState.ACTIVE, "pending", "uploading", 25),
        (ExportState.COMPLETED, "completed", "completed", 100),
        (ExportState.CANCELLED, "cancelled", "cancelled", 25),
        (ExportState.FAILED, "failed", "failed", 0),
    ],
)
def test_states_are_in_the_words_of_the_specification(
    client: Client,
    region: Region,
    alice: Principal,
    kept: ExportState,
    of_image: str,
    of_snapshot: str,
    percent: int,
) -> None:
    changes = {"state": kept, "done_bytes": percent, "total_bytes": 100}
    make_export_task(region, alice, make_image(region, alice), **changes)
    make_export_task(region, alice, make_snapshot(region, alice), **changes)
    (image_task,) = client("ReadImageExportTasks")["ImageExportTasks"]
    (snapshot_task,) = client("ReadSnapshotExportTasks")["SnapshotExportTasks"]
    assert (image_task["State"], image_task["Progress"]) == (of_image, percent)
    assert (snapshot_task["State"], snapshot_task["Progress"]) == (of_snapshot, percent)


def test_the_url_of_the_manifest(client: Client, region: Region, alice: Principal) -> None:
    sealed = region.vault.seal("https://oos/manifest")
    make_export_task(region, alice, make_image(region, alice), sealed_manifest_url=sealed)
    (task,) = client("ReadImageExportTasks")["ImageExportTasks"]
    assert task["OsuExport"]["OsuManifestUrl"] == "https://oos/manifest"
    assert not any("https://oos" in row for row in dump(region))


def test_the_key_of_another_account_is_never_answered(
    client: Client, region: Region, alice: Principal
) -> None:
    image_id = make_image(region, alice).image_id
    made = client("CreateImageExportTask", ImageId=image_id, OsuExport={**EXPORT, "OsuApiKey": KEY})
    for told in (json.dumps(made), json.dumps(client("ReadImageExportTasks")), *dump(region)):
        assert "hush-hush" not in told
    assert "FOREIGN" not in json.dumps(made)


@pytest.mark.parametrize("left", ["ApiKeyId", "SecretKey"])
def test_half_a_key_is_refused(client: Client, region: Region, alice: Principal, left: str) -> None:
    export = {**EXPORT, "OsuApiKey": {left: "x"}}
    image_id = make_image(region, alice).image_id
    refusal = client.refusal("CreateImageExportTask", ImageId=image_id, OsuExport=export)
    assert refusal.row == missing(7007)
    empty = {**EXPORT, "OsuApiKey": {"ApiKeyId": "", "SecretKey": ""}}
    assert client("CreateImageExportTask", ImageId=image_id, OsuExport=empty)


def test_filters_and_pages(client: Client, region: Region, alice: Principal) -> None:
    images = [make_image(region, alice, f"image {number}") for number in range(3)]
    tasks = [make_export_task(region, alice, image).task_id for image in images]

    def read(**request: object) -> list[str]:
        return [each["TaskId"] for each in client("ReadImageExportTasks", **request)["ImageExportTasks"]]

    assert read(Filters={"ImageIds": [images[1].image_id]}) == [tasks[1]]
    assert read(Filters={"TaskIds": ["none", tasks[2]]}) == [tasks[2]]
    first = client("ReadImageExportTasks", ResultsPerPage=2)
    rest = read(ResultsPerPage=2, NextPageToken=first["NextPageToken"])
    assert sorted([*(each["TaskId"] for each in first["ImageExportTasks"]), *rest]) == sorted(tasks)


def test_tags(client: Client, region: Region, alice: Principal) -> None:
    task = make_export_task(region, alice, make_snapshot(region, alice))
    tag = {"Key": "k", "Value": "v"}
    client("CreateTags", ResourceIds=[task.task_id], Tags=[tag])
    assert client("ReadSnapshotExportTasks")["SnapshotExportTasks"][0]["Tags"] == [tag]
    (read,) = client("ReadTags", Filters={"ResourceTypes": ["task"]})["Tags"]
    assert read["ResourceId"] == task.task_id


def test_cancelling(client: Client, region: Region, alice: Principal) -> None:
    task = make_export_task(region, alice, make_snapshot(region, alice))
    assert client("DeleteExportTask", ExportTaskId=task.task_id) == {}
    assert client("ReadSnapshotExportTasks")["SnapshotExportTasks"][0]["State"] == "cancelled"
    refusals = {
        task.task_id: state(6003),
        "image-export-00000000": absent(5058),
        "image-export-0": value(4105),
        "vol-update-00000000": value(4104),
    }
    for task_id, row in refusals.items():
        assert client.refusal("DeleteExportTask", ExportTaskId=task_id).row == row


def test_a_public_image_is_refused(client: Client, region: Region, alice: Principal) -> None:
    image_id = make_image(region, alice).image_id
    client("UpdateImage", ImageId=image_id, PermissionsToLaunch={"Additions": {"GlobalPermission": True}})
    refusal = client.refusal("CreateImageExportTask", ImageId=image_id, OsuExport=EXPORT)
    assert refusal.row == unsupported(8017)


def test_formats(client: Client, region: Region, alice: Principal) -> None:
    export = {**EXPORT, "DiskImageFormat": "vmdk"}
    snapshot_id = make_snapshot(region, alice).snapshot_id
    refusal = client.refusal("CreateSnapshotExportTask", SnapshotId=snapshot_id, OsuExport=export)
    assert refusal.row == value(4047)
    assert "qcow2, raw" in refusal.details
