"""What a process counts of the operations that it does."""

from souche.app import export_tasks, images, snapshots
from souche.app.export_tasks import Target
from souche.model.tally import Outcome
from souche.states import ExportState
from tests.workflows.scenarios import SCENARIOS
from tests.workflows.world import Cast, World

TARGET = Target("qcow2", "exports", "there")


def request(workflow: str, world: World, cast: Cast) -> None:
    """Request what the first scenario of a workflow requests."""
    next(each for each in SCENARIOS if each.workflow == workflow).request(world, cast)


def outcomes(world: World) -> dict[tuple[str, Outcome], int]:
    return dict(world.parts.tally.counts().operations)


def test_an_export_counts_once_with_the_bytes_that_it_has_read(world: World, cast: Cast) -> None:
    task = export_tasks.export_image(world.region, cast.alice, cast.image_id, TARGET)
    world.run_all()
    ended = export_tasks.get(world.region, task.task_id)
    assert (ended.state, outcomes(world)) == (ExportState.COMPLETED, {("export_image", Outcome.DONE): 1})
    assert world.parts.tally.counts().exported_bytes == ended.total_bytes > 0


def test_an_export_that_its_user_cancelled_has_not_failed(world: World, cast: Cast) -> None:
    task = export_tasks.export_image(world.region, cast.alice, cast.image_id, TARGET)
    export_tasks.cancel(world.region, cast.alice, task.task_id)
    world.run_all()
    assert outcomes(world) == {("export_image", Outcome.CANCELLED): 1}


def test_an_import_counts_with_what_it_has_downloaded(world: World, cast: Cast) -> None:
    request("import_image_from_manifest", world, cast)
    world.run_all()
    assert outcomes(world) == {("import_image_from_manifest", Outcome.DONE): 1}
    assert world.parts.tally.counts().imported_bytes > 0


def test_an_import_whose_image_is_deleted_has_not_failed(world: World, cast: Cast) -> None:
    request("import_image_from_manifest", world, cast)
    images.delete(world.region, cast.alice, world.the_operation().subject_id)
    world.run_all()
    assert outcomes(world) == {("import_image_from_manifest", Outcome.CANCELLED): 1}


def test_an_import_whose_snapshot_is_deleted_has_not_failed(world: World, cast: Cast) -> None:
    request("import_snapshot", world, cast)
    snapshots.delete(world.region, cast.alice, world.the_operation().subject_id)
    world.run_all()
    assert outcomes(world)["import_snapshot", Outcome.CANCELLED] == 1


def test_what_fails_counts_as_failed(world: World, cast: Cast) -> None:
    """With a journal and without."""
    world.parts.volumes.delete_snapshot(cast.snapshot_id)
    request("create_volume", world, cast)
    request("copy_snapshot", world, cast)
    world.run_all()
    failed = {("create_volume", Outcome.FAILED): 1, ("copy_snapshot", Outcome.FAILED): 1}
    assert outcomes(world) == failed
