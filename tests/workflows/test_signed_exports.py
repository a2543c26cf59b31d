"""From one region to another: an export is signed, and an import checks the signer and restores everything."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from souche.app import export_tasks, image_imports, images, tags
from souche.app.image_imports import FromManifest
from souche.app.images import ImageSettings
from souche.formats.companion import read_companion
from souche.formats.manifest import digest, read_manifest
from souche.model.accounts import Principal
from souche.model.export_tasks import ExportTask
from souche.model.images import Consistency, Image, SignedBy
from souche.signing import SigningKey
from souche.states import ImageState
from souche.value_refusals import ManifestDiffers, UntrustedExport
from tests.support.bucket import bucket as web_server
from tests.support.region import make_account
from tests.support.resources import read_image
from tests.workflows.exporting import export_image, image_of_two_disks, with_buckets
from tests.workflows.test_exports import PublishedOos
from tests.workflows.world import REGION_ID, Cast, Original, World, original

RENEWED = SigningKey.generate()


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return original(tmp_path_factory.mktemp("original") / "world", "memory")


@pytest.fixture
def cast(origin: Original) -> Cast:
    return origin.cast


@pytest.fixture
def here(origin: Original, tmp_path: Path) -> Iterator[World]:
    """The region that exports."""
    world = origin.copy(tmp_path / "here")
    yield with_buckets(world, oos=PublishedOos(world.home / "published", []))
    world.close()


@pytest.fixture
def abroad(origin: Original, here: World, tmp_path: Path) -> Iterator[World]:
    """Another region, which requires the signature of the first."""
    world = origin.copy(tmp_path / "abroad")
    required = (here.region.signing_key.public,)
    region = replace(
        world.region, name="eu-other-1", signing_key=SigningKey.generate(), required_keys=required
    )
    yield replace(world, region=region)
    world.close()


def manifest_url(world: World, task: ExportTask) -> str:
    return export_tasks.manifest_url(world.region, task) or ""


def import_image(world: World, who: Principal, url: str) -> Image:
    made = image_imports.create(world.region, who, FromManifest(ImageSettings(None), url))
    world.run_all()
    return read_image(world.region, made.image_id)


def test_an_image_goes_to_another_region_with_its_signature_checked_and_nothing_lost(
    here: World, abroad: World, cast: Cast
) -> None:
    wanted = images.FromVm(ImageSettings("alive"), cast.running.vm_id, no_reboot=True)
    source_id = images.create_from_vm(here.region, cast.alice, wanted).image_id
    here.run_all()
    tags.put(here.region, cast.alice, [source_id], {"Name": "alive", "empty": ""})
    task = export_image(here, replace(cast, image_id=source_id))
    tags.put(here.region, cast.alice, [source_id], {"Name": "later"})
    bob = make_account(abroad.region, "bob")
    made = import_image(abroad, bob, manifest_url(here, task))
    source = read_image(here.region, source_id)
    assert (made.state, made.state_message) == (ImageState.AVAILABLE, None)
    assert made.lineage is not None
    assert (made.lineage.image_id, made.lineage.export_task_id) == (source_id, task.task_id)
    assert made.lineage.signed_by == SignedBy(
        REGION_ID, here.region.name, here.region.signing_key.public.fingerprint, trusted=True
    )
    assert source.consistency == Consistency("crash-consistent", one_instant=True)
    assert made.consistency == source.consistency
    assert made.guest_pause_seconds == source.guest_pause_seconds
    assert made.vm_attributes == source.vm_attributes
    tagged = {tag.key: tag.value for tag in tags.of_resource(abroad.region, made.image_id)}
    assert tagged == {"Name": "alive", "empty": ""}


def test_empty_volumes_are_not_lost(here: World, abroad: World, cast: Cast) -> None:
    source = read_image(here.region, image_of_two_disks(here, cast))
    assert any(mapping.snapshot_id is None for mapping in source.mappings)
    url = manifest_url(here, export_image(here, replace(cast, image_id=source.image_id)))
    made = import_image(abroad, make_account(abroad.region, "bob"), url)
    assert [replace(each, snapshot_id=None) for each in made.mappings] == [
        replace(each, snapshot_id=None) for each in source.mappings
    ]
    assert [each.snapshot_id is None for each in made.mappings] == [
        each.snapshot_id is None for each in source.mappings
    ]


def test_the_manifest_is_that_of_every_region_and_the_companion_has_its_hash(here: World, cast: Cast) -> None:
    task = export_image(here, cast)
    store = here.parts.buckets.store_of(task)
    manifest = store.get(task.bucket, task.manifest_key)
    document = json.loads(manifest)
    assert (set(document), set(document["Image"]["Snapshots"][0])) == (
        {"Version", "Image"},
        {"Device", "PreSignedUrl", "Size", "VolumeType", "Iops", "DeleteOnTermination", "Filename"},
    )
    companion = read_companion(store.get(task.bucket, task.companion_key))
    assert companion.manifest_sha256 == digest(manifest)
    assert companion.signer is not None
    assert companion.signer.key == here.region.signing_key.public
    assert len(companion.disks) == len(read_manifest(manifest).disks)


def test_a_companion_of_an_older_export_is_refused(here: World, abroad: World, cast: Cast) -> None:
    """Signed as it is: it has the hash of its own manifest."""
    older, newer = export_image(here, cast), export_image(here, cast)
    paths = ["/" + manifest_url(here, task).split("?")[0].split("/", 3)[3] for task in (older, newer)]
    old, new = (web_server().objects[path] for path in paths)
    url = web_server().put("manifest.json", new.data, headers=old.headers)
    bob = make_account(abroad.region, "bob")
    with pytest.raises(ManifestDiffers):
        import_image(abroad, bob, url)


def test_a_disk_that_is_changed_in_the_bucket_fails_the_import_with_the_reason(
    here: World, abroad: World, cast: Cast
) -> None:
    url = manifest_url(here, export_image(here, cast))
    path = "/" + url.split("?")[0].split("/", 3)[3]
    disk = json.loads(web_server().objects[path].data)["Image"]["Snapshots"][0]["PreSignedUrl"]
    disk_path = "/" + disk.split("?")[0].split("/", 3)[3]
    stored = web_server().objects[disk_path]
    changed = stored.data[:-20] + bytes(20)
    web_server().objects[disk_path] = replace(stored, data=changed)
    made = import_image(abroad, make_account(abroad.region, "bob"), url)
    assert (made.state, made.mappings) == (ImageState.FAILED, ())
    assert made.state_message


def test_after_another_key_is_made_old_exports_need_the_old_one(
    here: World, abroad: World, cast: Cast
) -> None:
    """What was signed stays signed: a region that requires signatures names both keys while it takes old exports."""
    old_key = here.region.signing_key.public
    old = manifest_url(here, export_image(here, cast))
    renewed = replace(here, parts=replace(here.parts, signing_key=RENEWED))
    new = manifest_url(renewed, export_image(renewed, cast))
    bob = make_account(abroad.region, "bob")
    assert import_image(abroad, bob, old).state == ImageState.AVAILABLE
    with pytest.raises(UntrustedExport):
        import_image(abroad, bob, new)
    both = replace(abroad, region=replace(abroad.region, required_keys=(old_key, RENEWED.public)))
    for url in (old, new):
        assert import_image(both, bob, url).state == ImageState.AVAILABLE
