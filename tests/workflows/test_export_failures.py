"""Exports to a store that refuses, or is away."""

import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from souche.app import export_tasks, snapshots
from souche.db import export_tasks as records
from souche.model.export_tasks import ExportTask
from souche.objects.base import BucketAccessRefused, ObjectsFailed, ObjectsUnavailable, Part, Upload
from souche.states import ExportState
from tests.support.folder_oos import FolderOos, FolderStore
from tests.support.region import ManualClock
from tests.workflows.exporting import (
    TARGET,
    export_image,
    export_snapshot,
    image_of_two_disks,
    objects,
    with_buckets,
)
from tests.workflows.world import Cast, World


class Refusing(FolderStore):
    """Does not do some of what it is asked, and says so by an error."""

    def __init__(self, folder: Path, refused: Mapping[str, Exception]) -> None:
        super().__init__(folder)
        self._refused = refused

    def __getattribute__(self, name: str) -> Any:
        if name != "_refused" and name in self._refused:
            raise self._refused[name]
        return super().__getattribute__(name)


class RefusingOos(FolderOos):
    def __init__(self, folder: Path, **refused: Exception) -> None:
        super().__init__(folder)
        self._store = Refusing(folder, refused)

    def store(self) -> Refusing:
        return self._store


FULL = ObjectsFailed(reason="the store is full")
DENIED = BucketAccessRefused(bucket="exports", reason="AccessDenied")
FOR_GOOD: dict[str, dict[str, Exception]] = {
    "a key that may write but not delete": {"delete": DENIED},
    "a key that may do nothing any more": {"delete": DENIED, "uploads": DENIED},
    "a refusal that has no name": {"delete": ObjectsFailed(reason="(InvalidRequest): Invalid Request")},
    "a defect of ours": {"delete": UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates not allowed")},
}


@pytest.mark.parametrize("name", FOR_GOOD)
def test_an_undo_that_is_refused_for_good_ends_and_says_what_it_left(
    world: World, cast: Cast, name: str, logged: list[MutableMapping[str, Any]]
) -> None:
    refusals = FOR_GOOD[name]
    task = export_tasks.export_image(world.region, cast.alice, cast.image_id, TARGET)
    with_buckets(world, oos=RefusingOos(world.home / "oos", presign=FULL, **refusals)).run_all()
    ended = export_tasks.get(world.region, task.task_id)
    assert (ended.state, ended.comment) == (ExportState.FAILED, str(FULL))
    assert ended.full_comment.startswith(
        f"{FULL} These objects may be left in the bucket exports, because they could not be removed: "
    )
    (disk,) = (task.disk_key(snapshot_id) for snapshot_id in task.snapshot_ids)
    assert disk in ended.full_comment
    (told,) = [line for line in logged if line["event"] == "left in a bucket" and disk in line["keys"]]
    assert told["task_id"] == task.task_id
    assert free(world, task)
    assert world.outstanding() == []


def free(world: World, task: ExportTask) -> bool:
    """Whether none of the snapshots is held by an export."""
    with world.region.store.read() as connection:
        return not any(records.reads(connection, snapshot_id) for snapshot_id in task.snapshot_ids)


def test_an_undo_removes_what_it_may_where_one_thing_is_refused(world: World, cast: Cast) -> None:
    """Who may not list uploads may delete objects."""
    oos = RefusingOos(world.home / "oos", presign=FULL, uploads=DENIED)
    image_id = image_of_two_disks(world, cast)
    task = export_image(with_buckets(world, oos=oos), replace(cast, image_id=image_id))
    assert (task.state, objects(world)) == (ExportState.FAILED, [])


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_bucket_that_cannot_be_cleaned_yet_holds_no_snapshot(
    world: World,
    cast: Cast,
    cancelled: bool,  # noqa: FBT001
) -> None:
    """The undo is retried with its reason in the Comment, and the next start continues it."""
    away = ObjectsUnavailable(endpoint="the bucket exports", reason="it is away")
    task = export_tasks.export_snapshot(world.region, cast.alice, cast.snapshot_id, TARGET)
    there = with_buckets(world, oos=RefusingOos(world.home / "oos", put_part=FULL, delete=away))
    with pytest.raises(ObjectsUnavailable):
        there.run_all()
    waiting = export_tasks.get(world.region, task.task_id)
    assert waiting.full_comment == f"{task.comment} Its objects cannot be removed yet: {away}"
    assert free(world, task)
    snapshots.delete(world.region, cast.alice, cast.snapshot_id)
    if cancelled:
        export_tasks.cancel(world.region, cast.alice, task.task_id)
    world.run(next(each for each in world.outstanding() if each.workflow == "delete_snapshot"))
    world.run_all()
    ended = export_tasks.get(world.region, task.task_id)
    assert ended.state == (ExportState.CANCELLED if cancelled else ExportState.FAILED)
    assert world.outstanding() == []
    assert objects(world) == []


def test_a_bucket_that_stays_away_is_given_up_after_a_week(world: World, cast: Cast) -> None:
    away = ObjectsUnavailable(endpoint="the bucket exports", reason="it is away")
    task = export_tasks.export_snapshot(world.region, cast.alice, cast.snapshot_id, TARGET)
    clock = world.region.clock
    assert isinstance(clock, ManualClock)
    clock.advance(days=8)
    with_buckets(world, oos=RefusingOos(world.home / "oos", put_part=FULL, delete=away)).run_all()
    ended = export_tasks.get(world.region, task.task_id)
    assert (ended.state, ended.comment) == (ExportState.FAILED, str(FULL))
    assert "it is away" in ended.full_comment


class Away(FolderStore):
    """Away for this many calls, from the first part on."""

    def __init__(self, folder: Path, calls: int, look: Callable[[], None]) -> None:
        super().__init__(folder)
        self._calls = calls
        self._look = look
        self.parts_sent = 0

    def put_part(self, upload: Upload, number: int, data: bytes | bytearray) -> Part:
        self._fail()
        self.parts_sent += 1
        return super().put_part(upload, number, data)

    def complete_upload(self, upload: Upload, parts: Sequence[Part]) -> None:
        """The answer of the first is lost."""
        super().complete_upload(upload, parts)
        self._calls += 1
        self._fail()

    def _fail(self) -> None:
        if self._calls:
            self._calls -= 1
            self._look()
            raise ObjectsUnavailable(endpoint="the bucket exports", reason="it is away")


class AwayOos(FolderOos):
    def __init__(self, folder: Path, calls: int, look: Callable[[], None]) -> None:
        super().__init__(folder)
        self.away = Away(folder, calls, look)

    def store(self) -> Away:
        return self.away


def test_an_export_waits_for_a_store_that_is_away(world: World, cast: Cast) -> None:
    """What was sent stays sent; the comment says what is waited for, and then no longer."""
    told: list[str] = []
    task = export_tasks.export_snapshot(world.region, cast.alice, cast.snapshot_id, TARGET)

    def look() -> None:
        told.append(export_tasks.get(world.region, task.task_id).full_comment)

    oos = AwayOos(world.home / "oos", 2, look)
    with_buckets(world, oos=oos).run_all()
    ended = export_tasks.get(world.region, task.task_id)
    assert (ended.state, ended.full_comment) == (ExportState.COMPLETED, task.comment)
    assert oos.away.parts_sent == 1
    assert told[0] == task.comment
    assert told[1].startswith(f"{task.comment} It waits: ")
    assert "it is away" in told[1]
    assert objects(world) == [task.disk_key(cast.snapshot_id)]


def test_an_export_that_waits_hears_that_it_is_cancelled(world: World, cast: Cast) -> None:
    task = export_tasks.export_snapshot(world.region, cast.alice, cast.snapshot_id, TARGET)

    def look() -> None:
        if export_tasks.get(world.region, task.task_id).note:
            export_tasks.cancel(world.region, cast.alice, task.task_id)

    with_buckets(world, oos=AwayOos(world.home / "oos", 1000, look)).run_all()
    ended = export_tasks.get(world.region, task.task_id)
    assert (ended.state, ended.full_comment) == (ExportState.CANCELLED, task.comment)
    assert objects(world) == []


def test_an_export_that_has_waited_in_vain_says_for_what(world: World, cast: Cast) -> None:
    oos = AwayOos(world.home / "oos", 1000, lambda: None)
    task = export_snapshot(with_buckets(world, oos=oos, patience_seconds=0.6), cast)
    assert (task.state, task.note) == (ExportState.FAILED, None)
    assert re.search(r"it is away \(waited for \d s\)", task.comment)
