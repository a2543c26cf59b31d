"""New URLs for exports that are complete."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from souche.app import accounts, export_refreshes, export_tasks, tags
from souche.app.export_refreshes import Refresh, Refreshed
from souche.app.export_tasks import ApiKey, Target
from souche.formats.manifest import digest
from souche.model.export_tasks import ExportTask
from souche.objects.base import ObjectStore
from souche.refusals import NoSuchTask, RefreshFailed, WrongTaskState
from souche.states import ExportState, ImageState
from souche.value_refusals import BadValue, MissingParameter, WrongIdPrefix
from tests.support.bucket import bucket as web_server
from tests.support.folder_oos import FolderStore
from tests.support.region import START, ManualClock, make_account
from tests.workflows.exporting import export_image, export_snapshot, with_buckets
from tests.workflows.test_exports import PublishedOos
from tests.workflows.test_signed_exports import (
    abroad as abroad,
)
from tests.workflows.test_signed_exports import (
    cast as cast,
)
from tests.workflows.test_signed_exports import (
    here as here,
)
from tests.workflows.test_signed_exports import (
    import_image,
    manifest_url,
)
from tests.workflows.test_signed_exports import (
    origin as origin,
)
from tests.workflows.world import Cast, World


def refresh(world: World, cast: Cast, task: ExportTask, **changes: object) -> Refreshed:
    """Refresh an export, and run the workflow."""
    command = Refresh(task.task_id, **changes)  # type: ignore[arg-type]  # a test's own
    begun = export_refreshes.refresh(world.region, cast.alice, command)
    assert begun.under_way
    world.run_all()
    return export_refreshes.wait(world.region, begun.operation_id, task.task_id)


def store_of(world: World, task: ExportTask) -> ObjectStore:
    return world.parts.buckets.store_of(task)


def clock(world: World) -> ManualClock:
    assert isinstance(world.region.clock, ManualClock)
    return world.region.clock


def test_an_export_gets_new_urls_and_is_imported_with_its_signature(
    here: World, abroad: World, cast: Cast
) -> None:
    tags.put(here.region, cast.alice, [cast.image_id], {"Name": "kept"})
    task = export_image(here, cast)
    before = store_of(here, task).get(task.bucket, task.manifest_key)
    companion = store_of(here, task).get(task.bucket, task.companion_key)
    web_server().objects.clear()  # the old URLs are stale
    refreshed = refresh(here, cast, task)
    assert not refreshed.under_way
    after = store_of(here, task).get(task.bucket, task.manifest_key)
    assert digest(after) == digest(before)
    assert store_of(here, task).get(task.bucket, task.companion_key) == companion
    made = import_image(abroad, make_account(abroad.region, "bob"), manifest_url(here, refreshed.task))
    assert made.state == ImageState.AVAILABLE
    assert made.lineage is not None
    assert made.lineage.signed_by is not None
    assert made.lineage.signed_by.trusted
    assert [tag.value for tag in tags.of_resource(abroad.region, made.image_id)] == ["kept"]


@pytest.mark.parametrize("days", [1, 7])
def test_urls_work_for_as_many_days_as_are_asked_for(here: World, cast: Cast, days: int) -> None:
    lifetimes: list[int] = []
    world = with_buckets(here, oos=PublishedOos(here.home / "published", lifetimes))
    task = export_image(world, cast)
    assert task.urls_until == START + timedelta(days=7)
    lifetimes.clear()
    clock(world).advance(days=30)
    refreshed = refresh(world, cast, task, days=days)
    assert set(lifetimes) == {days * 24 * 3600}
    assert refreshed.task.urls_until == START + timedelta(days=30 + days)


@pytest.mark.parametrize("days", [0, 8, -1, 10**30])
def test_days_are_bounded(here: World, cast: Cast, days: int) -> None:
    task = export_image(here, cast)
    with pytest.raises(BadValue, match="1 to 7"):
        export_refreshes.refresh(here.region, cast.alice, Refresh(task.task_id, days))


def test_only_a_completed_export_of_an_image_and_of_ones_own(here: World, cast: Cast) -> None:
    task, alone = export_image(here, cast), export_snapshot(here, cast)
    under_way = export_tasks.export_image(
        here.region, cast.alice, cast.image_id, Target("qcow2", "exports", "")
    )
    bob = make_account(here.region, "bob")
    for who, task_id, refusal in (
        (bob, task.task_id, NoSuchTask),
        (cast.alice, "image-export-99999999", NoSuchTask),
        (cast.alice, alone.task_id, WrongIdPrefix),
        (cast.alice, under_way.task_id, WrongTaskState),
    ):
        with pytest.raises(refusal):
            export_refreshes.refresh(here.region, who, Refresh(task_id))


def _change_manifest(
    change: Callable[[dict[str, object]], None],
) -> Callable[[ObjectStore, ExportTask], None]:
    def damage(objects: ObjectStore, task: ExportTask) -> None:
        document = json.loads(objects.get(task.bucket, task.manifest_key))
        change(document["Image"]["Snapshots"][0])
        objects.put(task.bucket, task.manifest_key, json.dumps(document).encode(), metadata={})

    return damage


def _without_companion(objects: ObjectStore, task: ExportTask) -> None:
    """So that nothing has the manifest's hash, and another object of the bucket is named."""
    objects.delete(task.bucket, task.companion_key)
    objects.put(task.bucket, f"{task.prefix}secret", b"of somebody", metadata={})
    _change_manifest(lambda disk: disk.update(Filename="secret"))(objects, task)


