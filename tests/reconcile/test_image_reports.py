"""Reports are made in the background, despite failures (docs/trust.md)."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta

import pytest

from souche.db import image_reports, images
from souche.errors import ProgramMissing
from souche.model.image_reports import Examination, Report, ReportState, hidden
from souche.model.images import ImageMapping
from souche.reconcile import image_reports as sweep
from souche.states import ImageState
from souche.trust.children import answer_of
from souche.trust.codes import finding
from souche.trust.engine import Engine, Facts
from souche.trust.guidelines import judged
from souche.workflows.parts import Parts
from tests.support.resources import make_image
from tests.workflows.world import Original, World


@dataclass
class ToldEngine:
    """An engine with prepared reports; it opens no disks."""

    name: str = "told"
    error: Exception | None = None
    other: bool = False
    lacks: str | None = None
    answers: list[Examination] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def missing(self) -> str | None:
        return self.lacks

    def examine(self, disks: Sequence[str], facts: Facts) -> Examination:  # noqa: ARG002
        self.asked.append(len(disks))
        if self.error is not None:
            raise self.error
        if self.answers:
            return self.answers.pop(0)
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
    for error, said in (
        (ProgramMissing(program="bwrap"), "lacks bwrap"),
        (ZeroDivisionError(), "examination failed"),
    ):
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


def made_of(os: str, user: str) -> Examination:
    key = finding("authorized-key", f"/srv/{user}/keys", f"A key opens '{user}'.", user=user)
    return Examination("told", os, (key,), ())


def test_what_a_database_cannot_hold_is_no_part_of_an_answer(world: World, origin: Original) -> None:
    said = json.dumps(asdict(made_of("a\0b\x1b", "z\0o\ud800e")))
    sweep.make(parts(world, ToldEngine(answers=[answer_of("told", ["echo", said], 20)])))
    made = report(world, origin.cast.image_id)
    assert (made.os, [each.code for each in made.findings]) == ("a?b\x1b", ["authorized-key"])
    assert [each.user for each in made.findings] == ["z?o?e"]
    shown = hidden(made.findings[0])
    assert (shown.path, shown.text) == ("/srv/*/keys", "A key opens '*'.")


@pytest.mark.parametrize(
    ("os", "user"), [("a\0b", "a"), ("a", "a\0b"), ("a\ud800b", "a"), ("a", "a\ud800b"), ("a" * 600, "a")]
)
def test_a_report_that_cannot_be_recorded_keeps_no_other_waiting(
    os: str, user: str, world: World, origin: Original
) -> None:
    """One database takes what another refuses: what counts is that the next image has its report."""
    mappings = (ImageMapping("/dev/sda1", origin.cast.snapshot_id, 10),)
    later = world.parts.clock.now() + timedelta(hours=1)
    behind = make_image(world.region, origin.cast.alice, "behind", mappings=mappings, creation_date=later)
    sweep.make(parts(world, ToldEngine(answers=[made_of(os, user)])))
    first, second = (report(world, each) for each in (origin.cast.image_id, behind.image_id))
    assert first.is_complete
    assert [(each.code, each.user) for each in first.findings] in (
        [("authorized-key", user)],
        [("unreadable", None)],
    )
    assert (second.state, second.os) == (ReportState.COMPLETED, "Debian")


@pytest.mark.parametrize("state", [ImageState.PENDING, ImageState.FAILED])
def test_an_image_that_is_not_available_holds_up_no_other(
    world: World, origin: Original, state: ImageState
) -> None:
    """Its last step was done, and then undone (tools.faults, seed 13000). Until 2026-11-29 a failed image, which has no
    disks, ended every round of the sweep."""
    with world.region.store.begin() as connection:
        if state == ImageState.FAILED:
            images.set_failed(connection, origin.cast.image_id, "injected")
            assert image_reports.get(connection, origin.cast.image_id) is None
        else:
            images.set_state(connection, origin.cast.image_id, state)
        image_reports.request(connection, origin.cast.image_id)
    later = make_image(world.region, origin.cast.alice, "later").image_id
    with world.region.store.begin() as connection:
        images.set_state(connection, later, ImageState.AVAILABLE)
    sweep.make(parts(world, ToldEngine()))
    assert report(world, later).state == ReportState.COMPLETED
    assert report(world, origin.cast.image_id).state == ReportState.PENDING


def test_what_the_slower_engine_found_and_nobody_can_record_leaves_the_first(
    world: World, origin: Original
) -> None:
    second = ToldEngine("second", answers=[made_of("a\ud800b", "a")])
    sweep.make(parts(world, ToldEngine("first", other=True), second))
    made = report(world, origin.cast.image_id)
    assert (made.state, made.engine) == (ReportState.COMPLETED, "first")


def test_the_slower_engine_looks_at_what_the_first_cannot_read_after_all_others(
    world: World, origin: Original
) -> None:
    first, second = ToldEngine("first", other=True), ToldEngine("second", other=True)
    sweep.make(parts(world, first, second))
    assert report(world, origin.cast.image_id).engine == "second"
    assert (first.asked, second.asked) == ([1], [1])


def test_what_the_first_engine_found_of_severity_high_stays(world: World, origin: Original) -> None:
    """A file system that the slower engine does not see would hide what lies there from every gate."""
    log, unread = finding("logs", "/var/log", "Logs."), finding("unreadable", "disk 0, partition 2", "btrfs.")
    key = finding("authorized-key", "/root/.ssh/authorized_keys", "A key.", fingerprint="SHA256:a")
    password = finding("usable-password", "/etc/shadow", "A password.")
    held = judged(["linux"], [log])
    first = Examination("first", "Debian", (key, password, log, unread), judged(["linux"], [key]), other=True)
    same = replace(key, path=f"disk 0, partition 1: {key.path}")
    second = Examination("second", "Alma", (same,), held)
    sweep.make(parts(world, ToldEngine(answers=[first]), ToldEngine(answers=[second])))
    made = report(world, origin.cast.image_id)
    assert (made.state, made.engine, made.os) == (ReportState.COMPLETED, "second", "Alma")
    assert [(each.code, each.path) for each in made.findings] == [
        ("usable-password", "/etc/shadow"),
        ("authorized-key", same.path),
    ]
    lines = {line.code: line.holds for line in made.guidelines}
    assert (lines["no-passwords"], lines["no-host-keys"]) == (False, True)


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
