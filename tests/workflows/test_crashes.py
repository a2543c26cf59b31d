"""Killed by SIGKILL in every step, and started again: nothing half is left (design 3.6)."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from souche.workflows import engine
from souche.workflows.catalogue import CATALOGUE
from tests.workflows.scenarios import SCENARIOS, Changed, Scenario
from tests.workflows.world import Qcow2Disks, Seen, assemble, changes, original

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Point:
    """Where the process is killed (see crashing.Case)."""

    scenario: Scenario
    step: str
    moment: str
    failing: str | None = None

    def __str__(self) -> str:
        failing = f" of a failed {self.failing}" if self.failing else ""
        return f"{self.scenario.name}: {self.step}{failing}, {self.moment}"


def _scenario(name: str) -> Scenario:
    return next(each for each in SCENARIOS if each.name == name)


def _steps(scenario: Scenario) -> list[str]:
    return engine.step_names(CATALOGUE[scenario.workflow])


def _forward(name: str, *moments: str) -> list[Point]:
    scenario = _scenario(name)
    return [Point(scenario, step, moment) for step in _steps(scenario) for moment in moments]


def _backward(name: str, failing: str) -> list[Point]:
    """Every undo, when a step has failed, as soon as it is done and not remembered."""
    scenario = _scenario(name)
    steps = _steps(scenario)
    undone = [f"undo {step}" for step in steps[: steps.index(failing) + 1]]
    last = [engine.ERASE] if engine.ERASE in steps else []
    return [Point(scenario, step, "done", failing) for step in (*undone, engine.FAILED, *last)]


POINTS = [
    *_forward("create_image", "before", "done"),
    Point(_scenario("create_image"), engine.ERASE, "remembered"),
    *_backward("create_image", "capture"),
    *_forward("create_vm", "done"),
    *_backward("create_vm", "start"),
    *_forward("delete_vm", "done"),
    *_forward("import_image_from_manifest", "done"),
    *_backward("import_image_from_manifest", "complete"),
]


@dataclass(frozen=True)
class Outcome:
    """A world before the crash and after the second life, and what to expect."""

    before: Seen
    after: Seen
    straight: Seen
    failed: Changed | None


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    place = tmp_path_factory.mktemp("crashes")
    origin = original(place / "original", "qcow2")
    straight: dict[str, Seen] = {}
    before: dict[str, Seen] = {}
    failed: dict[str, Changed | None] = {}
    homes = {str(point): place / str(number) for number, point in enumerate(POINTS)}
    for point in POINTS:
        world = origin.copy(homes[str(point)])
        failure = point.scenario.request(world, origin.cast)
        reason = "The volume store failed: injected"
        failed[str(point)] = failure(reason) if failure and point.failing else None
        before[str(point)] = world.see()
        world.close()
        if point.scenario.name not in straight:
            model = origin.copy(place / point.scenario.name)
            point.scenario.request(model, origin.cast)
            model.run(model.the_operation(), engine.Unjournalled())
            straight[point.scenario.name] = model.see()
            model.close()
    cases = [[str(homes[str(point)]), point.step, point.moment, point.failing] for point in POINTS]
    (place / "cases.json").write_text(json.dumps(cases))
    program = [sys.executable, "-m", "tests.workflows.crashing", str(place / "cases.json")]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for point in POINTS:
        home = homes[str(point)]
        world = assemble(home, Qcow2Disks(home), seed=4)
        seen = world.see()
        world.close()
        key = str(point)
        found[key] = Outcome(before[key], seen, straight[point.scenario.name], failed[key])
    return found


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_killed_region_leaves_nothing_half_done(point: Point, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[str(point)]
    assert outcome.after.outstanding == []
    assert all(all(opened.values()) for opened in outcome.after.open.values())
    if point.failing is None:
        assert outcome.after == outcome.straight
    else:
        assert changes(outcome.before, outcome.after) == outcome.failed
        assert outcome.after.volumes == outcome.before.volumes
        assert outcome.after.snapshots == outcome.before.snapshots
        assert outcome.after.power == outcome.before.power
        assert outcome.after.staged == outcome.before.staged