DAMAGES: dict[str, tuple[Callable[[ObjectStore, ExportTask], object], str]] = {
    "manifest changed": (_change_manifest(lambda disk: disk.update(Size=1)), "has changed"),
    "another object named": (_without_companion, "names secret"),
    "manifest gone": (lambda objects, task: objects.delete(task.bucket, task.manifest_key), "is missing"),
    "disk gone": (
        lambda objects, task: objects.delete(task.bucket, task.disk_key(task.snapshot_ids[0])),
        "is missing",
    ),
    "manifest is none": (
        lambda objects, task: objects.put(task.bucket, task.manifest_key, b"none", metadata={}),
        "not a JSON object",
    ),
    "manifest is huge": (
        lambda objects, task: objects.put(task.bucket, task.manifest_key, b" " * (1024**2 + 1), metadata={}),
        "more than 1048576 bytes",
    ),
    "companion changed": (
        lambda objects, task: objects.put(
            task.bucket,
            task.companion_key,
            objects.get(task.bucket, task.companion_key).replace(
                b'"TpmMandatory": false', b'"TpmMandatory": true'
            ),
            metadata={},
        ),
        "does not match its content",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_not_the_export_any_more_gets_no_urls(here: World, cast: Cast, damage: str) -> None:
    """Otherwise an altered manifest would give access to any object that it names."""
    task, (change, reason) = export_image(here, cast), DAMAGES[damage]
    change(store_of(here, task), task)
    keys = store_of(here, task).keys(task.bucket, "")
    found = {key: store_of(here, task).get(task.bucket, key) for key in keys}
    with pytest.raises(RefreshFailed, match=reason):
        refresh(here, cast, task)
    assert {key: store_of(here, task).get(task.bucket, key) for key in keys} == found
    kept = export_tasks.get(here.region, task.task_id)
    assert (kept.state, kept.sealed_manifest_url) == (ExportState.COMPLETED, task.sealed_manifest_url)


def test_a_bucket_that_is_another_accounts_by_now_is_left_alone(here: World, cast: Cast) -> None:
    """Its name was free after it had been deleted."""
    task = export_image(here, cast)
    (here.home / "published" / task.bucket / "owner").write_text("000000000000")
    with pytest.raises(RefreshFailed, match="belongs to another account"):
        refresh(here, cast, task)


def test_a_bucket_of_another_account_needs_its_key_again(here: World, cast: Cast) -> None:
    _bob, key, secret = accounts.create(here.region, "bob", None)
    theirs = ApiKey(key.access_key_id, secret)
    task = export_image(here, cast, Target("qcow2", "of-bob", "", theirs))
    assert task.state == ExportState.COMPLETED
    with pytest.raises(MissingParameter, match="API key"):
        export_refreshes.refresh(here.region, cast.alice, Refresh(task.task_id))
    for wrong in (ApiKey(key.access_key_id, "wrong"), ApiKey("UNKNOWN", secret)):
        with pytest.raises(BadValue, match="API key"):
            export_refreshes.refresh(here.region, cast.alice, Refresh(task.task_id, api_key=wrong))
    assert not refresh(here, cast, task, api_key=theirs).under_way


def test_a_bucket_elsewhere_needs_its_key_again_and_the_key_is_forgotten(
    here: World, cast: Cast, tmp_path: Path
) -> None:
    opened: list[tuple[str, str]] = []

    def foreign(access_key_id: str, secret_key: str) -> FolderStore:
        opened.append((access_key_id, secret_key))
        return FolderStore(tmp_path / "elsewhere")

    world = with_buckets(here, foreign=foreign)
    key = ApiKey("AKIAELSEWHERE", "hush")
    task = export_image(world, cast, Target("qcow2", "exports", "", key))
    assert (task.state, task.bucket_account_id) == (ExportState.COMPLETED, None)
    with pytest.raises(MissingParameter, match="API key"):
        export_refreshes.refresh(world.region, cast.alice, Refresh(task.task_id))
    opened.clear()
    other = ApiKey("AKIAOTHER", "new")
    assert not refresh(world, cast, task, api_key=other).under_way
    assert set(opened) == {("AKIAOTHER", "new")}
    assert export_tasks.get(world.region, task.task_id).sealed_secret_key is None


def test_a_failure_is_told_once_and_another_try_may_succeed(here: World, cast: Cast) -> None:
    task = export_image(here, cast)
    key = task.disk_key(task.snapshot_ids[0])
    disk = store_of(here, task).get(task.bucket, key)
    store_of(here, task).delete(task.bucket, key)
    with pytest.raises(RefreshFailed, match="is missing"):
        refresh(here, cast, task)
    store_of(here, task).put(task.bucket, key, disk, metadata={})
    assert refresh(here, cast, task).task.refresh_problem is None


def test_an_export_of_an_earlier_souche_gets_new_urls_too(here: World, cast: Cast) -> None:
    """Without a companion, or with one that is not signed."""
    task = export_image(here, cast)
    store_of(here, task).delete(task.bucket, task.companion_key)
    url = manifest_url(here, refresh(here, cast, task).task)
    headers = web_server().objects["/" + url.split("?")[0].split("/", 3)[3]].headers
    assert headers == {}


def test_a_dry_run_requests_nothing(here: World, cast: Cast) -> None:
    task = export_image(here, cast)
    export_refreshes.refresh(here.region.for_dry_run(), cast.alice, Refresh(task.task_id))
    assert here.outstanding() == []


def test_all_exports_are_listed_to_the_operator(here: World, cast: Cast) -> None:
    first = export_image(here, cast)
    clock(here).advance(seconds=1)
    export_snapshot(here, cast)
    second = export_image(here, replace(cast))
    assert [task.task_id for task in export_refreshes.every(here.region)] == [first.task_id, second.task_id]
