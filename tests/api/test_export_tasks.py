"""Export tasks on the wire (reference sections 3 and 4)."""

import json

import pytest

from souche.app import accounts, quotas
from souche.app.context.region import Region
from souche.db import images
from souche.model import quotas as names
from souche.model.accounts import Principal
from souche.model.permissions import Permissions
from souche.states import ExportState, ImageState, SnapshotState
from tests.support.client import Client, absent, missing, state, unsupported, value
from tests.support.resources import dump, make_export_task, make_image, make_snapshot

EXPORT = {"DiskImageFormat": "qcow2", "OsuBucket": "exports"}
KEY = {"ApiKeyId": "FOREIGN", "SecretKey": "hush-hush"}


def test_an_image_export_is_queued_below_its_prefix_and_the_images_id(
    client: Client, region: Region, alice: Principal
) -> None:
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


def test_a_snapshot_export_is_pending_under_its_prefix_as_it_was_given(
    client: Client, region: Region, alice: Principal
) -> None:
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
        (ExportState.ACTIVE, "pending", "pending", 25),
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


def test_the_url_of_the_manifest_is_shown_and_sealed_at_rest(
    client: Client, region: Region, alice: Principal
) -> None:
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


REFUSED = [
    ("CreateImageExportTask", {"ImageId": None}, missing(7007)),
    ("CreateImageExportTask", {"ImageId": "tata"}, value(4104)),
    ("CreateImageExportTask", {"ImageId": "ami-123456"}, value(4105)),
    ("CreateImageExportTask", {"ImageId": "ami-00000000"}, absent(5023)),
    ("CreateSnapshotExportTask", {"SnapshotId": None}, missing(7007)),
    ("CreateSnapshotExportTask", {"SnapshotId": "tata"}, value(4104)),
    ("CreateSnapshotExportTask", {"SnapshotId": "snap-123456"}, value(4105)),
    ("CreateSnapshotExportTask", {"SnapshotId": "snap-00000000"}, absent(5054)),
    *[
        (action, {"OsuExport": export}, row)
        for action in ("CreateImageExportTask", "CreateSnapshotExportTask")
        for export, row in (
            (None, missing(7007)),
            ({**EXPORT, "DiskImageFormat": None}, missing(7007)),
            ({**EXPORT, "OsuBucket": None}, missing(7007)),
            ({**EXPORT, "DiskImageFormat": ""}, value(4047)),
            ({**EXPORT, "DiskImageFormat": "vdi"}, value(4047)),
            ({**EXPORT, "OsuBucket": "Exports"}, value(4047)),
            ({**EXPORT, "OsuBucket": "ex"}, value(4047)),
            ({**EXPORT, "OsuBucket": "192.168.1.1"}, value(4047)),
            ({**EXPORT, "OsuPrefix": "p" * 401}, value(4106)),
            ({**EXPORT, "OsuPrefix": "./backups"}, value(4047)),
        )
    ],
]


@pytest.mark.parametrize(("action", "change", "row"), REFUSED)
def test_what_is_missing_unknown_or_malformed_is_refused(
    client: Client,
    region: Region,
    alice: Principal,
    action: str,
    change: dict[str, object],
    row: tuple[int, str, str],
) -> None:
    source = (
        {"ImageId": make_image(region, alice).image_id}
        if action == "CreateImageExportTask"
        else {"SnapshotId": make_snapshot(region, alice).snapshot_id}
    )
    refusal = client.refusal(action, **{**source, "OsuExport": EXPORT, **change})
    assert refusal.row == row
    assert refusal.details


@pytest.mark.parametrize("left", ["ApiKeyId", "SecretKey"])
def test_half_a_key_is_refused(client: Client, region: Region, alice: Principal, left: str) -> None:
    export = {**EXPORT, "OsuApiKey": {left: "x"}}
    image_id = make_image(region, alice).image_id
    refusal = client.refusal("CreateImageExportTask", ImageId=image_id, OsuExport=export)
    assert refusal.row == missing(7007)
    empty = {**EXPORT, "OsuApiKey": {"ApiKeyId": "", "SecretKey": ""}}
    assert client("CreateImageExportTask", ImageId=image_id, OsuExport=empty)


def test_tasks_are_found_by_image_and_by_id_and_go_by_pages(
    client: Client, region: Region, alice: Principal
) -> None:
    images = [make_image(region, alice, f"image {number}") for number in range(3)]
    tasks = [make_export_task(region, alice, image).task_id for image in images]

    def read(**request: object) -> list[str]:
        return [each["TaskId"] for each in client("ReadImageExportTasks", **request)["ImageExportTasks"]]

    assert read(Filters={"ImageIds": [images[1].image_id]}) == [tasks[1]]
    assert read(Filters={"TaskIds": ["none", tasks[2]]}) == [tasks[2]]
    first = client("ReadImageExportTasks", ResultsPerPage=2)
    rest = read(ResultsPerPage=2, NextPageToken=first["NextPageToken"])
    assert sorted([*(each["TaskId"] for each in first["ImageExportTasks"]), *rest]) == sorted(tasks)


