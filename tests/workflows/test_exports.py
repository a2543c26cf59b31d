"""Exports end to end on a store in a folder: the objects in the bucket, and what an interrupted export leaves."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from souche import run
from souche.app import access_keys, export_tasks, image_imports, images
from souche.app.access_keys import Changes
from souche.app.export_tasks import ApiKey, Target
from souche.app.image_imports import FromManifest
from souche.db import buckets as owners
from souche.db import export_tasks as records
from souche.faults import Fault, Faults
from souche.formats.companion import read_companion
from souche.formats.manifest import read_manifest
from souche.model.images import ImageMapping, VmAttributes
from souche.model.query import Query
from souche.objects.base import BucketAccessRefused, ObjectsUnavailable, Part, Upload
from souche.states import ExportState, ImageState
from souche.workflows import buckets
from tests.support.bucket import bucket as web_server
from tests.support.folder_oos import FolderOos, FolderStore
from tests.support.region import make_account
from tests.support.resources import make_image, read_image
from tests.workflows.exporting import (
    TARGET,
    export_image,
    export_snapshot,
    image_of_two_disks,
    objects,
    other_snapshot,
    with_buckets,
)
from tests.workflows.world import Cast, World


def test_a_bucket_is_made_with_the_disks_the_manifest_and_the_companion_in_it(
    world: World, cast: Cast, tmp_path: Path
) -> None:
    image_id = image_of_two_disks(world, cast)
    task = export_image(world, replace(cast, image_id=image_id))
    assert (task.state, task.progress_percent) == (ExportState.COMPLETED, 100)
    digits, begin = task.task_id[-8:], f"there/{image_id}/"
    disks = sorted(f"{each}-{digits}.qcow2.gz" for each in task.snapshot_ids)
    others = [f"companion-{digits}.json", f"manifest-{digits}.json"]
    assert objects(world) == [begin + name for name in [*others, *disks]]
    manifest = read_manifest(world.oos.store().get("exports", task.manifest_key))
    assert (manifest.name, manifest.description) == ("two disks", "A description")
    assert (manifest.product_codes, manifest.public) == (("0002",), False)
    devices = [(disk.device_name, disk.volume_type, disk.size_bytes) for disk in manifest.disks]
    assert devices == [
        ("/dev/sda1", "standard", 1 << 30),
        ("/dev/xvdb", "gp2", 1 << 30),
        ("/dev/xvdc", "standard", 3 << 30),
    ]
    companion = read_companion(world.oos.store().get("exports", task.companion_key))
    assert (companion.boot_modes, companion.tpm_mandatory) == (("uefi",), True)
    assert companion.lineage.image_id == image_id
    assert companion.lineage.region == world.region.name
    for disk in companion.disks:
        packed = tmp_path / disk.filename
        packed.write_bytes(world.oos.store().get("exports", begin + disk.filename))
        said = run.run(["sha256sum", packed], timeout_seconds=60).split()[0].decode()
        assert said == disk.object_sha256
        run.run(["gunzip", packed], timeout_seconds=60)
        run.run(["qemu-img", "check", "-f", "qcow2", packed.with_suffix("")], timeout_seconds=60)


def test_a_completed_export_has_the_url_of_its_manifest(world: World, cast: Cast) -> None:
    task = export_image(world, cast)
    assert export_tasks.manifest_url(world.region, task) == f"file:///exports/{task.manifest_key}"


class PublishedStore(FolderStore):
    """Its URLs are those of a web server on this machine; `lifetimes` has the seconds that they were asked for."""

    def __init__(self, folder: Path, lifetimes: list[int]) -> None:
        super().__init__(folder)
        self._lifetimes = lifetimes
        self._metadata: dict[str, dict[str, str]] = {}

    def put(self, bucket: str, key: str, data: bytes, *, metadata: Mapping[str, str]) -> None:
        super().put(bucket, key, data, metadata=metadata)
        self._metadata[key] = {f"x-amz-meta-{name}": value for name, value in metadata.items()}

    def presign(self, bucket: str, key: str, seconds: int) -> str:
        self._lifetimes.append(seconds)
        data, headers = self.get(bucket, key), self._metadata.get(key, {})
        return web_server().put(key.rpartition("/")[2], data, headers=headers, query="?X-Amz-Signature=hush")


class PublishedOos(FolderOos):
    def __init__(self, folder: Path, lifetimes: list[int]) -> None:
        super().__init__(folder)
        self._published = PublishedStore(folder, lifetimes)

    def store(self) -> PublishedStore:
        return self._published


def test_the_url_of_an_export_is_for_create_image_and_works_for_seven_days(world: World, cast: Cast) -> None:
    """Another account needs no right but the URL; product codes, and what only the companion has, come along."""
    lifetimes: list[int] = []
    oos = PublishedOos(world.home / "published", lifetimes)
    image_id = image_of_two_disks(world, cast)
    task = export_image(with_buckets(world, oos=oos), replace(cast, image_id=image_id))
    assert set(lifetimes) == {7 * 24 * 3600}
    url = export_tasks.manifest_url(world.region, task)
    bob = make_account(world.region, "bob")
    made = image_imports.create(world.region, bob, FromManifest(images.ImageSettings(None), str(url)))
    world.run_all()
    image = read_image(world.region, made.image_id)
    assert (image.state, image.account_id, image.name) == (ImageState.AVAILABLE, bob.account_id, "two disks")
    assert (image.product_codes, image.boot_modes, image.tpm_mandatory) == (("0002",), ("uefi",), True)
    source = read_image(world.region, image_id)
    for mine, exported in zip(image.snapshot_ids, source.snapshot_ids, strict=True):
        assert mine != exported
        assert world.disks.snapshot(mine) == world.disks.snapshot(exported)


def test_an_import_of_an_export_has_all_that_the_image_had(world: World, cast: Cast) -> None:
    """By the manifest, or by the companion where the manifest has no field."""
    source = make_image(
        world.region,
        cast.alice,
        "whole",
        architecture="i386",
        boot_modes=("uefi",),
        description="of alice",
        mappings=(
            ImageMapping("/dev/sda1", cast.snapshot_id, 1, "gp2"),
            ImageMapping(
                "/dev/xvdb", other_snapshot(world, cast), 4, "io1", 500, delete_on_vm_deletion=False
            ),
        ),
        product_codes=("0002", "0007"),
        secure_boot=True,
        tpm_mandatory=True,
        vm_attributes=VmAttributes(True, "terminate", "medium", "uefi"),  # noqa: FBT003
    )
    oos = PublishedOos(world.home / "published", [])
    task = export_image(with_buckets(world, oos=oos), replace(cast, image_id=source.image_id))
    url = str(export_tasks.manifest_url(world.region, task))
    settings = images.ImageSettings("mine")
    made = image_imports.create(world.region, cast.alice, FromManifest(settings, url))
    world.run_all()
    image = read_image(world.region, made.image_id)
    assert (image.state, image.lineage and image.lineage.image_id) == (ImageState.AVAILABLE, source.image_id)
    for trait in (
        *("architecture", "boot_modes", "description", "permissions", "product_codes", "root_device_name"),
        *("secure_boot", "tpm_mandatory", "vm_attributes"),
    ):
        assert (trait, getattr(image, trait)) == (trait, getattr(source, trait))
    kept = [replace(mapping, snapshot_id=None) for mapping in image.mappings]
    assert kept == [replace(mapping, snapshot_id=None) for mapping in source.mappings]


def test_a_snapshot_comes_alone(world: World, cast: Cast) -> None:
    """Without manifest, so that no licence goes with it."""
    task = export_snapshot(world, cast, Target("raw", "exports", "alone-"))
    assert task.state == ExportState.COMPLETED
    assert objects(world) == [f"alone-{cast.snapshot_id}-{task.task_id[-8:]}.raw.gz"]


class Interfering(FolderStore):
    """Does something before each part."""

    def __init__(self, folder: Path, interfere: Callable[[], None]) -> None:
        super().__init__(folder)
        self._interfere = interfere

    def put_part(self, upload: Upload, number: int, data: bytes | bytearray) -> Part:
        self._interfere()
        return super().put_part(upload, number, data)


class InterferingOos(FolderOos):
    def __init__(self, folder: Path, interfere: Callable[[], None]) -> None:
        super().__init__(folder)
        self._interfere = interfere
        self._folder_of_all = folder

    def store(self) -> Interfering:
        return Interfering(self._folder_of_all, self._interfere)


def interfering(world: World, interfere: Callable[[], None]) -> World:
    return with_buckets(world, oos=InterferingOos(world.home / "oos", interfere))


@pytest.mark.parametrize("moment", ["before it begins", "while it runs"])
def test_a_cancelled_export_leaves_nothing(world: World, cast: Cast, moment: str) -> None:
    task = export_tasks.export_image(world.region, cast.alice, cast.image_id, TARGET)

    def cancel() -> None:
        export_tasks.cancel(world.region, cast.alice, task.task_id)

    if moment == "before it begins":
        cancel()
        world.run_all()
    else:
        interfering(world, cancel).run_all()
    ended = export_tasks.get(world.region, task.task_id)
    assert (ended.state, ended.comment) == (ExportState.CANCELLED, task.comment)
    assert objects(world) == []
    with world.region.store.read() as connection:
        assert not records.reads(connection, task.snapshot_ids[0])


def test_a_failure_is_told_in_the_comment(world: World, cast: Cast) -> None:
    def fail() -> None:
        raise ObjectsUnavailable(endpoint="the bucket exports", reason="the line is cut")

    task = export_image(with_buckets(interfering(world, fail), patience_seconds=0), cast)
    assert task.state == ExportState.FAILED
    assert "the line is cut" in task.comment
    assert objects(world) == []


def test_what_was_written_before_a_crash_is_not_written_again(world: World, cast: Cast) -> None:
    image_id = image_of_two_disks(world, cast)
    export_tasks.export_image(world.region, cast.alice, image_id, TARGET)
    parts_sent: list[str] = []

    def crash_at_the_second() -> None:
        parts_sent.append("part")
        if len(parts_sent) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interfering(world, crash_at_the_second).run_all()
    interfering(world, lambda: parts_sent.append("part")).run_all()
    assert len(parts_sent) == 3
    assert sum(key.endswith(".gz") for key in objects(world)) == 2


def test_what_was_written_and_is_gone_is_written_again(world: World, cast: Cast) -> None:
    """The records are of a backup, and the bucket is an empty one."""
    image_id = image_of_two_disks(world, cast)
    task = export_tasks.export_image(world.region, cast.alice, image_id, TARGET)
    parts_sent: list[str] = []

    def crash_at_the_second() -> None:
        parts_sent.append("part")
        if len(parts_sent) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interfering(world, crash_at_the_second).run_all()
    shutil.rmtree(world.home / "oos")
    world.run_all()
    assert export_tasks.get(world.region, task.task_id).state == ExportState.COMPLETED
    assert {task.disk_key(each) for each in task.snapshot_ids} < set(objects(world))


def test_the_bucket_of_another_account_is_refused(world: World, cast: Cast) -> None:
    world.oos.ensure_bucket("exports", "000000000001")
    task = export_snapshot(world, cast)
    assert task.state == ExportState.FAILED
    assert (
        task.comment == "Error accessing bucket exports: access is refused (it belongs to another account)."
    )


def test_a_key_of_no_account_opens_another_store(world: World, cast: Cast, tmp_path: Path) -> None:
    opened: list[tuple[str, str]] = []

    def foreign(access_key_id: str, secret_key: str) -> FolderStore:
        opened.append((access_key_id, secret_key))
        return FolderStore(tmp_path / "elsewhere")

    target = replace(TARGET, api_key=ApiKey("FOREIGN", "secret"))
    task = export_snapshot(with_buckets(world, foreign=foreign), cast, target)
    assert (task.state, task.sealed_secret_key) == (ExportState.COMPLETED, None)
    assert set(opened) == {("FOREIGN", "secret")}
    assert FolderStore(tmp_path / "elsewhere").keys("exports", "") != []
    refused = export_snapshot(world, cast, target)
    assert refused.comment == "Error accessing bucket exports: access is refused (InvalidAccessKeyId)."
    assert refused.sealed_secret_key is None


def test_a_wrong_secret_is_not_told_as_a_wrong_key(world: World, cast: Cast, tmp_path: Path) -> None:
    """And a key of an account here, with whatever secret, is tried nowhere else."""
    elsewhere = with_buckets(world, foreign=lambda _key, _secret: FolderStore(tmp_path / "elsewhere"))
    for there in (world, elsewhere):
        target = replace(TARGET, api_key=ApiKey(str(cast.alice.access_key_id), "wrong"))
        told = export_snapshot(there, cast, target).comment
        assert told == "Error accessing bucket exports: access is refused (SignatureDoesNotMatch)."
    made, secret = access_keys.create(world.region, cast.alice)
    access_keys.update(world.region, cast.alice, made.access_key_id, Changes(active=False))
    for key in (ApiKey("UNKNOWN", "wrong"), ApiKey(made.access_key_id, secret)):
        told = export_snapshot(world, cast, replace(TARGET, api_key=key)).comment
        assert told == "Error accessing bucket exports: access is refused (InvalidAccessKeyId)."
    assert not (tmp_path / "elsewhere").exists()


def test_a_bucket_that_is_out_of_reach_does_not_hold_the_export_up(world: World, cast: Cast) -> None:
    """Lost access is final: objects that cannot be removed stay."""

    def lock_out() -> None:
        raise BucketAccessRefused(bucket="exports", reason="AccessDenied")

    class LockedOut(Interfering):
        def delete(self, bucket: str, key: str) -> None:  # noqa: ARG002
            lock_out()

    class LockedOutOos(InterferingOos):
        def store(self) -> LockedOut:
            return LockedOut(self._folder_of_all, lock_out)

    oos = LockedOutOos(world.home / "oos", lock_out)
    assert export_snapshot(with_buckets(world, oos=oos), cast).state == ExportState.FAILED


def test_an_object_store_that_does_not_know_accounts(world: World, cast: Cast) -> None:
    """The region records the owner of each bucket; an existing bucket has none until the operator names one."""
    oos = FolderOos(world.home / "external", knows_accounts=False)
    there = with_buckets(world, oos=oos)
    assert export_snapshot(there, cast).state == ExportState.COMPLETED
    assert export_snapshot(there, cast).state == ExportState.COMPLETED
    with world.region.store.read() as connection:
        assert owners.owner(connection, "exports") == cast.alice.account_id
    oos.store().ensure_bucket("older")
    older = replace(TARGET, bucket="older")
    assert "not a bucket of the account" in export_snapshot(there, cast, older).comment
    buckets.assign(world.region.store, "older", cast.alice.account_id)
    assert export_snapshot(there, cast, older).state == ExportState.COMPLETED
    with pytest.raises(BucketAccessRefused):
        buckets.assign(world.region.store, "older", "000000000001")


def test_progress_counts_the_data_of_all_disks(world: World, cast: Cast) -> None:
    image_id = image_of_two_disks(world, cast)
    export_tasks.export_image(world.region, cast.alice, image_id, TARGET)
    seen: list[tuple[int, int]] = []

    def look() -> None:
        (task,) = export_tasks.find(world.region, cast.alice, "image-export", Query()).resources
        seen.append((task.done_bytes, task.total_bytes))

    interfering(world, look).run_all()
    (first, total), (second, again) = seen
    assert total == again > second > first


def test_an_export_fails_half_way_on_purpose(world: World, cast: Cast, tmp_path: Path) -> None:
    """`souche fault add CreateSnapshotExportTask --half-way`: the next one, and no trace of it in the bucket."""
    faults = Faults(tmp_path / "faults.json")
    faults.add(Fault(0, "CreateSnapshotExportTask", None, "", times=1, half_way=True))
    failing = replace(world, parts=replace(world.parts, faults=faults))
    task = export_snapshot(failing, cast)
    assert (task.state, objects(world), faults.every()) == (ExportState.FAILED, [], [])
    assert "fault 1" in task.comment
    assert export_snapshot(failing, cast).state == ExportState.COMPLETED
