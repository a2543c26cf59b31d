"""Reports of images."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from souche.db import grants
from souche.db import query as engine
from souche.db.engines.elements import Unindexed
from souche.db.finder import Finder
from souche.db.schema import image_findings as findings
from souche.db.schema import image_grants, images
from souche.db.schema import image_reports as reports
from souche.model.image_reports import Examination, Finding, Guideline, Report, ReportState, Severity
from souche.model.query import Query
from souche.states import ImageState

WAITING: Final = (ReportState.PENDING, ReportState.ACTIVE)


def _of_finding(column: sa.Column[str]) -> engine.Child:
    return engine.Child(findings, column, findings.c.image_id, reports.c.image_id)


FIELDS: engine.Fields = {
    "image_id": reports.c.image_id,
    "state": reports.c.state,
    "code": _of_finding(findings.c.code),
    "severity": _of_finding(findings.c.severity),
}
_ORDER = engine.Order(images.c.creation_date, reports.c.image_id)
_USABLE = grants.usable(images, images.c.image_id, image_grants.c.image_id, engine.CALLER)
_FINDER = Finder(
    sa.select(reports).join(images, images.c.image_id == reports.c.image_id).where(_USABLE), FIELDS, _ORDER
)
_EMPTY: Final = {"other": False, "engine": "", "os": "", "guidelines": [], "accepted": []}


def request(connection: sa.Connection, image_id: str) -> None:
    """Request a report of an image that has none; it waits for its turn."""
    row = sa.select(
        images.c.image_id,
        sa.literal(ReportState.PENDING.value),
        images.c.creation_date,
        *(sa.literal(value, reports.c[name].type) for name, value in _EMPTY.items()),
    ).where(images.c.image_id == image_id, ~sa.exists().where(reports.c.image_id == image_id))
    names = ["image_id", "state", "creation_date", *_EMPTY]
    connection.execute(reports.insert().from_select(names, row))


def request_again(connection: sa.Connection, image_id: str, date: datetime) -> None:
    """Request a new report. The previous findings stay until then. A report under way is restarted."""
    request(connection, image_id)
    values = {"state": ReportState.PENDING, "other": False, "creation_date": date}
    connection.execute(reports.update().where(reports.c.image_id == image_id).values(values))


def accept(connection: sa.Connection, image_id: str, codes: Collection[str]) -> None:
    """Record the codes that the image's publisher accepts."""
    request(connection, image_id)
    values = {"accepted": sorted(set(codes))}
    connection.execute(reports.update().where(reports.c.image_id == image_id).values(values))


def erase(connection: sa.Connection, image_id: str) -> None:
    """Delete the report of an image, with its findings. Does nothing if there is none."""
    connection.execute(reports.delete().where(reports.c.image_id == image_id))


def next_image(connection: sa.Connection) -> tuple[str, bool] | None:
    """The next available image to examine, and whether by the slower engine: oldest first, those for the slower engine
    last. An interrupted report is restarted. Reads the index of waiting reports: nearly all images are available."""
    order = (reports.c.other, reports.c.creation_date, reports.c.image_id)
    wanted = (
        sa.select(reports.c.image_id, reports.c.other)
        .join(images, images.c.image_id == reports.c.image_id)
        .where(reports.c.state.in_(WAITING), Unindexed(images.c.state) == ImageState.AVAILABLE)
    )
    row = connection.execute(wanted.order_by(*order).limit(1)).one_or_none()
    return None if row is None else (row.image_id, row.other)


def set_active(connection: sa.Connection, image_id: str) -> None:
    """Record that the image's disks are being read."""
    here = reports.update().where(reports.c.image_id == image_id)
    connection.execute(here.values(state=ReportState.ACTIVE))


def store(
    connection: sa.Connection, image_id: str, made: Examination, date: datetime, *, other: bool
) -> None:
    """Write the findings; with `other`, the slower engine examines the image too. Does nothing if the image is gone, or
    the report has been requested again."""
    values = {
        "state": ReportState.PENDING if other else ReportState.COMPLETED,
        "other": other,
        "date": date,
        "engine": made.engine,
        "os": made.os,
        "guidelines": [asdict(each) for each in made.guidelines],
    }
    here = reports.update().where(reports.c.image_id == image_id, reports.c.state == ReportState.ACTIVE)
    if connection.execute(here.values(values)).rowcount == 0:
        return
    _write(connection, image_id, made.findings)


def finish(connection: sa.Connection, image_id: str) -> None:
    """Keep the previous findings. Does nothing if the report has been requested again."""
    here = reports.update().where(reports.c.image_id == image_id, reports.c.state == ReportState.ACTIVE)
    connection.execute(here.values(state=ReportState.COMPLETED, other=False))


def _write(connection: sa.Connection, image_id: str, found: Sequence[Finding]) -> None:
    connection.execute(findings.delete().where(findings.c.image_id == image_id))
    rows = [{"image_id": image_id, "position": at, **asdict(each)} for at, each in enumerate(found)]
    if rows:
        connection.execute(findings.insert(), rows)


def copy(connection: sa.Connection, image_id: str, source: Report) -> None:
    """Give an image the report of another that has the same disks."""
    request(connection, image_id)
    values = {
        "state": source.state,
        "date": source.date,
        "engine": source.engine,
        "os": source.os,
        "guidelines": [asdict(each) for each in source.guidelines],
    }
    connection.execute(reports.update().where(reports.c.image_id == image_id).values(values))
    _write(connection, image_id, source.findings)


def get(connection: sa.Connection, image_id: str) -> Report | None:
    """The report of an image; None: it was never requested."""
    row = connection.execute(reports.select().where(reports.c.image_id == image_id)).one_or_none()
    return None if row is None else _report(row, _findings(connection, [image_id]).get(image_id, []))


def find(connection: sa.Connection, account_id: str, query: Query) -> tuple[list[Report], bool]:
    """The reports of the images that the account may use, in the order of these; and whether more remain."""
    rows, more = _FINDER.find(connection, query, caller=account_id)
    found = _findings(connection, [row.image_id for row in rows])
    return [_report(row, found.get(row.image_id, [])) for row in rows], more


def _findings(connection: sa.Connection, image_ids: Sequence[str]) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for batch in engine.batches(image_ids):
        select = findings.select().where(findings.c.image_id.in_(batch))
        for row in connection.execute(select.order_by(findings.c.image_id, findings.c.position)):
            found.setdefault(row.image_id, []).append(_finding(row))
    return found


def _finding(row: engine.AnyRow) -> Finding:
    severity = Severity(row.severity)
    return Finding(row.code, severity, row.path, row.fingerprint, row.text, row.remedy, row.user)


def _report(row: engine.AnyRow, found: Sequence[Finding]) -> Report:
    return Report(
        image_id=row.image_id,
        state=ReportState(row.state),
        creation_date=row.creation_date,
        date=row.date,
        engine=row.engine,
        os=row.os,
        findings=tuple(found),
        guidelines=tuple(Guideline(**each) for each in row.guidelines),
        accepted=tuple(row.accepted),
    )
