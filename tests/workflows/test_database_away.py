"""The server of the records goes away right after a step has committed, for longer than other failures are waited for:
the answer to the commit is lost. Nothing is undone, as what the step recorded may have been seen."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from souche.db.engines.postgresql import PostgreSql
from souche.workflows.attempts import ATTEMPTS_WHEN_UNAVAILABLE, attempt
from souche.workflows.catalogue import CATALOGUE
from tests.workflows.scenarios import SCENARIOS, Scenario
from tests.workflows.world import Original, original

LOST = PostgreSql("postgresql://somebody@nowhere/records").failure(psycopg.OperationalError("lost"))
STEPS = [
    (scenario, step.name)
    for scenario in SCENARIOS
    if not CATALOGUE[scenario.workflow].only_forward
    for step in CATALOGUE[scenario.workflow].steps
]


@dataclass
class Restarting:
    """Loses the answer of one step, and every try of it for a while."""

    step: str
    left: int = 2 * ATTEMPTS_WHEN_UNAVAILABLE
    is_done: bool = False

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> str | None:
        def act() -> None:
            if name == self.step and self.is_done and self.left:
                self.left -= 1
                self._lose()
            action()
            if name == self.step and not self.is_done:
                self.is_done = True
                self._lose()

        return attempt(act, until_success=until_success, pause=lambda _seconds: None)

    def _lose(self) -> None:
        assert LOST is not None
        raise LOST


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return original(tmp_path_factory.mktemp("originals") / "memory", "memory")


@pytest.mark.parametrize(("scenario", "step"), STEPS, ids=lambda each: getattr(each, "name", each))
def test_a_workflow_waits_for_the_database_and_ends_as_a_straight_run(
    scenario: Scenario, step: str, origin: Original, tmp_path: Path
) -> None:
    world, straight = origin.copy(tmp_path / "world"), origin.copy(tmp_path / "straight")
    for each in (world, straight):
        scenario.request(each, origin.cast)
    straight.run(straight.the_operation())
    journal = Restarting(step)
    world.run(world.the_operation(), journal)
    assert journal.is_done
    assert world.see() == straight.see()
    world.close()
    straight.close()
