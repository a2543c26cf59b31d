"""A region without space refuses large writes, with the cause and Retry-After. Other requests succeed."""

import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from souche.app import access_keys
from souche.app.context.region import Region
from souche.clock import SystemClock
from souche.http.app import create_app
from souche.room import Room, Usage
from tests.support.client import Client
from tests.support.exported import put_disk, put_manifest
from tests.wire.server import Server, serving
from tests.workflows.world import Cast, MemoryDisks, World, assemble, populate

OUT_OF_SPACE = (503, "TooManyResources (QuotaExceeded)", "10001")
GIB = 1024**3
FULL = Room(lambda: Usage(used_bytes=100 * GIB, free_bytes=GIB), reserve_bytes=GIB)
EXPORT = {"DiskImageFormat": "qcow2", "OsuBucket": "exports"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = assemble(tmp_path, MemoryDisks(), seed=1)
    world.region.store.migrate()
    yield world
    world.close()


@pytest.fixture
def cast(world: World) -> Cast:
    return populate(world)


@pytest.fixture
def full(world: World) -> Region:
    """The same region when only the reserve is left."""
    return replace(world.region, room=FULL, keeps_objects=True)


def writing(cast: Cast) -> dict[str, dict[str, object]]:
    """Calls that would write much."""
    return {
        "CreateVms": {"ImageId": cast.image_id},
        "CreateVolume": {"SubregionName": "eu-test-1a", "Size": 1},
        "CreateImage": {"VmId": cast.running.vm_id, "ImageName": "another"},
        "CreateSnapshot": {"VolumeId": cast.volume_id},
        "CreateImageExportTask": {"ImageId": cast.image_id, "OsuExport": EXPORT},
        "CreateSnapshotExportTask": {"SnapshotId": cast.snapshot_id, "OsuExport": EXPORT},
    }


def importing() -> dict[str, dict[str, object]]:
    """Calls that take in what a URL leads to."""
    return {
        "CreateImage": {"FileLocation": put_manifest()},
        "CreateSnapshot": {"FileLocation": put_disk(bytes(512)), "SnapshotSize": 512},
    }


def test_what_would_write_much_is_refused_with_the_cause(world: World, cast: Cast, full: Region) -> None:
    client, before = Client(full, cast.alice), world.see()
    for action, request in [*writing(cast).items(), *importing().items()]:
        refusal = client.refusal(action, **request)
        assert refusal.row == OUT_OF_SPACE, action
        assert refusal.details.startswith("The region is out of space: "), action
        assert client.refusal(action, DryRun=True, **request).row == OUT_OF_SPACE, action
    assert world.see() == before


def test_it_is_done_where_there_is_room(world: World, cast: Cast) -> None:
    client = Client(replace(world.region, keeps_objects=True), cast.alice)
    for action, request in [*writing(cast).items(), *importing().items()]:
        client(action, **request)


def test_a_disk_that_is_larger_than_what_is_free_is_refused_at_once(world: World, cast: Cast) -> None:
    small = replace(world.region, room=Room(lambda: Usage(0, 3 * GIB), reserve_bytes=GIB))
    location = put_disk(b"", announced=2 * GIB + 1)
    refusal = Client(small, cast.alice).refusal(
        "CreateSnapshot", FileLocation=location, SnapshotSize=10 * GIB
    )
    assert refusal.row == OUT_OF_SPACE
    assert "this may need 2.0 GiB, and only 2.0 GiB are free beside the reserve" in refusal.details


def test_what_makes_room_and_what_takes_none_goes_on(world: World, cast: Cast, full: Region) -> None:
    client = Client(full, cast.alice)
    assert client("ReadVms")["Vms"]
    client("CreateTags", ResourceIds=[cast.image_id], Tags=[{"Key": "a", "Value": "b"}])
    client("CreateSnapshot", SourceSnapshotId=cast.snapshot_id, SourceRegionName=full.name)  # a link, no data
    client("StopVms", VmIds=[cast.running.vm_id], ForceStop=True)
    world.run_all()
    client("DeleteVms", VmIds=[cast.running.vm_id])
    client("DeleteImage", ImageId=cast.image_id)
    client("DeleteSnapshot", SnapshotId=cast.snapshot_id)
    client("DeleteVolume", VolumeId=cast.volume_id)


@pytest.fixture
def server(world: World, cast: Cast) -> Iterator[Server]:
    """The region over HTTP; its database cannot grow."""

    @sa.event.listens_for(world.region.store.engine, "begin")
    def full(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count=1")

    world.region.store.engine.dispose()
    now = replace(world.region, clock=SystemClock())
    app = create_app(now, functools.partial(access_keys.lookup, now))
    with serving(app) as server:
        yield server


def test_a_database_that_cannot_be_written_is_told_as_such(world: World, cast: Cast, server: Server) -> None:
    """Never 500; and reads are not delayed, nor the check of signatures."""
    key_id = cast.alice.access_key_id or ""
    known = access_keys.lookup(world.region, key_id)
    assert known is not None
    call = functools.partial(server.call, key_id=key_id, secret=known.secret)
    tags = [{"Key": f"key-{number}", "Value": "v" * 200} for number in range(40)]
    request = json.dumps({"ResourceIds": [cast.image_id], "Tags": tags}).encode()
    refused = call("CreateTags", request)
    assert (refused.status, refused.headers.get("retry-after")) == (503, "60"), refused.json
    assert refused.json["Errors"] == [
        {
            "Code": "10001",
            "Details": "The region is out of space: its records cannot be written.",
            "Type": "TooManyResources (QuotaExceeded)",
        }
    ]
    for action in ("ReadVms", "ReadImages", "ReadTags", "ReadSnapshots"):
        assert call(action).status == 200
