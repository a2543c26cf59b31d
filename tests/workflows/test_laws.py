"""The two laws of workflows, over every step of every one of them (see workflows/engine.py), on both databases: on
PostgreSQL in one variant each, and with `LAWS=whole` in all."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest

from souche.errors import StorageFailed
from souche.workflows import engine
from souche.workflows.catalogue import CATALOGUE
from souche.workflows.engine import INTERNAL_ERROR
from tests.support.databases import on_both as on_both
from tests.workflows.journals import Failing, Twice
from tests.workflows.scenarios import SCENARIOS, Scenario
from tests.workflows.world import Kind, Original, Row, Seen, World, changes, original

Straight: TypeAlias = Callable[[Scenario, Kind], Seen]

DECISIVE = {"create_image", "create_vm", "delete_vm"}
FAILURES = {
    "before its work": (StorageFailed(reason="injected"), False),
    "after its work": (StorageFailed(reason="injected"), True),
    "by a defect": (RuntimeError("injected"), True),
}
STEPS = [(scenario, step.name) for scenario in SCENARIOS for step in CATALOGUE[scenario.workflow].steps]
ENDINGS = [
    (scenario, engine.RECORD) for scenario in SCENARIOS if CATALOGUE[scenario.workflow].ending is not None
]


def _cases(steps: list[tuple[Scenario, str]], *names: str) -> list[object]:
    """Every step on the memory store, with each of the names; on the qcow2 store the decisive ones, with the
    first."""
    chosen: list[object] = [pytest.param(scenario, step, "memory", names[0]) for scenario, step in steps]
    others = [(scenario, step, "memory", name) for scenario, step in steps for name in names[1:]]
    others += [
        (scenario, step, "qcow2", names[0]) for scenario, step in steps if scenario.workflow in DECISIVE
    ]
    return [*chosen, *(pytest.param(*case, marks=pytest.mark.sqlite_alone) for case in others)]


def _id(value: object) -> str:
    return value.name if isinstance(value, Scenario) else str(value)


@pytest.fixture(scope="module")
def originals(on_both: str, tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Original]:
    place = tmp_path_factory.mktemp(f"originals-{on_both}")
    kinds: tuple[Kind, ...] = ("memory", "qcow2")
    return {kind: original(place / kind, kind) for kind in kinds}


@pytest.fixture(scope="module")
def straight(originals: dict[Kind, Original], tmp_path_factory: pytest.TempPathFactory) -> Straight:
    """What a scenario leads to when nothing goes wrong."""

    @cache
    def run(scenario: Scenario, kind: Kind) -> Seen:
        home = tmp_path_factory.mktemp("straight") / "world"
        return _after(originals[kind], home, scenario, engine.Unjournalled())

    return run


@pytest.mark.sqlite_alone
def test_every_workflow_has_a_scenario() -> None:
    assert {scenario.workflow for scenario in SCENARIOS} == set(CATALOGUE)


@pytest.mark.sqlite_alone
def test_every_image_that_becomes_available_gets_a_report_whatever_made_it(straight: Straight) -> None:
    """Of a VM, of snapshots, a copy, an import, a publication, a cleaning."""
    made = 0
    for scenario in SCENARIOS:
        rows = straight(scenario, "memory").rows
        images = [row for name, row in rows.items() if name.startswith("images ") and row is not None]
        for image in (each for each in images if each["state"] == "available"):
            assert f"image_reports {image['image_id']}" in rows, scenario.name
            made += 1
    assert made > 5


@pytest.mark.parametrize(("scenario", "step", "kind", "how"), _cases(STEPS + ENDINGS, "twice"), ids=_id)
def test_doing_a_step_twice_equals_doing_it_once(
    scenario: Scenario,
    step: str,
    kind: Kind,
    how: str,
    originals: dict[Kind, Original],
    straight: Straight,
    tmp_path: Path,
) -> None:
    once = straight(scenario, kind)
    assert _after(originals[kind], tmp_path / how, scenario, Twice(step)) == once
    assert once.outstanding == []
    assert all(all(opened.values()) for opened in once.open.values())


def _after(origin: Original, home: Path, scenario: Scenario, journal: engine.Journal) -> Seen:
    world = origin.copy(home)
    scenario.request(world, origin.cast)
    world.run(world.the_operation(), journal)
    seen = world.see()
    world.close()
    return seen


@pytest.mark.parametrize(
    ("scenario", "step", "kind", "failure"),
    _cases(STEPS, "after its work", "before its work", "by a defect"),
    ids=_id,
)
def test_failing_at_a_step_leaves_a_clean_world(
    scenario: Scenario,
    step: str,
    kind: Kind,
    failure: str,
    originals: dict[Kind, Original],
    straight: Straight,
    tmp_path: Path,
) -> None:
    origin = originals[kind]
    error, after_work = FAILURES[failure]
    world = origin.copy(tmp_path / "world")
    failed = scenario.request(world, origin.cast)
    before = world.see()
    journal = Failing(step, error, after_work)
    world.run(world.the_operation(), journal)
    after = world.see()
    world.close()
    assert after.outstanding == []
    forward_only = failed is None or _is_forward_only(scenario, step)
    assert (journal.undone == 0) == forward_only
    if failed is None or forward_only or (after_work and step in scenario.stands):
        assert after == straight(scenario, kind)
    else:
        reason = INTERNAL_ERROR if isinstance(error, RuntimeError) else str(error)
        assert _but_reports(changes(before, after)) == failed(reason)
        _check_nothing_is_left(before, after)


def _but_reports(found: dict[str, Row | None]) -> dict[str, Row | None]:
    """The report of an image stands, though the image failed: it says what the publication was refused for."""
    return {
        key: row for key, row in found.items() if not key.startswith(("image_reports ", "image_findings "))
    }


def _is_forward_only(scenario: Scenario, step: str) -> bool:
    """Whether the step comes at or after the first that is never undone."""
    for each in CATALOGUE[scenario.workflow].steps:
        if each.forward_only:
            return True
        if each.name == step:
            break
    return False


def _check_nothing_is_left(before: Seen, after: Seen) -> None:
    assert after.volumes == before.volumes
    assert after.snapshots == before.snapshots
    assert after.power == before.power
    assert after.inbound == before.inbound
    assert {vm_id: set(opened) for vm_id, opened in after.open.items()} == {
        vm_id: set(opened) for vm_id, opened in before.open.items()
    }
    assert all(all(opened.values()) for opened in after.open.values())
    assert after.staged == []
    assert after.objects == before.objects


@pytest.mark.sqlite_alone
def test_world_can_tell_a_failure(originals: dict[Kind, Original], tmp_path: Path) -> None:
    """The laws detect a world that is not clean."""
    origin = originals["memory"]
    world: World = origin.copy(tmp_path / "world")
    before = world.see()
    world.disks.store.delete_snapshot(origin.cast.snapshot_id)
    assert world.see() != before
    world.close()
