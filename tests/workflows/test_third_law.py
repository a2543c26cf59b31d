"""The third law of workflows (see workflows/engine.py): one without a journal, or whose journal is lost, cut off at any
moment, begins again at its first step and ends as a straight run does. One without a journal also ends as a failed one
does, cut off while it is undone. On both databases: on PostgreSQL in one variant each, and with `LAWS=whole` in all."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from souche.errors import StorageFailed
from souche.workflows import engine
from souche.workflows.catalogue import CATALOGUE
from tests.support.databases import on_both as on_both
from tests.workflows.scenarios import SCENARIOS, Scenario
from tests.workflows.world import Kind, Original, Seen, World, changes, original

INJECTED = StorageFailed(reason="injected")
JOURNALLED = [scenario for scenario in SCENARIOS if CATALOGUE[scenario.workflow].journalled]
UNJOURNALLED = [scenario for scenario in SCENARIOS if not CATALOGUE[scenario.workflow].journalled]
FAILING = [
    (scenario, step.name)
    for scenario in UNJOURNALLED
    for step in CATALOGUE[scenario.workflow].steps
    if not CATALOGUE[scenario.workflow].only_forward
]
KINDS: tuple[Kind, ...] = ("memory", "qcow2")

on_each_store = pytest.mark.parametrize(
    "kind", ["memory", pytest.param("qcow2", marks=pytest.mark.sqlite_alone)]
)


class CutOff(Exception):
    """The process ends here."""


@dataclass
class Cutting:
    """Ends the run at its `left`-th moment: before a step or undo, or when its work is done. The step `failing` fails
    when its work is done."""

    left: int
    failing: str | None = None

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> str | None:  # noqa: ARG002
        self._pass()
        action()
        if name == self.failing:
            return str(INJECTED)
        self._pass()
        return None

    def _pass(self) -> None:
        if self.left == 0:
            raise CutOff
        self.left -= 1


@pytest.fixture(scope="module")
def originals(on_both: str, tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Original]:
    place = tmp_path_factory.mktemp(f"originals-{on_both}")
    return {kind: original(place / kind, kind) for kind in KINDS}


def _straight(origin: Original, home: Path, scenario: Scenario) -> Seen:
    world = origin.copy(home)
    scenario.request(world, origin.cast)
    world.run(world.the_operation())
    seen = world.see()
    world.close()
    return seen


def _cut_everywhere(world: World, failing: str | None) -> Iterator[int]:
    """Cut one run off after the other, each a moment later than the one before, until one ends. Every run meets what
    all before it have left."""
    for moment in count():
        if not world.outstanding():
            return
        try:
            world.run(world.the_operation(), Cutting(moment, failing))
        except CutOff:
            yield moment


@on_each_store
@pytest.mark.parametrize("scenario", UNJOURNALLED, ids=lambda scenario: scenario.name)
def test_a_workflow_cut_off_at_each_moment_ends_as_a_straight_run(
    scenario: Scenario, kind: Kind, originals: dict[Kind, Original], tmp_path: Path
) -> None:
    world = originals[kind].copy(tmp_path / "world")
    scenario.request(world, originals[kind].cast)
    moments = list(_cut_everywhere(world, None))
    assert len(moments) == 2 * len(engine.step_names(CATALOGUE[scenario.workflow]))
    assert world.see() == _straight(originals[kind], tmp_path / "straight", scenario)
    world.close()


@pytest.mark.sqlite_alone
@pytest.mark.parametrize("scenario", JOURNALLED, ids=lambda scenario: scenario.name)
def test_a_workflow_whose_journal_is_lost_at_a_moment_ends_as_a_straight_run(
    scenario: Scenario, originals: dict[Kind, Original], tmp_path: Path
) -> None:
    straight = _straight(originals["memory"], tmp_path / "straight", scenario)
    for moment in range(2 * len(engine.step_names(CATALOGUE[scenario.workflow]))):
        world = originals["memory"].copy(tmp_path / f"world-{moment}")
        scenario.request(world, originals["memory"].cast)
        with pytest.raises(CutOff):
            world.run(world.the_operation(), Cutting(moment))
        if world.outstanding():
            world.run(world.the_operation())
        assert world.see() == straight
        world.close()


@pytest.mark.parametrize("scenario", JOURNALLED, ids=lambda scenario: scenario.name)
def test_a_workflow_whose_journal_is_lost_at_each_moment_ends_as_a_straight_run(
    scenario: Scenario, originals: dict[Kind, Original], tmp_path: Path
) -> None:
    world = originals["memory"].copy(tmp_path / "world")
    scenario.request(world, originals["memory"].cast)
    moments = list(_cut_everywhere(world, None))
    assert len(moments) == 2 * len(engine.step_names(CATALOGUE[scenario.workflow]))
    assert world.see() == _straight(originals["memory"], tmp_path / "straight", scenario)
    world.close()


@on_each_store
@pytest.mark.parametrize(("scenario", "step"), FAILING, ids=lambda each: getattr(each, "name", each))
def test_a_workflow_cut_off_while_it_is_undone_ends_as_a_failed_one(
    scenario: Scenario, step: str, kind: Kind, originals: dict[Kind, Original], tmp_path: Path
) -> None:
    world = originals[kind].copy(tmp_path / "world")
    failed = scenario.request(world, originals[kind].cast)
    before = world.see()
    assert list(_cut_everywhere(world, step))
    after = world.see()
    world.close()
    assert failed is not None
    assert changes(before, after) == failed(str(INJECTED))
    assert (after.outstanding, after.volumes, after.power) == ([], before.volumes, before.power)


@pytest.mark.sqlite_alone
@pytest.mark.parametrize(("scenario", "step"), FAILING, ids=lambda each: getattr(each, "name", each))
def test_a_workflow_cut_off_while_it_is_undone_may_succeed_the_next_time(
    scenario: Scenario, step: str, originals: dict[Kind, Original], tmp_path: Path
) -> None:
    """As long as nobody was told that it failed."""
    straight = _straight(originals["memory"], tmp_path / "straight", scenario)
    for moment in count():
        world = originals["memory"].copy(tmp_path / f"world-{moment}")
        scenario.request(world, originals["memory"].cast)
        with suppress(CutOff):
            world.run(world.the_operation(), Cutting(moment, step))
        if not world.outstanding():
            world.close()
            return
        world.run(world.the_operation())
        assert world.see() == straight
        world.close()
