"""Examines images and stores the reports: for the sweep, and before an image is published."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

import structlog

from souche.db import image_reports, images
from souche.db.transactions import ValueRefused
from souche.errors import ProgramMissing, SystemFailure
from souche.model.image_reports import Examination, Finding, Severity
from souche.model.images import Image
from souche.refusals import FindingsRefuse
from souche.trust import guidelines
from souche.trust.engine import Engine, Facts, unreadable
from souche.workflows.parts import Parts

log = structlog.get_logger()


def report_on(parts: Parts, image_id: str, *, other: bool = False) -> bool:
    """Make the report of an image with the first engine or, with `other`, the next. Returns whether the next engine has
    to follow. A deleted image gets no report."""
    with parts.store.begin() as connection:
        image = images.get(connection, image_id)
        if image is None:
            return False
        image_reports.request(connection, image_id)
        image_reports.set_active(connection, image_id)
    engine = parts.engines[-1 if other else 0]
    made = _examined(parts, image, engine)
    follows = made.other and not other and len(parts.engines) > 1 and parts.engines[-1].missing() is None
    try:
        _record(parts, image_id, made, other=other, follows=follows)
    except (ValueRefused, ValueError) as error:  # otherwise every round would fail here, before other images
        reason = str(getattr(error, "orig", error))
        log.warning("the findings of an image could not be recorded", image_id=image_id, reason=reason)
        lost = unreadable(engine.name, "The findings could not be recorded, see the log of the region.")
        _record(parts, image_id, lost, other=other, follows=follows)
    return follows


def _record(parts: Parts, image_id: str, made: Examination, *, other: bool, follows: bool) -> None:
    with parts.store.begin() as connection:
        if other and not made.os:
            image_reports.finish(connection, image_id)  # the first engine's report says more
        else:
            former = image_reports.get(connection, image_id) if other else None
            made = _with_former(made, former.findings) if former else made
            image_reports.store(connection, image_id, made, parts.clock.now(), other=follows)


def _with_former(made: Examination, former: Sequence[Finding]) -> Examination:
    """The findings of the slower engine, and those of the first with severity high. The slower engine does not see
    every file system of the first (one below the partitions of a disk, or one that its kernel does not mount), and a
    launch may boot from it."""
    known = {_key(each) for each in made.findings}
    high = [each for each in former if each.severity is Severity.HIGH and _key(each) not in known]
    lines = guidelines.broken(made.guidelines, high)
    return replace(made, findings=(*high, *made.findings), guidelines=lines)


def _key(each: Finding) -> tuple[str, str, str]:
    """Equal for a finding of both engines: paths of the first system have no location, and the engines may differ in
    the first system."""
    return each.code, each.path.rpartition(": ")[2], each.fingerprint


def report_wholly(parts: Parts, image_id: str) -> None:
    """Make the report of an image with every engine that it needs."""
    if report_on(parts, image_id):
        report_on(parts, image_id, other=True)


def check_publishable(parts: Parts, image_id: str) -> None:
    """Refuse an image whose report has a finding of severity high that its publisher did not accept.

    Raises:
        FindingsRefuse.
    """
    with parts.store.read() as connection:
        report = image_reports.get(connection, image_id)
    codes = report.refused() if report else []
    if codes:
        raise FindingsRefuse(image_id=image_id, purpose="published", codes=", ".join(codes))


def _examined(parts: Parts, image: Image, engine: Engine) -> Examination:
    """A disk that the store cannot serve counts as unreadable too: the report mentions it instead of waiting
    forever."""
    facts = Facts(image.boot_modes, parts.clock.now().date())
    try:
        root = image.root_mapping.snapshot_id
        ids = sorted(image.snapshot_ids, key=lambda snapshot_id: snapshot_id != root)
        with ExitStack() as stack:
            disks = [stack.enter_context(parts.volumes.read_snapshot(each)) for each in ids]
            return engine.examine(disks, facts)
    except ProgramMissing as error:
        lacking = str(error.fields["program"])
        return unreadable(engine.name, f"This machine lacks {lacking}, which inspects disks.", other=True)
    except SystemFailure as error:
        log.warning("an image could not be inspected", image_id=image.image_id, reason=str(error))
        return unreadable(engine.name, "The disks of the image could not be read.")
    except Exception:
        log.exception("an image could not be inspected", image_id=image.image_id)
        return unreadable(engine.name, "The examination failed, see the log of the region.")
