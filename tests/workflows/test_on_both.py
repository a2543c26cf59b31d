"""Each workflow ends alike on both databases: run straight, and where its last step fails and all of it is undone.

The laws over each of their steps run on SQLite alone (`test_laws.py`, `test_third_law.py`): what steps send to the
database is sent by these runs too.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from souche.errors import StorageFailed
from souche.workflows import engine
from souche.workflows.catalogue import CATALOGUE
from tests.support.databases import Databases, Files, Kind, using
from tests.workflows.journals import Failing
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
@pytest.mark.parametrize("fails", [False, True], ids=["straight", "undone"])
def test_a_workflow_ends_alike_on_both_databases(
    scenario: Scenario, originals: list[tuple[Kind, Original]], tmp_path: Path, *, fails: bool
) -> None:
    seen = [
        ended(kind, origin, tmp_path / str(number), scenario, fails=fails)
        for number, (kind, origin) in enumerate(originals)
    ]
    assert seen[0] == seen[1]
    assert seen[0].outstanding == []


def ended(kind: Kind, origin: Original, home: Path, scenario: Scenario, *, fails: bool) -> Seen:
    """What is seen at the end; of rows, those that the workflow has changed."""
    with using(kind):
        world = origin.copy(home)
        scenario.request(world, origin.cast)
        before = world.see()
        last = CATALOGUE[scenario.workflow].steps[-1].name
        failing = Failing(last, StorageFailed(reason="injected"), after_work=True)
        world.run(world.the_operation(), failing if fails else engine.Unjournalled())
        after = world.see()
        world.close()
    changed = {key: row or {} for key, row in changes(before, after).items()}
    return replace(after, rows=changed)