def test_an_export_task_takes_tags(client: Client, region: Region, alice: Principal) -> None:
    task = make_export_task(region, alice, make_snapshot(region, alice))
    tag = {"Key": "k", "Value": "v"}
    client("CreateTags", ResourceIds=[task.task_id], Tags=[tag])
    assert client("ReadSnapshotExportTasks")["SnapshotExportTasks"][0]["Tags"] == [tag]
    (read,) = client("ReadTags", Filters={"ResourceTypes": ["task"]})["Tags"]
    assert read["ResourceId"] == task.task_id


def test_a_task_is_cancelled_once_and_what_is_no_task_is_refused(
    client: Client, region: Region, alice: Principal
) -> None:
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


def test_an_owner_exports_a_public_image(client: Client, region: Region, alice: Principal) -> None:
    image_id = make_image(region, alice).image_id
    client("UpdateImage", ImageId=image_id, PermissionsToLaunch={"Additions": {"GlobalPermission": True}})
    task = client("CreateImageExportTask", ImageId=image_id, OsuExport=EXPORT)["ImageExportTask"]
    assert task["ImageId"] == image_id


def test_a_grantee_may_not_export_an_image(client: Client, region: Region, bob: Principal) -> None:
    shared = make_image(region, bob, permissions=Permissions((client.who.account_id,)))
    refusal = client.refusal("CreateImageExportTask", ImageId=shared.image_id, OsuExport=EXPORT)
    assert refusal.row == unsupported(8017)


def test_a_copy_of_a_public_image_may_be_exported(client: Client, region: Region, bob: Principal) -> None:
    public = make_image(region, bob, permissions=Permissions(public=True))
    request = {"SourceImageId": public.image_id, "SourceRegionName": region.name}
    refusal = client.refusal("CreateImageExportTask", ImageId=public.image_id, OsuExport=EXPORT)
    assert refusal.row == unsupported(8017)
    copy_id = client("CreateImage", **request)["Image"]["ImageId"]
    with region.store.begin() as connection:
        images.set_state(connection, copy_id, ImageState.AVAILABLE)
    task = client("CreateImageExportTask", ImageId=copy_id, OsuExport=EXPORT)["ImageExportTask"]
    assert task["ImageId"] == copy_id


def test_a_grantee_may_export_a_snapshot_and_has_the_task(
    client: Client, other: Client, region: Region, bob: Principal
) -> None:
    shared = make_snapshot(region, bob, permissions=Permissions((client.who.account_id,)))
    client("CreateSnapshotExportTask", SnapshotId=shared.snapshot_id, OsuExport=EXPORT)
    (task,) = client("ReadSnapshotExportTasks")["SnapshotExportTasks"]
    assert task["SnapshotId"] == shared.snapshot_id
    assert other("ReadSnapshotExportTasks") == {"SnapshotExportTasks": []}


def test_tasks_are_listed_to_their_account_only(
    client: Client, other: Client, region: Region, alice: Principal
) -> None:
    make_export_task(region, alice, make_image(region, alice))
    make_export_task(region, alice, make_snapshot(region, alice))
    assert other("ReadImageExportTasks") == {"ImageExportTasks": []}
    assert other("ReadSnapshotExportTasks") == {"SnapshotExportTasks": []}
    assert len(client("ReadImageExportTasks")["ImageExportTasks"]) == 1


@pytest.mark.parametrize("at", [ImageState.PENDING, ImageState.FAILED])
def test_an_image_that_is_not_available_is_not_exported(
    client: Client, region: Region, alice: Principal, at: ImageState
) -> None:
    image_id = make_image(region, alice, state=at).image_id
    refusal = client.refusal("CreateImageExportTask", ImageId=image_id, OsuExport=EXPORT)
    assert refusal.row == state(6001)


@pytest.mark.parametrize("at", [each for each in SnapshotState if each != SnapshotState.COMPLETED])
def test_a_snapshot_that_is_not_completed_is_not_exported(
    client: Client, region: Region, alice: Principal, at: SnapshotState
) -> None:
    snapshot_id = make_snapshot(region, alice, state=at).snapshot_id
    refusal = client.refusal("CreateSnapshotExportTask", SnapshotId=snapshot_id, OsuExport=EXPORT)
    assert refusal.row == state(6003)


def test_more_exports_at_a_time_than_the_quota_are_refused(
    client: Client, region: Region, alice: Principal
) -> None:
    """There is no code of their own on record."""
    image, snapshot = make_image(region, alice), make_snapshot(region, alice)
    for limit in (names.IMAGE_EXPORTS, names.SNAPSHOT_EXPORTS):
        quotas.set_limit(region, accounts.known(region, "alice"), limit.name, 1)
    for action, source in (
        ("CreateImageExportTask", {"ImageId": image.image_id}),
        ("CreateSnapshotExportTask", {"SnapshotId": snapshot.snapshot_id}),
    ):
        client(action, **source, OsuExport=EXPORT)
        refusal = client.refusal(action, **source, OsuExport=EXPORT)
        assert refusal.row == (400, "TooManyResources (QuotaExceeded)", "10008")


def test_another_disk_format_is_refused_with_those_supported(
    client: Client, region: Region, alice: Principal
) -> None:
    export = {**EXPORT, "DiskImageFormat": "vmdk"}
    snapshot_id = make_snapshot(region, alice).snapshot_id
    refusal = client.refusal("CreateSnapshotExportTask", SnapshotId=snapshot_id, OsuExport=export)
    assert refusal.row == value(4047)
    assert "qcow2, raw" in refusal.details
