"""What exports request, and what they refuse (reference sections 3 and 4)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from souche.app import access_keys as keys
from souche.app import accounts, export_tasks, images, quotas, snapshots
from souche.app.context.region import Region
from souche.app.export_tasks import ApiKey, Target
from souche.db import access_keys
from souche.db import export_tasks as records
from souche.model import quotas as names
from souche.model.accounts import Account, Principal
from souche.model.export_tasks import ExportTask
from souche.model.permissions import Permissions
from souche.quota_refusals import TooManyImageExports, TooManySnapshotExports
from souche.refusals import (
    NoObjectStore,
    NoSuchImage,
    NotSubscribed,
    SharedImageExport,
    WrongImageState,
    WrongSnapshotState,
    WrongTaskState,
)
from souche.states import ExportState, ImageState, SnapshotState
from souche.value_refusals import BadValue, ValueTooLong
from tests.support.region import ManualClock
from tests.support.resources import (
    make_export_task,
    make_image,
    make_product_type,
    make_snapshot,
    requested,
)

TARGET = Target("qcow2", "exports")


def export_of(region: Region, who: Principal, target: Target = TARGET) -> ExportTask:
    """The export of a snapshot."""
    return export_tasks.export_snapshot(region, who, make_snapshot(region, who).snapshot_id, target)


def test_the_task_has_the_image_as_it_is_now(region: Region, alice: Principal) -> None:
    image = make_image(region, alice)
    task = export_tasks.export_image(region, alice, image.image_id, TARGET)
    images.delete(region, alice, image.image_id)
    assert export_tasks.get(region, task.task_id) == task
    assert task.image == image
    assert requested(region) == ["export_image"]


@pytest.mark.parametrize(("given", "begins"), [("", ""), ("a", "a/"), ("a/b/", "a/b/")])
def test_the_prefix_of_an_image_is_rewritten(
    region: Region, alice: Principal, given: str, begins: str
) -> None:
    image_id = make_image(region, alice).image_id
    task = export_tasks.export_image(region, alice, image_id, replace(TARGET, prefix=given))
    assert task.prefix == f"{begins}{image_id}/"
    digits = task.task_id[-8:]
    assert task.disk_key("snap-1") == f"{begins}{image_id}/snap-1-{digits}.qcow2.gz"
    assert task.manifest_key == f"{begins}{image_id}/manifest-{digits}.json"


def test_the_prefix_of_a_snapshot_is_taken_as_it_is(region: Region, alice: Principal) -> None:
    task = export_of(region, alice, Target("raw", "exports", "a-"))
    assert task.disk_key(str(task.snapshot_id)) == f"a-{task.snapshot_id}-{task.task_id[-8:]}.raw.gz"


@pytest.mark.parametrize(
    "permissions", [Permissions(), Permissions(public=True), Permissions(("123456789012",))]
)
def test_an_owner_exports_what_is_his_shared_or_public(
    region: Region, alice: Principal, permissions: Permissions
) -> None:
    image = make_image(region, alice, permissions=permissions)
    assert export_tasks.export_image(region, alice, image.image_id, TARGET).image == image


@pytest.mark.parametrize("public", [False, True])
def test_a_public_or_shared_image_of_another_account_is_refused(
    region: Region,
    alice: Principal,
    bob: Principal,
    public: bool,  # noqa: FBT001
) -> None:
    permissions = Permissions(public=True) if public else Permissions((bob.account_id,))
    image_id = make_image(region, alice, permissions=permissions).image_id
    with pytest.raises(SharedImageExport):
        export_tasks.export_image(region, bob, image_id, TARGET)


def test_a_grantee_exports_a_snapshot(region: Region, alice: Principal, bob: Principal) -> None:
    shared = make_snapshot(region, alice, permissions=Permissions((bob.account_id,)))
    task = export_tasks.export_snapshot(region, bob, shared.snapshot_id, TARGET)
    assert (task.account_id, task.bucket_account_id) == (bob.account_id, bob.account_id)


def test_an_image_or_snapshot_that_is_not_ready_is_refused(region: Region, alice: Principal) -> None:
    image = make_image(region, alice, state=ImageState.PENDING)
    with pytest.raises(WrongImageState):
        export_tasks.export_image(region, alice, image.image_id, TARGET)
    snapshot = make_snapshot(region, alice, state=SnapshotState.PENDING)
    with pytest.raises(WrongSnapshotState):
        export_tasks.export_snapshot(region, alice, snapshot.snapshot_id, TARGET)


def test_a_licence_that_is_not_had_is_refused(region: Region, alice: Principal, bob: Principal) -> None:
    sold = make_product_type(region, bob, sold=True).product_type_id
    image_id = make_image(region, alice, product_codes=(sold,)).image_id
    with pytest.raises(NotSubscribed):
        export_tasks.export_image(region, alice, image_id, TARGET)


@pytest.mark.parametrize("state", [ExportState.QUEUED, ExportState.ACTIVE])
def test_an_image_that_is_being_exported_can_be_deleted(
    region: Region, alice: Principal, state: ExportState
) -> None:
    image = make_image(region, alice)
    task = make_export_task(region, alice, image, state=state)
    images.delete(region, alice, image.image_id)
    assert export_tasks.get(region, task.task_id).state == state


@pytest.mark.parametrize(
    "target", [Target("vmdk", "exports"), Target("qcow2", "Exports"), Target("qcow2", "a")], ids=str
)
def test_another_format_or_a_bad_bucket_name_is_refused(
    region: Region, alice: Principal, target: Target
) -> None:
    with pytest.raises(BadValue):
        export_of(region, alice, target)


def test_a_prefix_of_more_than_400_bytes_is_refused(region: Region, alice: Principal) -> None:
    with pytest.raises(ValueTooLong):
        export_of(region, alice, replace(TARGET, prefix="é" * 201))


@pytest.mark.parametrize("prefix", ["./backups", "a/../b", "a//b", "/a", "/", "a\\b", "a\nb", "\ud800"])
def test_a_prefix_that_the_object_store_would_refuse_or_change_is_refused(
    region: Region, alice: Principal, prefix: str
) -> None:
    target = replace(TARGET, prefix=prefix)
    with pytest.raises(BadValue, match="object prefix"):
        export_of(region, alice, target)
    image_id = make_image(region, alice).image_id
    with pytest.raises(BadValue, match="object prefix"):
        export_tasks.export_image(region, alice, image_id, target)


def test_a_slash_at_the_end_of_an_images_prefix_is_one(region: Region, alice: Principal) -> None:
    image_id = make_image(region, alice).image_id
    task = export_tasks.export_image(region, alice, image_id, replace(TARGET, prefix="a//"))
    assert task.prefix == f"a/{image_id}/"


def test_a_region_without_an_object_store_exports_by_a_foreign_key_only(
    region: Region, alice: Principal
) -> None:
    without = replace(region, oos_endpoint="")
    with pytest.raises(NoObjectStore):
        export_of(without, alice)
    export_of(without, alice, replace(TARGET, api_key=ApiKey("KEY", "secret")))


def test_the_key_of_another_account_means_its_bucket(
    region: Region, alice: Principal, bob: Principal
) -> None:
    with region.store.read() as connection:
        key = access_keys.get(connection, str(bob.access_key_id))
    assert key is not None
    right = ApiKey(key.access_key_id, region.vault.unseal(key.sealed_secret))
    task = export_of(region, alice, replace(TARGET, api_key=right))
    assert (task.account_id, task.bucket_account_id) == (alice.account_id, bob.account_id)
    assert (task.access_key_id, task.sealed_secret_key) == (None, None)


def test_a_key_that_opens_nothing_means_no_bucket_here(
    region: Region, alice: Principal, bob: Principal, clock: ManualClock
) -> None:
    inactive, secret = keys.create(region, bob)
    keys.update(region, bob, inactive.access_key_id, keys.Changes(active=False))
    expired, other_secret = keys.create(region, bob, clock.now() + timedelta(minutes=1))
    clock.advance(minutes=1)
    for key in (ApiKey(inactive.access_key_id, secret), ApiKey(expired.access_key_id, other_secret)):
        assert export_of(region, alice, replace(TARGET, api_key=key)).bucket_account_id is None


def test_a_key_of_a_disabled_account_means_no_bucket_here(
    region: Region, alice: Principal, bob: Principal
) -> None:
    key, secret = keys.create(region, bob)
    target = replace(TARGET, api_key=ApiKey(key.access_key_id, secret))
    account = accounts.known(region, bob.account_id)
    accounts.set_disabled(region, account, disabled=True)
    assert export_of(region, alice, target).bucket_account_id is None
    accounts.set_disabled(region, account, disabled=False)
    assert export_of(region, alice, target).bucket_account_id == bob.account_id


def test_a_key_of_no_account_is_kept_sealed(region: Region, alice: Principal, bob: Principal) -> None:
    for key in (ApiKey("FOREIGN", "hush-hush"), ApiKey(str(bob.access_key_id), "hush-hush")):
        task = export_of(region, alice, replace(TARGET, api_key=key))
        assert (task.bucket_account_id, task.access_key_id) == (None, key.access_key_id)
        assert task.sealed_secret_key is not None
        assert region.vault.unseal(task.sealed_secret_key) == "hush-hush"
        assert "hush-hush" not in repr(key)


def test_so_many_exports_at_a_time_as_the_quota_says(region: Region, alice: Principal) -> None:
    account = Account(alice.account_id, "alice", None, region.clock.now())
    quotas.set_limit(region, account, names.SNAPSHOT_EXPORTS.name, 1)
    quotas.set_limit(region, account, names.IMAGE_EXPORTS.name, 1)
    first = export_of(region, alice)
    with pytest.raises(TooManySnapshotExports):
        export_of(region, alice)
    export_tasks.cancel(region, alice, first.task_id)
    export_of(region, alice)
    image_id = make_image(region, alice).image_id
    export_tasks.export_image(region, alice, image_id, TARGET)
    with pytest.raises(TooManyImageExports):
        export_tasks.export_image(region, alice, image_id, TARGET)


def test_a_snapshot_that_is_exported_cannot_be_deleted(region: Region, alice: Principal) -> None:
    task = export_of(region, alice)
    snapshot_id = str(task.snapshot_id)
    export_tasks.cancel(region, alice, task.task_id)
    with pytest.raises(WrongSnapshotState, match="exported"):
        snapshots.delete(region, alice, snapshot_id)
    with region.store.begin() as connection:
        records.end(connection, task.task_id)
    snapshots.delete(region, alice, snapshot_id)


@pytest.mark.parametrize("state", ExportState)
def test_only_an_export_under_way_is_cancelled(region: Region, alice: Principal, state: ExportState) -> None:
    task = make_export_task(region, alice, make_snapshot(region, alice), state=state)
    if state in (ExportState.QUEUED, ExportState.ACTIVE):
        export_tasks.cancel(region, alice, task.task_id)
        assert export_tasks.get(region, task.task_id).state == ExportState.CANCELLED
    else:
        with pytest.raises(WrongTaskState):
            export_tasks.cancel(region, alice, task.task_id)


def test_the_operator_exports_for_the_owner(region: Region, alice: Principal) -> None:
    image_id = make_image(region, alice).image_id
    assert export_tasks.export_for_owner(region, image_id, TARGET).account_id == alice.account_id
    with pytest.raises(NoSuchImage):
        export_tasks.export_for_owner(region, "ami-00000000", TARGET)
