"""Exports that tests ask for, and what they leave in the bucket."""

from dataclasses import replace
from typing import Any

from souche.app import export_tasks, images
from souche.app.block_devices import BsuRequest, MappingRequest
from souche.app.export_tasks import Target
from souche.db import images as image_records
from souche.model.export_tasks import ExportTask
from tests.workflows.world import Cast, World

TARGET = Target("qcow2", "exports", "there")


def with_buckets(world: World, **changes: Any) -> World:
    """The same world with other ways to buckets."""
    return replace(world, parts=replace(world.parts, buckets=replace(world.parts.buckets, **changes)))


def export_image(world: World, cast: Cast, target: Target = TARGET) -> ExportTask:
    task = export_tasks.export_image(world.region, cast.alice, cast.image_id, target)
    world.run_all()
    return export_tasks.get(world.region, task.task_id)


def export_snapshot(world: World, cast: Cast, target: Target = TARGET) -> ExportTask:
    task = export_tasks.export_snapshot(world.region, cast.alice, cast.snapshot_id, target)
    world.run_all()
    return export_tasks.get(world.region, task.task_id)


def objects(world: World) -> list[str]:
    return world.oos.seen().get("exports", [])


def image_of_two_disks(world: World, cast: Cast) -> str:
    """An image with a disk twice, another disk, an empty volume, and product codes."""
    mappings = (
        MappingRequest("/dev/sda1", BsuRequest(snapshot_id=cast.snapshot_id)),
        MappingRequest("/dev/xvdb", BsuRequest(snapshot_id=cast.snapshot_id, volume_type="gp2")),
        MappingRequest("/dev/xvdc", BsuRequest(snapshot_id=other_snapshot(world, cast), volume_size_gib=3)),
        MappingRequest("/dev/xvdd", BsuRequest(volume_size_gib=1)),
    )
    settings = images.ImageSettings("two disks", "A description", ("uefi",), ("0002",), tpm_mandatory=True)
    wanted = images.FromSnapshots(settings, mappings, "/dev/sda1", "x86_64")
    return images.create_from_snapshots(world.region, cast.alice, wanted).image_id


def other_snapshot(world: World, cast: Cast) -> str:
    with world.region.store.read() as connection:
        image = image_records.get(connection, cast.image_id)
    assert image is not None
    return image.snapshot_ids[0]
