"""Each workflow ends alike on both databases. That it does after a failure, and after a crash, the laws say
(`test_laws.py`, `test_third_law.py`)."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.databases import Databases, Files, Kind, using
from tests.workflows.scenarios import SCENARIOS, Scenario
from tests.workflows.world import Original, Seen, changes, original


@pytest.fixture(scope="module")
def originals(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Kind, Original]]:
    made: list[tuple[Kind, Original]] = []
    for kind in (Files(), databases):
        with using(kind):
            made.append((kind, original(tmp_path_factory.mktemp("originals") / "world", "memory")))
    return made


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_workflow_ends_alike_on_both_databases(
    scenario: Scenario, originals: list[tuple[Kind, Original]], tmp_path: Path
) -> None:
    seen = [
        ended(kind, origin, tmp_path / str(number), scenario)
        for number, (kind, origin) in enumerate(originals)
    ]
    assert seen[0] == seen[1]
    assert seen[0].outstanding == []


def ended(kind: Kind, origin: Original, home: Path, scenario: Scenario) -> Seen:
    """The final state; of the rows, those that the workflow has changed."""
    with using(kind):
        world = origin.copy(home)
        scenario.request(world, origin.cast)
        before = world.see()
        world.run(world.the_operation())
        after = world.see()
        world.close()
    changed = {key: row or {} for key, row in changes(before, after).items()}
    return replace(after, rows=changed)
