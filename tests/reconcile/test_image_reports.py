"""Reports are made in the background, whatever is in the way (docs/trust.md)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from souche.db import image_reports
from souche.errors import ProgramMissing
from souche.model.image_reports import Examination, Report, ReportState
from souche.reconcile import image_reports as sweep
from souche.trust.codes import finding
from souche.trust.engine import Engine, Facts
from souche.workflows.parts import Parts
from tests.support.resources import make_image
from tests.workflows.world import Original, World


@dataclass
class ToldEngine:
    """An engine that says what it is told to, of disks that it does not open."""

    name: str = "told"
    error: Exception | None = None
    other: bool = False
    lacks: str | None = None
    asked: list[int] = field(default_factory=list)

    def missing(self) -> str | None:
        return self.lacks

    def examine(self, disks: Sequence[str], facts: Facts) -> Examination:  # noqa: ARG002
        self.asked.append(len(disks))
        if self.error is not None:
            raise self.error
        return Examination(self.name, "Debian", (finding("logs", "/var/log", "Logs."),), (), self.other)


def parts(world: World, *engines: Engine) -> Parts:
    return replace(world.parts, engines=engines)


def report(world: World, image_id: str) -> Report:
    with world.region.store.read() as connection:
        found = image_reports.get(connection, image_id)
    assert found is not None
    return found


def test_reports_are_made_in_turn(world: World, origin: Original) -> None:
    engine = ToldEngine()
    assert report(world, origin.cast.image_id).state == ReportState.PENDING
    sweep.make(parts(world, engine))
    sweep.make(parts(world, engine))
    made = report(world, origin.cast.image_id)
    assert (made.state, made.engine, made.date) == (ReportState.COMPLETED, "told", world.parts.clock.now())
    assert [each.code for each in made.findings] == ["logs"]
    assert engine.asked == [1]


def test_a_report_that_was_cut_off_is_made(world: World, origin: Original) -> None:
    with world.region.store.begin() as connection:
        image_reports.set_active(connection, origin.cast.image_id)
    sweep.make(parts(world, ToldEngine()))
    assert report(world, origin.cast.image_id).is_complete


def test_an_engine_that_breaks_or_is_not_there_leaves_a_report(world: World, origin: Original) -> None:
    for error, said in ((ProgramMissing(program="bwrap"), "lacks bwrap"), (ZeroDivisionError(), "broke")):
        with world.region.store.begin() as connection:
            image_reports.request_again(connection, origin.cast.image_id, world.parts.clock.now())
        sweep.make(parts(world, ToldEngine(error=error)))
        (found,) = report(world, origin.cast.image_id).findings
        assert found.code == "unreadable"
        assert said in found.text


def test_a_disk_that_the_store_cannot_give_is_unreadable(world: World, origin: Original) -> None:
    with world.region.store.begin() as connection:
        image_reports.request_again(connection, origin.cast.image_id, world.parts.clock.now())
    lost = make_image(world.region, origin.cast.alice, "lost")
    sweep.make(parts(world, ToldEngine()))
    assert [each.code for each in report(world, lost.image_id).findings] == ["unreadable"]
    assert [each.code for each in report(world, origin.cast.image_id).findings] == ["logs"]


def test_the_slower_engine_looks_at_what_the_first_cannot_read_after_all_others(
    world: World, origin: Original
) -> None:
    first, second = ToldEngine("first", other=True), ToldEngine("second", other=True)
    sweep.make(parts(world, first, second))
    assert report(world, origin.cast.image_id).engine == "second"
    assert (first.asked, second.asked) == ([1], [1])


def test_where_neither_can_read_what_the_first_found_stays(world: World, origin: Original) -> None:
    second = ToldEngine("second", error=ZeroDivisionError())
    sweep.make(parts(world, ToldEngine("first", other=True), second))
    made = report(world, origin.cast.image_id)
    assert (made.state, made.engine, second.asked) == (ReportState.COMPLETED, "first", [1])
    assert [each.code for each in made.findings] == ["logs"]


def test_a_slower_engine_that_is_not_there_is_not_waited_for(world: World, origin: Original) -> None:
    sweep.make(parts(world, ToldEngine("first", other=True), ToldEngine("second", lacks="python3-guestfs")))
    made = report(world, origin.cast.image_id)
    assert (made.state, made.engine) == (ReportState.COMPLETED, "first")
