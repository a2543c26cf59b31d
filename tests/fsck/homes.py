"""Homes to be checked: a healthy one, copied for each test, and what is found in one."""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from souche.fsck.examine import Report, examine
from souche.home import Home
from souche.main import checking
from tests.workflows.world import Cast, Original, World, original

Damage = Callable[[World, Cast], str]
"""Damages a home, and returns the id of the resource that the finding is to name."""


def healthy(home: Path) -> Original:
    """A region with guests, disks and an image, at rest."""
    made = original(home, "qcow2")
    Home(home).record_facts({"Compute": "simulated", "GuestNetwork": "10.77.0.0/24"})
    with checking.mending(Home(home)):
        return made  # opened once, it has its id, and files for its owner only


def look(home: Path, *, deep: bool = False) -> Report:
    """What is found, without the pauses between looks."""
    with checking.opened(Home(home)) as region:
        return examine(region, deep=deep, pause=_at_once)


def mend(home: Path) -> None:
    """As `--repair` does."""
    repairs = [finding.repair for finding in look(home).findings if finding.repair]
    with checking.mending(Home(home)) as tools:
        for repair in repairs:
            repair.act(tools)


def codes(report: Report) -> list[tuple[str, str]]:
    """What was found of what."""
    return [finding.key for finding in report.findings]


def execute(world: World, statement: str, **values: object) -> None:
    """Change records without the region."""
    with world.region.store.begin() as connection:
        connection.execute(sa.text(statement), values)


def _at_once(_seconds: float) -> None:
    """Nothing changes meanwhile."""
