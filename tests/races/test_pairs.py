"""Two actions whose rules cross rows, at the same time and many times, on two connections to one database: the second
one sees what the first one wrote. RACE_ROUNDS=200 tries longer.

Seen by hand to fail without the lock, of 50 rounds each. PostgreSQL, with `_take_the_writers_lock` doing nothing: a
snapshot that goes was registered in 50, launched with in 48, copied in 36, exported in 26, and a volume that goes was
linked in 46. Groups and images that go are guarded there by foreign keys, names by unique keys, quotas by a lock on the
account's row. SQLite, with BEGIN instead of BEGIN IMMEDIATE: every pair, as writers are thrown back as busy.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Barrier
from typing import TypeAlias

import pytest

from souche.api import actions
from souche.api.protocol.dispatch import dispatch
from souche.app.context.region import Region
from souche.db import export_tasks, images, quotas, security_groups, snapshots, vms, volumes
from souche.db.store import Store
from souche.errors import Raced, UserError
from souche.model.accounts import Principal
from souche.model.query import Condition, Query
from souche.model.quotas import QUOTAS
from souche.states import SnapshotState, VmState
from tests.support import databases
from tests.support.region import make_account, make_region
from tests.support.resources import make_image, make_security_group, make_snapshot, make_vm, make_volume

ROUNDS = int(os.environ.get("RACE_ROUNDS", "30"))
SECONDS = 120
ROOT = "/dev/sda1"
REQUEST_ID = "00000000-0000-0000-0000-000000000000"

Request: TypeAlias = tuple[str, dict[str, object]]


@dataclass(frozen=True)
class Scene:
    """One database, by two connections, and who acts on it."""

    first: Region
    second: Region
    who: Principal

    def call(self, region: Region, request: Request) -> bool:
        """Whether an action is done, and not refused. A defect is raised."""
        name, body = request
        try:
            dispatch(actions.outscale_action(name), region, self.who, json.dumps(body).encode(), REQUEST_ID)
        except (UserError, Raced):
            return False
        return True


@dataclass(frozen=True)
class Round:
    """Two requests, and whether what they have left breaks a rule. None: if both are done."""

    one: Request
    other: Request
    is_broken: Callable[[], bool] | None = None


Pair: TypeAlias = Callable[[Scene, int], Round]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    path = tmp_path / "region.db"
    first = make_region(tmp_path)
    stores = [Store(databases.kind().migrated(path)) for _ in range(2)]
    regions = [replace(first, store=store) for store in stores]
    who = make_account(first)
    with first.store.begin() as connection:
        for quota in QUOTAS:
            quotas.set_limit(connection, who.account_id, quota.name, 10**6)
    yield Scene(regions[0], regions[1], who)
    for store in (first.store, *stores):
        store.close()


def snapshot_is_lost(scene: Scene, snapshot_id: str) -> bool:
    """Whether the snapshot goes, and something is made from it."""
    with scene.first.store.read() as connection:
        found = snapshots.get(connection, snapshot_id)
        goes = found is None or found.state == SnapshotState.DELETING
        used = (
            images.using_snapshot(connection, snapshot_id)
            or volumes.creating_from_snapshot(connection, snapshot_id)
            or snapshots.is_being_copied(connection, snapshot_id)
            or export_tasks.reads(connection, snapshot_id)
        )
    return goes and bool(used)


def deleting_snapshot(make: Callable[[Scene, int, str], Request]) -> Pair:
    def pair(scene: Scene, number: int) -> Round:
        snapshot_id = make_snapshot(scene.first, scene.who).snapshot_id
        return Round(
            ("DeleteSnapshot", {"SnapshotId": snapshot_id}),
            make(scene, number, snapshot_id),
            lambda: snapshot_is_lost(scene, snapshot_id),
        )

    return pair


def register(_scene: Scene, number: int, snapshot_id: str) -> Request:
    mapping = {"DeviceName": ROOT, "Bsu": {"SnapshotId": snapshot_id}}
    return "CreateImage", {
        "ImageName": f"registered {number}",
        "RootDeviceName": ROOT,
        "BlockDeviceMappings": [mapping],
    }


def launch(scene: Scene, number: int, snapshot_id: str) -> Request:
    image = make_image(scene.first, scene.who, f"launched {number}")
    mapping = {"DeviceName": "/dev/xvdb", "Bsu": {"SnapshotId": snapshot_id}}
    return "CreateVms", {"ImageId": image.image_id, "BlockDeviceMappings": [mapping]}


def copy_snapshot(scene: Scene, _number: int, snapshot_id: str) -> Request:
    return "CreateSnapshot", {"SourceSnapshotId": snapshot_id, "SourceRegionName": scene.first.name}


def export(_scene: Scene, _number: int, snapshot_id: str) -> Request:
    target = {"DiskImageFormat": "qcow2", "OsuBucket": "bucket"}
    return "CreateSnapshotExportTask", {"SnapshotId": snapshot_id, "OsuExport": target}


def deleting_volume_and_linking_it(scene: Scene, number: int) -> Round:
    address = f"10.78.0.{number}"  # no two of random ones may be the same
    vm = make_vm(scene.first, scene.who, private_ip=address)
    volume = make_volume(scene.first, scene.who)
    link: dict[str, object] = {"VmId": vm.vm_id, "VolumeId": volume.volume_id, "DeviceName": "/dev/xvdb"}
    return Round(("DeleteVolume", {"VolumeId": volume.volume_id}), ("LinkVolume", link))


def deleting_an_image_and_copying_it(scene: Scene, number: int) -> Round:
    image = make_image(scene.first, scene.who, f"source {number}")
    snapshot_id = image.mappings[0].snapshot_id or ""
    copy: dict[str, object] = {
        "SourceImageId": image.image_id,
        "SourceRegionName": scene.first.name,
        "ImageName": f"copy {number}",
    }

    def is_broken() -> bool:
        """The copy is there, and has no snapshot of its own to come."""
        with scene.first.store.read() as connection:
            copied = images.named(connection, scene.who.account_id, f"copy {number}")
            source_is_kept = snapshots.get(connection, snapshot_id) is not None
        return copied is not None and not source_is_kept

    return Round(("DeleteImage", {"ImageId": image.image_id}), ("CreateImage", copy), is_broken)


def two_of_the_last_place_of_a_quota(scene: Scene, _number: int) -> Round:
    with scene.first.store.begin() as connection:
        most = quotas.used(connection, scene.who.account_id, "volume_limit") + 1
        quotas.set_limit(connection, scene.who.account_id, "volume_limit", most)

    def is_broken() -> bool:
        with scene.first.store.read() as connection:
            return quotas.used(connection, scene.who.account_id, "volume_limit") != most

    create: Request = ("CreateVolume", {"SubregionName": scene.first.subregion_name, "Size": 1})
    return Round(create, create, is_broken)


def two_of_one_name(scene: Scene, number: int) -> Round:
    create: Request = ("CreateSecurityGroup", {"SecurityGroupName": f"one {number}", "Description": "one"})

    def is_broken() -> bool:
        with scene.first.store.read() as connection:
            named = Query((Condition("name", [f"one {number}"]),))
            found, _ = security_groups.find(connection, scene.who.account_id, named)
        return len(found) != 1

    return Round(create, create, is_broken)


def deleting_an_image_and_sharing_it(scene: Scene, number: int) -> Round:
    image = make_image(scene.first, scene.who, f"shared {number}")
    additions = {"PermissionsToLaunch": {"Additions": {"GlobalPermission": True}}}

    def is_broken() -> bool:
        with scene.first.store.read() as connection:
            return images.get(connection, image.image_id) is not None

    update: Request = ("UpdateImage", {"ImageId": image.image_id, **additions})
    return Round(("DeleteImage", {"ImageId": image.image_id}), update, is_broken)


def deleting_a_group_and_launching_with_it(scene: Scene, number: int) -> Round:
    group = make_security_group(scene.first, scene.who, f"group {number}")
    image = make_image(scene.first, scene.who, f"with group {number}")

    def is_broken() -> bool:
        with scene.first.store.read() as connection:
            launched = [
                vm for vm in vms.in_states(connection, list(VmState)) if vm.image_id == image.image_id
            ]
        return any(not vm.security_groups for vm in launched)

    create: dict[str, object] = {"ImageId": image.image_id, "SecurityGroupIds": [group.security_group_id]}
    delete: Request = ("DeleteSecurityGroup", {"SecurityGroupId": group.security_group_id})
    return Round(delete, ("CreateVms", create), is_broken)


PAIRS: dict[str, Pair] = {
    "delete a snapshot, register it": deleting_snapshot(register),
    "delete a snapshot, launch with it": deleting_snapshot(launch),
    "delete a snapshot, copy it": deleting_snapshot(copy_snapshot),
    "delete a snapshot, export it": deleting_snapshot(export),
    "delete a volume, link it": deleting_volume_and_linking_it,
    "delete an image, copy it": deleting_an_image_and_copying_it,
    "the last place of a quota, twice": two_of_the_last_place_of_a_quota,
    "a name, twice": two_of_one_name,
    "delete an image, share it": deleting_an_image_and_sharing_it,
    "delete a group, launch with it": deleting_a_group_and_launching_with_it,
}


@pytest.mark.parametrize("name", PAIRS)
def test_two_at_the_same_time_break_no_rule(scene: Scene, name: str) -> None:
    outcomes: Counter[tuple[bool, bool]] = Counter()
    broken = 0
    barrier = Barrier(2, timeout=SECONDS)
    with ThreadPoolExecutor(2) as threads:

        def call(region: Region, request: Request) -> bool:
            barrier.wait()
            return scene.call(region, request)

        for number in range(ROUNDS):
            each = PAIRS[name](scene, number)
            one = threads.submit(call, scene.first, each.one)
            other = threads.submit(call, scene.second, each.other)
            done = one.result(SECONDS), other.result(SECONDS)
            outcomes[done] += 1
            broken += each.is_broken() if each.is_broken else all(done)
    assert broken == 0, f"of {ROUNDS} rounds; done: {outcomes}"
    assert outcomes[False, False] == 0
